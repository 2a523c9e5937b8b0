"""One backend in detail: facts, news that name it, and the whole as text."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.tui import scenes
from tests.tui.fake_proxy import NOW
from tests.tui.panes.looks import look_at, named, of_backends
from udplb.engine import events
from udplb.engine.snapshot import Snapshot
from udplb.tui.panes.backend_detail import lines_of, news_of, text_of
from udplb.tui.panes.looking import Look

EDGE_5 = ("game", "[2001:db8::15]:5000")


def said(look: Look, name: str, width: int = 200) -> list[str]:
    lines = lines_of(look, named(look, name), (), width)
    return ["".join(piece.text for piece in line).rstrip() for line in lines]


def test_a_backend_that_is_up() -> None:
    facts = said(look_at(), "edge-1")
    assert facts == [
        "state     ● UP for 1h00m  2 probes answered",
        "weight    100  due 29% of the new flows",
        "share     25% of the flows: 4,702",
        "probe     0.8 ms",
        "1st reply 0.9 ms mean of 9,000",
        "trouble   none",
        "now       in 10.8k/s 0 b/s  out 10.8k/s 0 b/s",
        "in all    120,000 flows, 4.7 GiB in, 9.1 GiB out",
    ]


def test_a_drain_comes_second_with_its_forecast() -> None:
    facts = said(look_at(), "edge-3")
    assert facts[0] == "state     ◐ DRAIN up for 1h00m  2 probes answered"
    assert facts[1] == (
        "drain     1,204 flows left: 312 active, 892 quiet (gone within 48s); "
        "for 1m12s, no deadline"
    )
    narrow = said(look_at(), "edge-3", 40)
    at = narrow.index("drain     1,204 flows left: 312 active,")
    assert narrow[at + 1 : at + 3] == [
        "          892 quiet (gone within 48s);",
        "          for 1m12s, no deadline",
    ]


def test_a_slow_one_says_against_whom() -> None:
    assert "probe     14.2 ms  18x the others' median" in said(look_at(), "edge-4")


def test_an_ejected_one_says_its_troubles() -> None:
    facts = said(look_at(), "edge-6")
    assert facts[0] == "state     ✖ EJECTED for 36s  3 datagrams refused"
    assert "trouble   refused 3 times, ejected once" in facts


def test_the_share_of_new_flows_is_told_against_what_is_due() -> None:
    def pair(one: int, two: int, step: int) -> Snapshot:
        return of_backends(
            scenes.backend("one", 1, admitted=one), scenes.backend("two", 2, admitted=two),
            whole=scenes.busy(step=step),
        )  # fmt: skip

    facts = said(look_at(pair(0, 0, 0), pair(30, 10, 1)), "one")
    assert "weight    100  due 50% of the new flows" in facts
    assert facts[2].endswith("75% of the new ones now")


def test_lately_and_overall_first_replies_are_apart() -> None:
    before = of_backends(scenes.backend("a", 1, first_replies=100, first_reply_s=0.001))
    after = of_backends(
        scenes.backend("a", 1, first_replies=200, first_reply_s=0.002), whole=scenes.busy(step=1)
    )
    assert "1st reply 3 ms lately  2 ms mean of 200" in said(look_at(before, after), "a")


def test_answers_are_told_where_they_are_counted() -> None:
    look = look_at(of_backends(scenes.backend("a", 1, answered_share=0.981)))
    assert "answered  98.1% of the replies owed" in said(look, "a")


def test_what_is_unknown_is_not_zero() -> None:
    plain = scenes.backend("a", 1, probe_latency_s=None, first_reply_s=None, changed_at=None)
    facts = said(look_at(of_backends(plain)), "a")
    assert facts[0] == "state     ● UP"
    assert "probe     none that measures" in facts
    assert "1st reply none yet" in facts
    assert "now       -" in facts


def test_stale_facts_are_dim() -> None:
    look = look_at(now=NOW + 60)
    inks = {p.ink for line in lines_of(look, named(look, "edge-1"), (), 80) for p in line}
    assert inks == {"stale"}


def test_news_are_those_that_name_it_the_newest_first() -> None:
    news = news_of(EDGE_5, "edge-5", scenes.happenings())
    assert [type(each).__name__ for each in news] == ["ConfigurationChanged", "OperatorActed"]
    edge_3 = news_of(("game", "10.0.0.13:5000"), "edge-3", scenes.happenings())
    assert [type(each).__name__ for each in edge_3] == ["BackendDrainBegan"]


@pytest.mark.parametrize(
    ("command", "names_it"),
    [
        ("udplb weight game/edge-5 50", True),
        ("udplb drain game/[2001:db8::15]:5000", True),
        ("udplb drain game/edge-50", False),
        ("udplb drain mygame/edge-5", False),
        ("udplb drain game/edge-5.b", False),
    ],
)
def test_a_longer_name_is_another_backend(command: str, names_it: bool) -> None:
    acted = events.OperatorActed(at=NOW, who="ana", command=command, result="done", done=True)
    assert bool(news_of(EDGE_5, "edge-5", [acted])) is names_it


def test_a_longer_port_is_another_backend() -> None:
    changed = events.ConfigurationChanged(
        at=NOW, generation=2, why="", sentences=("backend x (10.0.0.1:5000) removed",)
    )
    assert news_of(("game", "10.0.0.1:5000"), "x", [changed])
    assert not news_of(("game", "10.0.0.1:500"), "y", [changed])


def test_a_name_is_no_pattern() -> None:
    acted = events.OperatorActed(at=NOW, who="a", command="b", result="c", done=True)
    assert news_of(("game", "["), "(.*", [acted]) == []


def test_the_text_has_everything_and_nothing_that_a_terminal_obeys() -> None:
    how: dict[str, Any] = {"reason": "\x1b[2Jgone\n", "up": False}
    look = look_at(of_backends(scenes.backend("a", 1, **how)))
    rows = [msgspec.structs.replace(each, client="\x1b]0;x") for each in scenes.flow_rows(2)]
    text = text_of(look, named(look, "a"), scenes.happenings(), rows)
    assert "\x1b" not in text
    assert "\\x1b[2Jgone" in text
    assert "game/a  10.0.0.11:5000  at 2026-11-22T12:01:02Z" in text
    assert "balance maglev, probe udp" in text
    assert "requests  41,000,001 datagrams, 4.7 GiB" in text
    assert "busiest flows\n  \\x1b]0;x  current  912/s  idle 0.0s  flow 7000" in text
    assert "events, the newest first" in text
