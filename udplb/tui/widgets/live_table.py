"""The live table: rows that change twice a second, a cursor that stays with its row.

Drawn line by line: Textual's DataTable costs ten times as much. The cursor and the marks belong to
the rows' identities, not to their places, so that nobody acts on a row that jumped.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from udplb.tui.breath import breathe
from udplb.tui.ink import Inks, Piece, fitted, strip_of
from udplb.tui.widgets.columns import GAP, LiveColumn, LiveRow, laid_out, shortened

__all__ = ["PINNED", "LiveColumn", "LiveRow", "LiveTable"]

CURSOR, MARK = "> ", "* "
PIN = "^ "
LEAD = 2
"""Cells before the first column: cursor and mark."""
PINNED = -1
"""The place of the pinned row."""


class LiveTable(ScrollView, can_focus=True, inherit_bindings=False):
    """Shows rows; all of them, or the window of a longer list that it has."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "live-table--header", "live-table--cursor", "live-table--blurred",
    }  # fmt: skip
    DEFAULT_CSS = """
    LiveTable {
        height: 1fr; overflow-x: hidden; scrollbar-gutter: stable; scrollbar-size-vertical: 1;
    }
    LiveTable > .live-table--header { color: $udplb-quiet; text-style: bold; }
    LiveTable > .live-table--cursor { background: $udplb-cursor; text-style: $udplb-cursor-style; }
    LiveTable > .live-table--blurred {
        background: $udplb-cursor-blurred; text-style: $udplb-cursor-blurred-style;
    }
    """

    class CursorMoved(Message):
        """The cursor is on another row."""

        def __init__(self, table: LiveTable, *, by_hand: bool = True) -> None:
            super().__init__()
            self.table = table
            self.by_hand = by_hand
            """Somebody moved it; else its row is gone."""

        @property
        def control(self) -> LiveTable:
            return self.table

    class Opened(CursorMoved):
        """The row under the cursor is to be opened."""

    class SortWanted(CursorMoved):
        """A column's title was clicked."""

        def __init__(self, table: LiveTable, key: str) -> None:
            super().__init__(table)
            self.key = key

    class RowsWanted(CursorMoved):
        """Rows are looked at that are not here: those from `offset` on."""

        def __init__(self, table: LiveTable, offset: int) -> None:
            super().__init__(table)
            self.offset = offset

    def __init__(
        self,
        columns: Sequence[LiveColumn] = (),
        *,
        empty: str = "nothing yet",
        id: str | None = None,
        cursor: bool = True,
    ) -> None:
        super().__init__(id=id)
        self.inks: Inks = {}
        """Set by whoever knows the theme."""
        self.unwanted: frozenset[str] = frozenset()
        """Titles of columns that the operator does not want to see."""
        self.hidden: frozenset[str] = frozenset()
        """Titles of columns that nobody wants to see."""
        self._columns = tuple(columns)
        self._empty = empty
        self._has_cursor = cursor
        self.rows: Sequence[LiveRow] = ()
        self._offset = 0
        self._total = 0
        self._place = 0
        """The cursor's, in the whole list."""
        self._row_id: Hashable = None
        """The row's under the cursor."""
        self._stays_on_top = False
        """The cursor belongs to the first row, whichever that is."""
        self.pinned: LiveRow | None = None
        """Stays below the titles, wherever the others are scrolled to; its place is PINNED."""
        self._more = ""
        self.marked: set[Hashable] = set()
        self._sort: tuple[str, bool] | None = None
        self._shown: list[int] = []
        self._widths: list[int] = []

    # What is shown

    def show(
        self,
        rows: Sequence[LiveRow],
        *,
        offset: int = 0,
        total: int | None = None,
        sort: tuple[str, bool] | None = None,
        empty: str | None = None,
        pinned: LiveRow | None = None,
        more: str = "",
    ) -> None:
        """These rows: those from `offset` on of `total`. `sort`: key, and whether it ascends.

        `pinned` stays in view above them; `more` is a line below the last of them.
        """
        breathe()
        before = self._row_id
        self.rows, self._offset = rows, offset
        self._total = max(offset + len(rows), total or 0) if rows else 0
        self._sort = sort
        self._more = more if rows else ""
        if empty is not None:
            self._empty = empty
        self._pin(pinned)
        was = self._place
        self._follow_row()
        self._lay_out()
        self.virtual_size = Size(self.width, self._height)
        self._keep_in_view(was)
        self.refresh()
        if self._row_id != before:
            self.post_message(self.CursorMoved(self, by_hand=False))

    @property
    def row(self) -> LiveRow | None:
        """The row under the cursor."""
        if self._place == PINNED:
            return self.pinned
        at = self._place - self._offset
        return self.rows[at] if 0 <= at < len(self.rows) else None

    @property
    def place(self) -> int:
        """The cursor's place in the whole list, or PINNED."""
        return self._place

    @property
    def first_shown(self) -> int:
        """The place of the first row in view."""
        return int(self.scroll_offset.y)

    @property
    def rows_in_view(self) -> int:
        """How many rows have room."""
        return max(1, self.size.height - self._lead_lines)

    @property
    def columns(self) -> tuple[LiveColumn, ...]:
        """All of them, those included that have no room now."""
        return self._columns

    def ids_marked(self) -> list[Hashable]:
        """The marked rows, or the one under the cursor where none is."""
        if self.marked:
            return sorted(self.marked, key=str)
        return [] if self.row is None else [self.row.id]

    def hide(self, titles: Iterable[str]) -> None:
        """Show all columns but these."""
        self.unwanted = frozenset(titles)
        self._lay_out()
        self.refresh()

    def go_to(self, id: Hashable) -> bool:
        """Put the cursor on this row; False where it is not there."""
        for at, row in enumerate(self.rows):
            if row.id == id:
                self._go(self._offset + at)
                return True
        return False

    def to_top(self) -> None:
        """The cursor is on the first row, whichever that will be, until it is moved."""
        self._stays_on_top = True
        self._place, self._row_id = 0, None
        self.scroll_to(y=0, animate=False, force=True, immediate=True)

    def to_end(self) -> None:
        """The cursor is on the last row; nobody moved it."""
        self._place = max(0, self._total - 1)
        self._row_id = self.row.id if self.row else None
        self.scroll_to(y=self._height, animate=False, force=True, immediate=True)

    def to_pinned(self) -> None:
        """Put the cursor on the pinned row."""
        if self.pinned is not None:
            self._go(PINNED)

    def _pin(self, pinned: LiveRow | None) -> None:
        """Another row stays in view, or none; the cursor leaves a pin that is pulled."""
        if pinned is None and self._place == PINNED:
            self._place = self.first_shown
        elif pinned is not None and self._place == PINNED:
            self._row_id = pinned.id
        self.pinned = pinned

    def _follow_row(self) -> None:
        """The cursor stays with its row; where that is gone, it stays in its place."""
        if self._place == PINNED:
            return
        if self._stays_on_top:
            self._place = 0
        elif self._row_id is not None:
            for at, row in enumerate(self.rows):
                if row.id == self._row_id:
                    self._place = self._offset + at
                    return
        self._place = max(0, min(self._place, self._total - 1))
        self._row_id = self.row.id if self.row else None

    def _keep_in_view(self, was: int) -> None:
        """Where the cursor's row went elsewhere and was in view, the view goes along."""
        first, moved = self.first_shown, self._place - was
        in_view = first <= was < first + self.rows_in_view
        still = first <= self._place < first + self.rows_in_view
        if self._has_cursor and min(was, self._place) >= 0 and moved and in_view and not still:
            self.scroll_to(y=first + moved, animate=False, force=True, immediate=True)

    # Moving

    def do_down(self) -> None:
        """One row down."""
        self._go(self._place + 1)

    def do_up(self) -> None:
        """One row up."""
        self._go(self._place - 1)

    def do_page_down(self) -> None:
        """A page down."""
        self._go(self._place + self._page)

    def do_page_up(self) -> None:
        """A page up."""
        self._go(self._place - self._page)

    def do_first(self) -> None:
        """To the first row."""
        self._go(0)

    def do_last(self) -> None:
        """To the last row."""
        self._go(self._total - 1)

    def do_mark(self) -> None:
        """Mark the row or take its mark away, and go on to the next."""
        if self._row_id is not None:
            self.marked ^= {self._row_id}
            self._go(self._place + 1)
            self.refresh()

    def do_open(self) -> None:
        """Open the row under the cursor."""
        if self.row is not None:
            self.post_message(self.Opened(self))

    @property
    def width(self) -> int:
        """Cells of a line, the scroll bar left out."""
        return self.scrollable_content_region.width

    @property
    def _page(self) -> int:
        """Rows that a page goes on."""
        return self.rows_in_view

    @property
    def _lead_lines(self) -> int:
        """Lines above the rows: titles and pin."""
        return 2 if self.pinned is not None else 1

    @property
    def _height(self) -> int:
        """Of the whole list, in lines."""
        return self._total + self._lead_lines + bool(self._more)

    def _go(self, place: int) -> None:
        least = 0 if self.pinned is None else PINNED
        place = max(least, min(place, self._total - 1))
        self._stays_on_top = False
        self._place = place
        self._row_id = self.row.id if self.row else None
        if place != PINNED:
            last = place == self._total - 1 and self._more
            lines = self._lead_lines + (2 if last else 1)
            self.scroll_to_region(
                Region(0, place, self.width, lines),
                animate=False, force=True, immediate=True,
            )  # fmt: skip
        self._want_rows()
        self.refresh()
        self.post_message(self.CursorMoved(self))

    def _want_rows(self) -> None:
        first = min(self.first_shown, max(0, self._total - 1))
        last = min(self._total, first + self._page)
        if first < self._offset or last > self._offset + len(self.rows):
            self.post_message(self.RowsWanted(self, max(0, first - self._page // 2)))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Rows that are scrolled to may not be here."""
        super().watch_scroll_y(old_value, new_value)
        self._want_rows()

    def on_click(self, event: events.Click) -> None:
        """A row takes the cursor; twice opens it; a column's title sorts."""
        if event.y == 0:
            at = event.x - LEAD
            for place, width in zip(self._shown, self._widths, strict=True):
                if 0 <= at < width and self._columns[place].key:
                    self.post_message(self.SortWanted(self, self._columns[place].key))
                at -= width + GAP
            return
        place = self.first_shown + event.y - self._lead_lines
        if event.y < self._lead_lines:
            place = PINNED
        if self._has_cursor and place < self._total:
            self._go(place)
            if event.chain == 2:
                self.do_open()

    # Drawing

    def on_resize(self) -> None:
        """More or fewer columns have room."""
        self._lay_out()
        self.virtual_size = Size(self.width, self._height)
        self._want_rows()

    def _lay_out(self) -> None:
        """Which columns have room, and how much."""
        rows = self.rows if self.pinned is None else (*self.rows, self.pinned)
        sort = self._sort[0] if self._sort is not None else ""
        wide = self.width - LEAD
        self._shown, self._widths = laid_out(
            self._columns, rows, wide, hidden=self.hidden | self.unwanted, sort=sort
        )

    def render_line(self, y: int) -> Strip:
        """The titles, then a row a line."""
        breathe()
        width = self.width
        base = self.rich_style
        if y == 0:
            return self._title_line(width, base)
        if self.pinned is not None and y == 1:
            return self._row_line(self.pinned, PINNED, width, base)
        if not self._total:
            text = self._empty if y == self._lead_lines + 1 else ""
            return strip_of((Piece(f"  {text}", "quiet"),), self.inks, width, base)
        place = self.first_shown + y - self._lead_lines
        at = place - self._offset
        if 0 <= at < len(self.rows):
            return self._row_line(self.rows[at], place, width, base)
        text = "  ·" if place < self._total else ""
        if place == self._total and self._more:
            text = f"  {self._more}"
        return strip_of((Piece(text, "quiet"),), self.inks, width, base)

    def _title_line(self, width: int, base: Style) -> Strip:
        pieces = [Piece(" " * LEAD)]
        style = self.get_component_rich_style("live-table--header")
        for at, room in zip(self._shown, self._widths, strict=True):
            column = self._columns[at]
            title = column.title
            if self._sort and column.key and column.key == self._sort[0]:
                title = f"{title}{'↑' if self._sort[1] else '↓'}"
            pieces.append(Piece(fitted(title, room, right=column.number)))
            pieces.append(Piece(" " * GAP))
        return strip_of(pieces[:-1], self.inks, width, base + style)

    def _row_line(self, row: LiveRow, place: int, width: int, base: Style) -> Strip:
        if row.ink:
            base += self.inks.get(row.ink, Style())
        lead = PIN if place == PINNED else "  "
        if row.id in self.marked:
            lead = MARK
        if place == self._place and self._has_cursor:
            focused = self.has_focus
            name = "live-table--cursor" if focused else "live-table--blurred"
            base += self.get_component_rich_style(name)
            lead = CURSOR if row.id not in self.marked else ">*"
        pieces = [Piece(lead, "mark" if row.id in self.marked else "")]
        for at, room in zip(self._shown, self._widths, strict=True):
            piece, column = row.pieces[at], self._columns[at]
            text = shortened(piece.text, room) if column.middle else piece.text
            pieces.append(Piece(fitted(text, room, right=column.number), piece.ink))
            pieces.append(Piece(" " * GAP))
        return strip_of(pieces[:-1], self.inks, width, base)
