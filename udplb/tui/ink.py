"""Ink: pieces of text in roles, and the styles that the theme at work gives those roles.

Widgets that draw their own lines write with these. Whatever stands in a piece is escaped here, in
one place: it may have come from the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from udplb.config.wording import escape
from udplb.show.page import Cell, Role

Inks = Mapping[str, Style]
"""Styles by role; a role that is not there has none of its own."""

ELLIPSIS = "…"
_NO_STYLE = Style()
_INK_OF_ROLE: dict[Role, str] = {
    Role.PLAIN: "",
    Role.HEADING: "heading",
    Role.QUIET: "quiet",
    Role.GOOD: "up",
    Role.WAITING: "slow",
    Role.BAD: "down",
}


class Piece(NamedTuple):
    """A piece of text in a role of the theme; no role: as the text around it."""

    text: str
    ink: str = ""


def piece_of(cell: Cell) -> Piece:
    """A cell of a page, as the console draws it."""
    return Piece(cell.text, _INK_OF_ROLE[cell.role])


def clean(text: str) -> str:
    """The text on one line, without anything that a terminal would obey."""
    return text if text.isprintable() else escape(text)


def segments_of(pieces: Iterable[Piece], inks: Inks, base: Style = _NO_STYLE) -> list[Segment]:
    """The pieces as a terminal gets them, each over the base."""
    return [
        Segment(clean(piece.text), base + inks.get(piece.ink, _NO_STYLE) if piece.ink else base)
        for piece in pieces
        if piece.text
    ]


def strip_of(pieces: Iterable[Piece], inks: Inks, width: int, base: Style = _NO_STYLE) -> Strip:
    """One line of exactly `width` cells; what has no room ends in an ellipsis."""
    strip = Strip(segments_of(pieces, inks, base))
    if strip.cell_length > width > 0:
        strip = strip.crop(0, width - 1)
        strip = Strip([*strip, Segment(ELLIPSIS, base)])
    return strip.adjust_cell_length(width, base)


def fitted(text: str, width: int, *, right: bool = False) -> str:
    """The text in exactly `width` cells; what has no room ends in an ellipsis."""
    text = clean(text)
    length = cell_len(text)
    if length > width:
        return f"{set_cell_size(text, width - 1)}{ELLIPSIS}" if width > 0 else ""
    return f"{' ' * (width - length)}{text}" if right else f"{text}{' ' * (width - length)}"
