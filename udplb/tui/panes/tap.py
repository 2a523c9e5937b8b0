"""The tap: the last datagrams of one flow as they come, both ways, the newest below."""

from __future__ import annotations

import msgspec

from udplb.config.wording import escape
from udplb.engine.snapshot import TAP_DATAGRAMS_MAX, TapSnapshot
from udplb.show.page import Cell, Table
from udplb.show.tap import lines_of_bytes, page_of_tap
from udplb.tui.ink import Piece, piece_of
from udplb.tui.widgets.live_table import LEAD, LiveColumn, LiveRow, LiveTable

COLUMNS: tuple[LiveColumn, ...] = (
    LiveColumn("TIME", width_min=13),
    LiveColumn("DIRECTION"),
    LiveColumn("SIZE", number=True, width_min=7),
    LiveColumn("GAP", number=True, rank=1, width_min=7),
    LiveColumn("CONTENT", width_max=20),
)
"""Those of udplb.show.tap."""
EMPTY = "no datagram since the tap began"


class TapView(LiveTable):
    """What one flow sends and gets. Its rows' identities count the datagrams of the tap."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(COLUMNS, empty=EMPTY, id=id)
        self.tap: TapSnapshot | None = None
        """What is shown."""
        self._drawn: object = None

    def show_tap(self, tap: TapSnapshot | None, *, now: float = 0.0, stale: bool = False) -> None:
        """Draw these datagrams. The cursor stays with the newest, unless it was moved away."""
        drawn = (tap and (tap.flow, tap.seen, tap.datagrams[-1:]), stale, self.width)
        if drawn == self._drawn and tap is not None:
            return
        at_end = self.place >= len(self.rows) - 1
        self.tap, self._drawn = tap, drawn
        self.show(() if tap is None else _rows(tap, now, self.width, stale), empty=EMPTY)
        if at_end:
            self.to_end()

    def text_of_datagram(self) -> tuple[str, str] | None:
        """A title and the bytes of the datagram under the cursor."""
        known = self.tap.datagrams if self.tap is not None else ()
        if self.row is None or not 0 <= self.place < len(known):
            return None
        datagram = known[self.place]
        when, way, size, gap, content = (escape(piece.text) for piece in self.row.pieces)
        lines = (f"gap {gap}", content, "", *lines_of_bytes(datagram))
        return f"{when}  {way}  {size}", "\n".join(lines)


def joined(before: TapSnapshot | None, tap: TapSnapshot) -> TapSnapshot:
    """The newest of a tap, and what was seen of it before it began anew.

    It does that whenever the console looks at other rows: then another stream brings it.
    """
    if before is None or before.flow != tap.flow or tap.seen >= before.seen:
        return tap
    last = before.datagrams[-1].at if before.datagrams else 0.0
    new = tuple(each for each in tap.datagrams if each.at > last)
    both = (*before.datagrams, *new)[-TAP_DATAGRAMS_MAX:]
    return msgspec.structs.replace(tap, seen=before.seen + len(new), datagrams=both)


def _rows(tap: TapSnapshot, now: float, width: int, stale: bool) -> list[LiveRow]:
    first = tap.seen - len(tap.datagrams)
    *_, table = page_of_tap(tap, now=now, width=width - LEAD - 1)
    assert isinstance(table, Table)
    return [
        LiveRow(first + at, tuple(Piece(cell.text) for cell in cells), "stale")
        if stale
        else LiveRow(first + at, _pieces(cells, to_backend=datagram.to_backend))
        for at, (cells, datagram) in enumerate(zip(table.rows, tap.datagrams, strict=True))
    ]


def _pieces(cells: tuple[Cell, ...], *, to_backend: bool) -> tuple[Piece, ...]:
    when, way, size, gap, content = cells
    return (
        Piece(when.text, "quiet"),
        Piece(way.text, "rx" if to_backend else "tx"),
        piece_of(size),
        Piece(gap.text, "quiet"),
        piece_of(content),
    )
