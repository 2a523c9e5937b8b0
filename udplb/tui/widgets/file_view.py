"""The file view: numbered lines, with what is wrong with them in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from udplb.tui.breath import breathe
from udplb.tui.ink import Inks, Piece, strip_of
from udplb.tui.wrapping import wrapped

MARGIN = 6
MISTAKE_LINES_MAX = 6
"""Of one mistake, where it is narrow."""


class FileView(ScrollView, can_focus=True, inherit_bindings=False):
    """Draws the lines that are in view, however many there are."""

    DEFAULT_CSS = """
    FileView { height: 1fr; overflow-x: hidden; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.inks: Inks = {}
        self._lines: Sequence[Sequence[Piece]] = ()
        self._problems: Mapping[int, Sequence[str]] = {}
        self._rows: list[int | Sequence[Piece]] = []
        """What stands in each: a line of the file by its number, or a part of a mistake."""
        self._wrong_at: list[int] = []
        self._at = -1

    def show(self, lines: Sequence[Sequence[Piece]], problems: Mapping[int, Sequence[str]]) -> None:
        """The file's lines, and what is wrong by the line's number, from 1 on; 0: with no line."""
        breathe()
        self._lines, self._problems = lines, problems
        self._lay_out()

    def on_resize(self) -> None:
        """Mistakes need more lines, or fewer."""
        self._lay_out()

    def _lay_out(self) -> None:
        rows: list[int | Sequence[Piece]] = []
        self._wrong_at = []
        for number in range(len(self._lines) + 1):
            if number:
                rows.append(number)
            for each in self._problems.get(number, ()):
                self._wrong_at.append(len(rows))
                told = [Piece(f"{'':{MARGIN}}▲ {each}", "down")]
                rows += wrapped(told, self._room, MARGIN + 2, MISTAKE_LINES_MAX)
        self._rows = rows
        self.virtual_size = Size(self.size.width, len(rows))
        self.refresh()

    @property
    def _room(self) -> int:
        """Cells of a mistake's line, whether there is a scroll bar or not."""
        return max(MARGIN + 12, self.size.width - self.styles.scrollbar_size_vertical)

    def _row(self, place: int) -> Sequence[Piece]:
        row = self._rows[place]
        if not isinstance(row, int):
            return row
        wrong = row in self._problems
        mark = Piece(f"{row:>{MARGIN - 2}} ", "down" if wrong else "quiet")
        return [mark, Piece("✖" if wrong else " ", "down"), *self._lines[row - 1]]

    @property
    def text(self) -> str:
        """All that stands here."""
        rows = map(self._row, range(len(self._rows)))
        return "\n".join("".join(piece.text for piece in row) for row in rows)

    @property
    def first(self) -> int:
        """The place of the first line in view."""
        return int(self.scroll_offset.y)

    def next_problem(self, *, anew: bool = False) -> bool:
        """Bring the next mistake into view; False where there is none. `anew`: the first one."""
        if not self._wrong_at:
            return False
        self._at = 0 if anew else (self._at + 1) % len(self._wrong_at)
        self._go(self._wrong_at[self._at] - self.size.height // 2)
        return True

    def render_line(self, y: int) -> Strip:
        """A line."""
        breathe()
        place = self.first + y
        line = self._row(place) if place < len(self._rows) else []
        return strip_of(line, self.inks, self.size.width, self.rich_style)

    def do_down(self) -> None:
        """A line down."""
        self._go(self.first + 1)

    def do_up(self) -> None:
        """A line up."""
        self._go(self.first - 1)

    def do_page_down(self) -> None:
        """A page down."""
        self._go(self.first + self.size.height)

    def do_page_up(self) -> None:
        """A page up."""
        self._go(self.first - self.size.height)

    def do_first(self) -> None:
        """To the begin."""
        self._go(0)

    def do_last(self) -> None:
        """To the end."""
        self._go(len(self._rows))

    def _go(self, place: int) -> None:
        self.scroll_to(y=max(0, place), animate=False, force=True, immediate=True)
