"""Pages as plain text for pipes: aligned, whole, and easy to take apart.

Tables begin with a header line. A value in any column but the last is one word: a space in a name
becomes `\\x20`, as it does in systemd's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from udplb.config.wording import escape
from udplb.show.page import NOTHING, Block, Facts, Line, Page, Table


def text_of(page: Page) -> str:
    """The page, each line with its end."""
    return "".join(f"{each}\n" for block in page for each in _lines(block))


def _lines(block: Block) -> Iterable[str]:
    match block:
        case Line(pieces=pieces, lead=lead):
            return ["".join(escape(piece.text) for piece in (*lead, *pieces)).rstrip()]
        case Facts(facts=facts):
            return _aligned([(each.key, escape(each.value.word)) for each in facts if each.key], ())
        case Table(columns=columns, rows=rows):
            header = tuple(column.key.upper() for column in columns)
            numbers = tuple(at for at, column in enumerate(columns) if column.number)
            words = [tuple(map(_word, (cell.word for cell in row[:-1]))) for row in rows]
            lasts = [escape(row[-1].word) or NOTHING for row in rows]
            cells = [(*each, last) for each, last in zip(words, lasts, strict=True)]
            return _aligned([header, *cells], numbers)


def _word(text: str) -> str:
    return escape(text).replace(" ", "\\x20") or NOTHING


def _aligned(rows: Sequence[tuple[str, ...]], numbers: tuple[int, ...]) -> Iterable[str]:
    """Two spaces between columns, none at the end of a line."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = (
            cell.rjust(width) if at in numbers else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(padded).rstrip()
