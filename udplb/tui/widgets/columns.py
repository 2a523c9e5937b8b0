"""Columns of a live table: what a row is made of, and which columns have how much room."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from udplb.tui.ink import ELLIPSIS, Piece, clean

GAP = 2
"""Cells between two columns."""
WIDTH_MIN = 4
"""Cells that no column gives away."""


@dataclass(frozen=True, slots=True)
class LiveColumn:
    """A column."""

    title: str
    key: str = ""
    """By which rows can be sorted; empty: they cannot."""
    number: bool = False
    """To the right."""
    rank: int = 0
    """Where there is too little room, all columns of the highest rank go first; 0 stays, and so
    does the one that is sorted by."""
    width_max: int = 40
    """It is wider where there is room to spare."""
    width_min: int = 0
    middle: bool = False
    """What has no room goes out of the middle of its texts: they differ at both ends."""


@dataclass(frozen=True, slots=True)
class LiveRow:
    """A row with an identity of its own."""

    id: Hashable
    pieces: tuple[Piece, ...]
    ink: str = ""
    """Of the whole row."""


def laid_out(
    columns: Sequence[LiveColumn],
    rows: Sequence[LiveRow],
    wide: int,
    *,
    hidden: Collection[str] = (),
    sort: str = "",
) -> tuple[list[int], list[int]]:
    """The places of the columns that are shown in `wide` cells, and the width of each.

    `hidden`: titles of columns that nobody wants to see; `sort`: the key that rows are sorted by.
    """

    def rank(at: int) -> int:
        return 0 if sort and columns[at].key == sort else columns[at].rank

    wanted: list[int] = []
    widths: list[int] = []
    for at, column in enumerate(columns):
        texts = max((cell_len(clean(row.pieces[at].text)) for row in rows), default=0)
        # With the arrow, which must not move the others when it comes.
        least = max(cell_len(column.title) + bool(column.key), column.width_min)
        wanted.append(max(least, texts))
        widths.append(max(least, min(texts, column.width_max)))
    shown = [at for at, column in enumerate(columns) if column.title not in hidden]
    while shown and sum(widths[at] + GAP for at in shown) - GAP > wide:
        last = max(map(rank, shown))
        if last == 0:
            break
        shown = [at for at in shown if rank(at) < last]
    squeezed = _squeezed([widths[at] for at in shown], wide)
    return shown, _stretched(squeezed, [wanted[at] for at in shown], wide)


def _squeezed(widths: list[int], room: int) -> list[int]:
    """The widths, with what is too much taken from the widest."""
    over = sum(widths) + GAP * (len(widths) - 1) - room
    while over > 0 and widths:
        widest = max(range(len(widths)), key=widths.__getitem__)
        if widths[widest] <= WIDTH_MIN:
            break
        widths[widest] -= 1
        over -= 1
    return widths


def _stretched(widths: list[int], wanted: list[int], room: int) -> list[int]:
    """The widths, with what is left given to those that want more, the first of them first."""
    spare = room - sum(widths) - GAP * (len(widths) - 1)
    wider: list[int] = []
    for width, want in zip(widths, wanted, strict=True):
        more = max(0, min(spare, want - width))
        spare -= more
        wider.append(width + more)
    return wider


def shortened(text: str, width: int) -> str:
    """The text, or its two ends with an ellipsis between them: `[2001:db8:…:a1]:3478`."""
    text = clean(text)
    if len(text) <= width or not text.isascii():
        return text
    keep = max(0, width - 1)
    end = len(text) - keep // 2
    return f"{text[: keep - keep // 2]}{ELLIPSIS}{text[end:]}" if width > 0 else ""
