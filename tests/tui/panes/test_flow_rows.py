"""Flows as rows."""

from __future__ import annotations

import msgspec

from tests.tui import scenes
from udplb.tui.ink import Piece
from udplb.tui.model import FlowPace
from udplb.tui.panes.flow_rows import COLUMNS, TREND, Sight, row_of, states_of, trend_of
from udplb.tui.themes.glyphs import GLYPHS
from udplb.tui.widgets.live_table import LiveRow

ROWS = scenes.flow_rows(20)
SNAPSHOT = scenes.busy()


def pace(*history: float) -> FlowPace:
    return FlowPace(
        requests=1.0, request_bytes=100.0, replies=2.0, reply_bytes=400.0, history=history
    )


def cells(row: LiveRow) -> dict[str, Piece]:
    titles = [column.title for column in COLUMNS]
    return dict(zip(titles, row.pieces, strict=True))


def test_a_row() -> None:
    found = cells(row_of(ROWS[0], pace(1, 8), Sight()))
    assert {title: piece.text for title, piece in found.items()} == {
        "CLIENT": "203.0.113.0:40000",
        "LISTENER": "game",
        "BACKEND": "edge-1",
        "STATE": "current",
        "AGE": "0:41",
        "RATE": "912/s",
        "BITS": "4 kb/s",
        "IDLE": "0.0s",
        "1ST REPLY": "0.9 ms",
        "TREND": "      ▁█",
        "DATAGRAMS": "179,000",
        "BYTES": "26.7 MiB",
    }


def test_states_stand_beside_backends_that_are_not_simply_up() -> None:
    states = states_of(SNAPSHOT, {("game", "10.0.0.14:5000")}, GLYPHS)
    shown = [cells(row_of(ROWS[at], None, Sight(states)))["BACKEND"] for at in (0, 2, 3)]
    assert shown == [Piece("edge-1"), Piece("edge-3 ◐", "drain"), Piece("edge-4 ▲", "slow")]
    assert states["game", "10.0.0.11:5000"] == Piece("● UP", "up")
    assert states_of(None, (), GLYPHS) == {}


def test_a_theme_has_its_own_glyphs() -> None:
    states = states_of(SNAPSHOT, (), {**GLYPHS, "drain": "d", "up": "u"})
    assert states["game", "10.0.0.13:5000"].text == "d DRAIN"


def test_what_is_old_or_gone_is_dim_as_a_whole() -> None:
    for row in (
        row_of(ROWS[5], None, Sight(stale=True)),
        row_of(ROWS[5], None, Sight(), gone=True),
    ):
        assert row.ink == "stale"
        assert not any(piece.ink for piece in row.pieces)
    assert cells(row_of(ROWS[5], None, Sight()))["STATE"] == Piece("leaving", "drain")


def test_nothing_is_quiet_and_what_is_not_known_is_a_dash() -> None:
    still = msgspec.structs.replace(ROWS[0], rate=0.0, first_reply_s=None)
    found = cells(row_of(still, None, Sight()))
    assert found["RATE"] == Piece("0/s", "quiet")
    assert found["BITS"] == found["1ST REPLY"] == Piece("-", "quiet")


def test_a_trend_needs_two_looks_and_has_as_many_cells_as_there_are() -> None:
    assert trend_of(None, TREND) == trend_of(pace(5.0), TREND) == ""
    assert trend_of(pace(*range(16)), TREND) == "▄▅▅▆▆▇▇█"
