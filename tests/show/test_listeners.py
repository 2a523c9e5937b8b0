from __future__ import annotations

from tests.show.pictures import HOSTILE, later, listener, snapshot
from udplb.show.listeners import page_of_listeners
from udplb.show.paces import paces_between
from udplb.show.page import Page
from udplb.show.plain import text_of


def columns(page: Page) -> dict[str, str]:
    header, first, *_ = text_of(page).splitlines()
    names = header.split()
    return dict(zip(names, first.split(maxsplit=len(names) - 1), strict=True))


def test_a_row_for_programs() -> None:
    assert columns(page_of_listeners((listener(),))) == {
        "LISTENER": "dns", "ADDRESS": "[::]:53", "CLUSTER": "dns", "FLOWS": "212",
        "REQUESTS": "18402", "REPLIES": "18001", "REQUEST_BYTES": "1258291",
        "REPLY_BYTES": "94371840", "DROPPED": "16", "SHED": "9", "KERNEL_DROPS": "7",
        "RECEIVE_QUEUED_BYTES": "2304", "DROPS_BY_REASON": "max_flows 14, oversize 2",
    }  # fmt: skip


def test_watching_adds_columns_and_moves_none_but_the_last() -> None:
    paces = paces_between(snapshot(), later(2))
    still = list(columns(page_of_listeners((listener(),))))
    watched = columns(page_of_listeners(later(2).listeners, paces))
    assert list(watched)[: len(still) - 1] == still[:-1]
    assert watched["REQUESTS_PER_S"] == "1000.0"
    assert watched["REQUEST_BYTES_PER_S"] == "100000.0"


def test_a_listener_that_is_new_has_no_pace() -> None:
    paces = paces_between(snapshot(), later(2))
    assert columns(page_of_listeners((listener(name="new"),), paces))["REQUESTS_PER_S"] == "-"


def test_a_hostile_name_is_one_word() -> None:
    row = columns(page_of_listeners((listener(name=HOSTILE, dropped={}),)))
    assert row["LISTENER"] == "\\x1b[31m[red]evil[/red]\\x1b[2J\\nnext"
    assert row["DROPS_BY_REASON"] == "-"
