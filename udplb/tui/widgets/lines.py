"""Lines of pieces: a text that is drawn anew when something has changed."""

from __future__ import annotations

from collections.abc import Sequence

from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from udplb.tui.breath import breathe
from udplb.tui.ink import Inks, Piece, clean, strip_of


class Lines(Widget):
    """As many lines as there are, each cut where the room ends."""

    DEFAULT_CSS = """
    Lines { height: auto; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.inks: Inks = {}
        self._lines: Sequence[Sequence[Piece]] = ()

    def show(self, lines: Sequence[Sequence[Piece]]) -> None:
        """These lines."""
        breathe()
        taller = len(lines) != len(self._lines)
        self._lines = lines
        self.refresh(layout=taller)

    @property
    def text(self) -> str:
        """What stands here, as a text."""
        return "\n".join("".join(clean(piece.text) for piece in line) for line in self._lines)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """One line each."""
        return len(self._lines)

    def render_line(self, y: int) -> Strip:
        """A line."""
        breathe()
        line = self._lines[y] if y < len(self._lines) else ()
        return strip_of(line, self.inks, self.size.width, self.rich_style)
