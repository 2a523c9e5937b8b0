"""Pages for terminals, by rich: few colours of the terminal's own sixteen, no frames.

Colour never says anything alone: states are a glyph and a word, too. Texts are given to rich as
Text objects and so are never read as markup.
"""

from __future__ import annotations

from rich import box
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from udplb.config.wording import escape
from udplb.show.page import Block, Cell, Facts, Line, Page, Role, Table

STYLES: dict[Role, str] = {
    Role.PLAIN: "",
    Role.HEADING: "bold",
    Role.QUIET: "dim",
    Role.GOOD: "green",
    Role.WAITING: "yellow",
    Role.BAD: "bold red",
}
_GAP = 2
_TITLE_WIDTH = 12
_SENTENCE_SHARE = 4
"""Sentences need at least one column of the terminal in so many."""


def painted(page: Page, width: int) -> RenderableType:
    """The page for a terminal of so many columns."""
    return Group(*(_block(block, width) for block in page))


def painted_line(line: Line) -> RenderableType:
    """A line that stays one, however narrow the terminal is."""
    text = _text((*line.lead, *line.pieces))
    text.no_wrap, text.overflow = True, "ellipsis"
    return Group(text)  # a text that is printed by itself would be wrapped all the same


def text_of_cell(cell: Cell) -> Text:
    """A cell's text, in its role's colour."""
    return Text(escape(cell.text), style=STYLES[cell.role])


def _block(block: Block, width: int) -> RenderableType:
    match block:
        case Line():
            return _line(block)
        case Facts():
            return _facts(block)
        case Table():
            return _table(block, width) if block.rows else Text(block.empty, style="dim")


def _text(cells: tuple[Cell, ...]) -> Text:
    return Text().join(map(text_of_cell, cells))


def _line(line: Line) -> RenderableType:
    text = _text(line.pieces)
    if not line.lead:
        return text
    grid = RichTable.grid(padding=0)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(_text(line.lead), text)
    return grid


def _facts(block: Facts) -> RenderableType:
    grid = RichTable.grid(padding=(0, _GAP, 0, 0))
    grid.add_column(style="dim", no_wrap=True, min_width=_TITLE_WIDTH)
    grid.add_column(overflow="fold")
    for fact in block.facts:
        if fact.title is not None:
            grid.add_row(fact.title, text_of_cell(fact.value))
    return grid


def _table(block: Table, width: int) -> RenderableType:
    shown = _columns_that_fit(block, width)
    table = RichTable(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, _GAP - 1, 0, 0),  # the box adds one
        header_style="dim",
        border_style="dim",
    )
    for at in shown:
        column = block.columns[at]
        # A table that still has too little room breaks words rather than leave any out.
        table.add_column(
            column.title,
            justify="right" if column.number else "left",
            no_wrap=column.number,
            overflow="fold",
        )
    for row in block.rows:
        table.add_row(*(text_of_cell(row[at]) for at in shown))
    return table


def _columns_that_fit(block: Table, width: int) -> list[int]:
    """The columns that say anything and that a terminal of this width has room for; what matters
    least goes first."""
    every = range(len(block.columns))
    shown = [at for at in every if any(row[at].text for row in block.rows)]
    widths = [_width(at, block, width // _SENTENCE_SHARE) for at in every]
    while sum(widths[at] + _GAP for at in shown) - _GAP > width:
        least = max(block.columns[at].rank for at in shown)
        if least == 0:
            break
        shown = [at for at in shown if block.columns[at].rank < least]
    return shown


def _width(at: int, block: Table, sentence: int) -> int:
    """What a column needs; sentences, which stand last, are broken into such a width."""
    column = block.columns[at]
    texts = max(cell_len(escape(row[at].text)) for row in block.rows)
    if at == len(block.columns) - 1 and not column.number:
        texts = min(texts, sentence)
    return max(cell_len(column.title), texts)
