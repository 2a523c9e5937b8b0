"""Flows as rows of a live table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from udplb.engine.snapshot import FlowRow, Snapshot
from udplb.show import page
from udplb.show.page import Cell
from udplb.show.quantities import bit_rate, rate
from udplb.show.states import state_of_backend, state_of_flow
from udplb.tui.draw.blocks import sparkline
from udplb.tui.ink import Piece, piece_of
from udplb.tui.model import BackendKey, FlowPace, key_of
from udplb.tui.themes.glyphs import with_glyph
from udplb.tui.themes.roles import role_of_state
from udplb.tui.widgets.live_table import LiveColumn, LiveRow

TREND = 8
"""Cells of a flow's trend."""
LISTENER = "LISTENER"

COLUMNS: tuple[LiveColumn, ...] = (
    LiveColumn("CLIENT", middle=True, width_max=21, width_min=15),
    LiveColumn(LISTENER, rank=4, width_max=12),
    LiveColumn("BACKEND", width_max=16),
    LiveColumn("STATE", rank=2),
    LiveColumn("AGE", "age", number=True, rank=4, width_min=6),
    LiveColumn("RATE", "rate", number=True, width_min=7),
    LiveColumn("BITS", number=True, rank=1, width_min=9),
    LiveColumn("IDLE", "idle", number=True, rank=1, width_min=5),
    LiveColumn("1ST REPLY", number=True, rank=5),
    LiveColumn("TREND", rank=3, width_min=TREND),
    LiveColumn("DATAGRAMS", "datagrams", number=True, rank=7),
    LiveColumn("BYTES", "bytes", number=True, rank=6, width_min=8),
)

States = Mapping[tuple[str, str], Piece]
"""By a flow's listener and its backend's address."""


@dataclass(frozen=True, slots=True)
class Sight:
    """All that decides how flows look, beside the flows."""

    states: States = field(default_factory=dict)
    """Of backends that are not simply up."""
    stale: bool = False
    """The rows are older than they should be."""


def states_of(
    snapshot: Snapshot | None, slow: Collection[BackendKey], glyphs: Mapping[str, str]
) -> States:
    """Glyph and word of each backend, as each listener's flows have it."""
    if snapshot is None:
        return {}
    found: dict[tuple[str, str], Piece] = {}
    of_cluster = {
        cluster.name: [
            (each.address, _state(state_of_backend(each), key_of(each) in slow, glyphs))
            for each in cluster.backends
        ]
        for cluster in snapshot.clusters
    }
    for listener in snapshot.listeners:
        for address, state in of_cluster.get(listener.cluster, ()):
            found[listener.name, address] = state
    return found


def _state(state: Cell, slow: bool, glyphs: Mapping[str, str]) -> Piece:
    if slow and state.word == "UP":
        return Piece(f"{glyphs['slow']} SLOW", "slow")
    return Piece(with_glyph(state.text, glyphs), role_of_state(state.word))


def row_of(row: FlowRow, pace: FlowPace | None, sight: Sight, *, gone: bool = False) -> LiveRow:
    """One flow. Where the proxy is lost or the flow is gone, all of it is dim."""
    pieces = (
        Piece(row.client),
        Piece(row.listener, "quiet"),
        _backend(row, sight.states),
        _word(state_of_flow(row.state)),
        piece_of(page.age(row.age_s)),
        _amount(rate(row.rate), row.rate),
        Piece("-", "quiet") if pace is None else _amount(bit_rate(pace.bytes), pace.bytes),
        piece_of(page.idle(row.idle_s)),
        piece_of(page.span(row.first_reply_s)),
        Piece(trend_of(pace, TREND), "graph"),
        piece_of(page.count(row.requests + row.replies)),
        piece_of(page.size(row.request_bytes + row.reply_bytes)),
    )
    if gone or sight.stale:
        return LiveRow(row.id, tuple(Piece(piece.text) for piece in pieces), "stale")
    return LiveRow(row.id, pieces)


def trend_of(pace: FlowPace | None, width: int) -> str:
    """Its last looks as a sparkline; nothing before there were two."""
    if pace is None or len(pace.history) < 2:
        return ""
    return sparkline(pace.history, min(width, len(pace.history))).rjust(width)


def _backend(row: FlowRow, states: States) -> Piece:
    """Its name, with the glyph of its state where that is worth a look."""
    state = states.get((row.listener, row.backend_address))
    if state is None or state.ink in ("", "up"):
        return Piece(row.backend)
    glyph = state.text.partition(" ")[0]
    return Piece(f"{row.backend} {glyph}", state.ink)


def _word(state: Cell) -> Piece:
    return Piece(state.text, role_of_state(state.word))


def _amount(text: str, number: float) -> Piece:
    """A number of something; nothing is quiet."""
    return Piece(text, "" if number > 0 else "quiet")
