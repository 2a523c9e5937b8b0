"""One flow in full."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.tui import scenes
from udplb.engine.control.requests import Explanation
from udplb.tui.ink import Piece
from udplb.tui.model import FlowPace
from udplb.tui.panes.flow_detail import FlowDetail, Text, lines_of, text_of

ROW = msgspec.structs.replace(scenes.flow_rows(1)[0], ends_in_s=26.4)
PACE = FlowPace(requests=450, request_bytes=50_000, replies=440, reply_bytes=100_000, history=())


def why(chosen: str | None) -> Explanation:
    return Explanation(
        listener="game", client=ROW.client, cluster="game", balance="hrw", affinity=None,
        hash_key=None, hash=None, ranked=(), chosen=chosen, why="it scores most of 5 backends",
        barred=None, flows=(), last_drop=None,
    )  # fmt: skip


def detail(**how: Any) -> FlowDetail:
    usual: dict[str, Any] = {
        "row": ROW, "pace": PACE, "listener_address": "203.0.113.1:5000",
        "backend_state": Piece("● UP", "up"), "why": why("edge-1"),
    }  # fmt: skip
    return FlowDetail(**{**usual, **how})


def texts(lines: Text) -> list[str]:
    return ["".join(piece.text for piece in line).rstrip() for line in lines]


def test_at_the_bottom_it_has_five_lines() -> None:
    assert texts(lines_of(detail(), side=None)) == [
        "203.0.113.0:40000 → game 203.0.113.1:5000 → edge-1 ● UP  10.0.0.11:5000",
        "current   age 0:41   idle 0.0s   ends in 26s   1st reply 0.9 ms",
        "requests  90,000   8.6 MiB  450/s  400 kb/s",
        "replies   89,000  18.1 MiB  440/s  800 kb/s",
        "why  it scores most of 5 backends",
    ]


def test_at_the_side_a_line_for_each_fact() -> None:
    lines = texts(lines_of(detail(), side=20))
    assert lines[4:8] == ["state     current", "age       0:41", "idle      0.0s", "ends in   26s"]
    assert lines[-3:] == ["why", "it scores most of 5", "backends"]


def test_why_is_about_the_next_flow_where_that_would_go_elsewhere() -> None:
    for told, expected in (
        (why("edge-2"), "a new flow would go to edge-2: it scores most of 5 backends"),
        (why(None), "a new flow: it scores most of 5 backends"),
        ("no such listener", "why  no such listener"),
        (None, "why  …"),
    ):
        assert texts(lines_of(detail(why=told), side=None))[-1] == expected


def test_a_flow_that_ended_goes_at_no_pace() -> None:
    lines = texts(lines_of(detail(ended=True), side=None))
    assert lines[1].startswith("ended   age 0:41")
    assert "ends in -" in lines[1]
    assert lines[2].endswith("0/s  0 b/s")


def test_a_flow_that_is_not_in_the_window_may_have_ended() -> None:
    assert "current (no longer in this window)" in texts(lines_of(detail(gone=True), side=None))[1]


def test_as_text_nothing_is_shortened() -> None:
    text = text_of(detail())
    for line in (
        "flow           7000",
        "client         203.0.113.0:40000",
        "listener       game 203.0.113.1:5000",
        "backend        edge-1 10.0.0.11:5000",
        "backend state  ● UP",
        "ends in        26s",
        "requests       90,000   8.6 MiB (9,000,000 B)",
        "               450/s   400 kb/s",
        "why  it scores most of 5 backends",
    ):
        assert line in text.splitlines()
