"""Pages as lines of pieces."""

from __future__ import annotations

from udplb.show.page import Cell, Column, Fact, Facts, Page, Role, Table, line
from udplb.tui.page_lines import lines_of_page

PAGE: Page = (
    line("A new flow goes to ", Cell("edge-1", role=Role.GOOD), ": it scores most", lead=("● ",)),
    Facts((Fact("hash", "hash", Cell("7f")), Fact(None, "quiet", Cell("x")))),
    Table(
        (Column("NAME", "name"), Column("N", "n", number=True), Column("LONG", "l", rank=1)),
        ((Cell("a"), Cell("1"), Cell("\x1b[2J")), (Cell("bcdef"), Cell("12"), Cell("y"))),
        "none",
    ),
    Table((Column("NAME", "name"),), (), "no backends"),
)


def texts(width: int) -> list[str]:
    return ["".join(piece.text for piece in each).rstrip() for each in lines_of_page(PAGE, width)]


def test_a_wide_page_has_all_of_it() -> None:
    assert texts(60) == [
        "● A new flow goes to edge-1: it scores most",
        "hash  7f",
        "NAME    N  LONG",
        "a       1  \\x1b[2J",
        "bcdef  12  y",
        "no backends",
    ]


def test_a_narrow_one_goes_on_below_and_loses_columns() -> None:
    assert texts(16) == [
        "● A new flow",
        "  goes to",
        "  edge-1: it",
        "  scores most",
        "hash  7f",
        "NAME    N",
        "a       1",
        "bcdef  12",
        "no backends",
    ]


def test_pieces_keep_their_roles() -> None:
    first = lines_of_page(PAGE, 60)[0]
    assert [piece.ink for piece in first if piece.text.startswith("edge-1")] == ["up"]
