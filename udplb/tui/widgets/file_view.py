"""The file view: numbered lines, with what is wrong with them in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from udplb.tui.breath import breathe
from udplb.tui.ink import Inks, Piece, strip_of

MARGIN = 6


class FileView(ScrollView, can_focus=True, inherit_bindings=False):
    """Draws the lines that are in view, however many there are."""

    DEFAULT_CSS = """
    FileView { height: 1fr; overflow-x: hidden; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.inks: Inks = {}
        self._lines: list[list[Piece]] = []
        self._wrong_at: list[int] = []
        self._at = -1

    def show(self, lines: Sequence[Sequence[Piece]], problems: Mapping[int, Sequence[str]]) -> None:
        """The file's lines, and what is wrong by the line's number, from 1 on; 0: with no line."""
        breathe()
        drawn: list[list[Piece]] = []
        self._wrong_at = []
        for number in range(len(lines) + 1):
            wrong = problems.get(number, ())
            if number:
                mark = Piece(f"{number:>{MARGIN - 2}} ", "down" if wrong else "quiet")
                drawn.append([mark, Piece("✖" if wrong else " ", "down"), *lines[number - 1]])
            for each in wrong:
                self._wrong_at.append(len(drawn))
                drawn.append([Piece(f"{'':{MARGIN}}▲ {each}", "down")])
        self._lines = drawn
        self.virtual_size = Size(self.size.width, len(drawn))
        self.refresh()

    @property
    def text(self) -> str:
        """All that stands here."""
        return "\n".join("".join(piece.text for piece in line) for line in self._lines)

    @property
    def first(self) -> int:
        """The place of the first line in view."""
        return int(self.scroll_offset.y)

    def next_problem(self) -> bool:
        """Bring the next mistake into view; False where there is none."""
        if not self._wrong_at:
            return False
        self._at = (self._at + 1) % len(self._wrong_at)
        self._go(self._wrong_at[self._at] - self.size.height // 2)
        return True

    def render_line(self, y: int) -> Strip:
        """A line."""
        breathe()
        place = self.first + y
        line = self._lines[place] if place < len(self._lines) else []
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
        self._go(len(self._lines))

    def _go(self, place: int) -> None:
        self.scroll_to(y=max(0, place), animate=False, force=True, immediate=True)
