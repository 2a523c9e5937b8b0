from __future__ import annotations

from udplb.show import page
from udplb.show.page import Cell, Column, Line, Role, Table, apart, blank, line


def test_a_line_of_texts_and_cells() -> None:
    bad = Cell("bad", role=Role.BAD)
    assert line("a", bad, role=Role.QUIET) == Line((Cell("a", role=Role.QUIET), bad))
    assert line("b", lead=("  ",)).lead == (Cell("  "),)


def test_pages_stand_apart() -> None:
    one, two = (line("one"),), (Table((Column("A", "a"),), (), "none"),)
    assert apart([(), one, (), two, ()]) == (*one, blank(), *two)
    assert apart([]) == ()


def test_cells_have_a_reading_for_programs() -> None:
    assert (page.count(18_402).text, page.count(18_402).word) == ("18,402", "18402")
    assert (page.size(1_258_291).text, page.size(1_258_291).word) == ("1.2 MiB", "1258291")
    assert (page.age(7_865.04).text, page.age(7_865.04).word) == ("2h11m", "7865.0")
    assert (page.span(0.0008).text, page.span(0.0008).word) == ("0.8 ms", "0.000800")
    assert (page.rate(10_800).text, page.rate(10_800).word) == ("10.8k/s", "10800.0")
    assert (page.bit_rate(100).text, page.bit_rate(100).word) == ("800 b/s", "100.0")
    assert (page.share(0.98).text, page.share(0.98).word) == ("98%", "0.9800")
    assert page.word("").word == "-"


def test_what_is_not_there_is_a_dash() -> None:
    for cell in (page.age(None), page.span(None), page.rate(None), page.share(None)):
        assert (cell.text, cell.word, cell.role) == ("-", "-", Role.QUIET)


def test_none_of_a_thing_is_quiet() -> None:
    assert page.count(0, Role.BAD).role is Role.QUIET
    assert page.count(1, Role.BAD).role is Role.BAD
