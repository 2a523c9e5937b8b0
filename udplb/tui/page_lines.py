"""Pages of udplb.show as lines of pieces, for whatever draws its own lines."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len

from udplb.show.page import Block, Cell, Facts, Line, Page, Table
from udplb.tui.ink import Piece, clean, fitted, piece_of

Lines = list[list[Piece]]


def lines_of_page(page: Page, width: int) -> Lines:
    """The page in at most `width` cells: sentences go on below, tables lose columns by rank."""
    return [line for block in page for line in _lines(block, max(1, width))]


def _lines(block: Block, width: int) -> Iterator[list[Piece]]:
    match block:
        case Line():
            yield from _wrapped(block, width)
        case Facts(facts=facts):
            shown = [fact for fact in facts if fact.title is not None]
            room = max((cell_len(fact.title or "") for fact in shown), default=0) + 2
            for fact in shown:
                yield [Piece(fitted(fact.title or "", room), "quiet"), piece_of(fact.value)]
        case Table():
            yield from _table(block, width)


def _wrapped(line: Line, width: int) -> Iterator[list[Piece]]:
    """Words in lines; each keeps the role of its piece."""
    lead = [piece_of(cell) for cell in line.lead]
    indent = sum(cell_len(clean(piece.text)) for piece in lead)
    shown, used = list(lead), indent
    for word in _words(line.pieces):
        length = sum(cell_len(piece.text) for piece in word)
        if used > indent and used + length > width:
            yield shown
            shown, used = [Piece(" " * indent)], indent
        shown += [*word, Piece(" ")]
        used += length + 1
    yield shown


def _words(cells: tuple[Cell, ...]) -> Iterator[list[Piece]]:
    """What stands between blanks; a word may have several roles."""
    word: list[Piece] = []
    for cell in cells:
        piece = piece_of(cell)
        for at, part in enumerate(clean(piece.text).split(" ")):
            if at:
                yield word
                word = []
            word.append(Piece(part, piece.ink))
    yield word


def _table(table: Table, width: int) -> Iterator[list[Piece]]:
    if not table.rows:
        yield [Piece(table.empty, "quiet")]
        return
    widths = [
        max(cell_len(column.title), *(cell_len(clean(row[at].text)) for row in table.rows))
        for at, column in enumerate(table.columns)
    ]
    shown = list(range(len(table.columns)))
    while shown and sum(widths[at] + 2 for at in shown) - 2 > width:
        last = max(table.columns[at].rank for at in shown)
        if last == 0:
            break
        shown = [at for at in shown if table.columns[at].rank < last]
    titles = [Cell(column.title) for column in table.columns]
    for row in (tuple(titles), *table.rows):
        line: list[Piece] = []
        for at in shown:
            piece = piece_of(row[at])
            text = fitted(piece.text, widths[at], right=table.columns[at].number)
            line.append(Piece(f"{text}  ", "quiet" if row[at] is titles[at] else piece.ink))
        yield line
