"""Rows of backends: a piece below each column, in every state."""

from __future__ import annotations

import pytest

from tests.tui import scenes
from tests.tui.fake_proxy import NOW
from tests.tui.panes.looks import look_at, named, of_backends
from udplb.tui.panes.backend_rows import FEW, MANY, few, many, note
from udplb.tui.panes.looking import Look
from udplb.tui.widgets.live_table import LiveColumn


def cells(look: Look, name: str, *, all_of_them: bool = False) -> dict[str, str]:
    columns: tuple[LiveColumn, ...] = MANY if all_of_them else FEW
    row = (many if all_of_them else few)(look, named(look, name))
    assert len(row.pieces) == len(columns)
    return {
        column.title: piece.text.strip() for column, piece in zip(columns, row.pieces, strict=True)
    }


def test_a_row_of_the_overview() -> None:
    said = cells(look_at(), "edge-1")
    assert said == {
        "NAME": "game/edge-1",
        "ADDRESS": "10.0.0.11:5000",
        "STATE": "● UP",
        "WT": "100",
        "FLOWS": "4,702",
        "SHARE": "25% ▉",
        "RATE": "21.6k/s",
        "BITS": "0 b/s",
        "LATENCY": "0.8 ms",
        "HEALTH 60s": "···········▂",
        "NOTE": "",
    }


def test_a_row_of_all_columns_has_more() -> None:
    said = cells(look_at(), "edge-6", all_of_them=True)
    assert said["FOR"] == "0:36"
    assert said["DUE"] == "0%"
    assert said["REFUSED"] == "3"
    assert said["EJECTED"] == "1"
    assert said["LATENCY"] == "-"
    assert said["HEALTH 60s"] == "···········×"  # noqa: RUF001 - a cross it is
    assert said["NOTE"] == "for 36s: 3 datagrams refused"
    assert cells(look_at(), "edge-1", all_of_them=True)["DUE"] == "29%"


def test_rates_are_in_the_chosen_unit() -> None:
    before = of_backends(scenes.backend("a", 1, requests=0, request_bytes=0))
    after = of_backends(
        scenes.backend("a", 1, requests=500, request_bytes=62_500), whole=scenes.busy(step=1)
    )
    assert cells(look_at(before, after), "a", all_of_them=True)["IN"] == "1k/s"
    assert cells(look_at(before, after, bits=True), "a", all_of_them=True)["IN"] == "1 Mb/s"


def test_one_cluster_needs_no_name() -> None:
    assert cells(look_at(of_backends(scenes.backend("a", 1))), "a")["NAME"] == "a"


def test_with_one_picture_nothing_is_known_of_rates() -> None:
    said = cells(look_at(scenes.busy()), "edge-1", all_of_them=True)
    assert (said["NEW"], said["IN"], said["OUT"]) == ("-", "-", "-")


def test_an_address_that_is_the_name_is_said_once() -> None:
    whole = of_backends(scenes.backend("10.0.0.11:5000", 1))
    assert cells(look_at(whole), "10.0.0.11:5000")["ADDRESS"] == "-"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("edge-1", ""),
        ("edge-3", "312 active, 892 quiet (gone within 48s); for 1m12s, no deadline"),
        ("edge-4", "18x median"),
        ("edge-6", "for 36s: 3 datagrams refused"),
    ],
)
def test_notes_say_what_to_know_beside_the_state(name: str, said: str) -> None:
    look = look_at()
    assert note(look, named(look, name)) == said


def test_a_long_note_is_cut() -> None:
    look = look_at(of_backends(scenes.backend("a", 1, up=False, reason="x" * 5_000)))
    assert len(few(look, named(look, "a")).pieces[-1].text) == 60


def test_stale_rows_are_dim_as_a_whole() -> None:
    look = look_at(now=NOW + 60)
    row = many(look, named(look, "edge-1"))
    assert row.ink == "stale"
    assert {piece.ink for piece in row.pieces} == {""}


def test_weight_0_stands_out() -> None:
    whole = of_backends(scenes.backend("a", 1, weight=0), scenes.backend("b", 2))
    look = look_at(whole)
    pieces = few(look, named(look, "a")).pieces
    assert pieces[3].ink == "slow"
