"""Above and below the flows: what is shown of how many, and what to do where there is nothing."""

from __future__ import annotations

from dataclasses import dataclass

from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import Snapshot
from udplb.show.quantities import age, count
from udplb.tui.ink import Piece
from udplb.tui.panes.flow_window import DEPTH_MAX

WAITING = "waiting for the first rows…"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is looked at."""

    query: FlowQuery
    matched: int | None
    """Flows for which the filter holds; None: nobody knows yet."""
    live: int
    """All flows."""
    ranked_s: float | None
    """How long ago."""
    marked: int = 0
    held: bool = False
    """Rows keep their places."""
    stale: bool = False


def summary_of(view: View) -> list[Piece]:
    """`filter: idle<5s   212 of 18,402   sort rate ↓   ranked 0.8 s ago`."""
    query = view.query
    if query.filter:
        pieces = [Piece("filter: ", "quiet"), Piece(query.filter, "hot")]
    else:
        pieces = [Piece("no filter", "quiet")]
    if view.matched is not None:
        known = f"{count(view.matched)} of {count(view.live)}" if query.filter else count(view.live)
        pieces += [Piece("   "), Piece(known, "heading"), Piece(" flows", "quiet")]
    arrow = "↑" if query.ascending else "↓"
    pieces += [Piece("   sort ", "quiet"), Piece(f"{query.sort} {arrow}")]
    if view.ranked_s is not None:
        ago = f"{view.ranked_s:.1f} s" if view.ranked_s < 60 else age(view.ranked_s)
        pieces.append(Piece(f"   ranked {ago} ago", "stale" if view.stale else "quiet"))
    if view.marked:
        pieces.append(Piece(f"   {count(view.marked)} marked", "mark"))
    if view.held:
        pieces.append(Piece("   order held", "quiet"))
    return pieces


def empty_of(view: View, snapshot: Snapshot | None) -> str:
    """Where there is no row: why, and what to do about it."""
    if snapshot is None or view.matched is None:
        return WAITING
    if view.query.filter:
        return f"0 of {count(view.live)}; Esc clears the filter"
    where = ", ".join(f"{each.name} {each.address}" for each in snapshot.listeners[:3])
    more = f" and {len(snapshot.listeners) - 3} more" if len(snapshot.listeners) > 3 else ""
    listening = f" Listening on {where}{more};" if where else " There is no listener;"
    return f"No flows yet.{listening} try udplb demo"


def more_of(view: View) -> str:
    """Below the last row: that there are others, where they cannot be scrolled to."""
    if view.matched is None or view.matched <= DEPTH_MAX:
        return ""
    return f"{count(DEPTH_MAX)} of {count(view.matched)}: filter to see the others"
