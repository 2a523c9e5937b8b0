from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.show.pictures import HOSTILE
from udplb.show.page import Cell, Column, Fact, Facts, Role, Table, blank, line
from udplb.show.plain import text_of

COLUMNS = (Column("NAME", "name"), Column("N", "number", number=True), Column("WHY", "why"))


def table(*rows: tuple[str, str, str]) -> Table:
    return Table(COLUMNS, tuple(tuple(map(Cell, row)) for row in rows), "nothing here")


def test_a_table_is_aligned_below_its_header() -> None:
    text = text_of((table(("a", "1", "so it is"), ("longer", "18402", "")),))
    assert text.splitlines() == [
        "NAME    NUMBER  WHY",
        "a            1  so it is",
        "longer   18402  -",
    ]


def test_an_empty_table_keeps_its_header() -> None:
    assert text_of((table(),)) == "NAME  NUMBER  WHY\n"


def test_each_column_but_the_last_is_one_word() -> None:
    page = (table(("my server", "", "two words")),)
    (_, row) = text_of(page).splitlines()
    assert row.split(maxsplit=2) == ["my\\x20server", "-", "two words"]


def test_programs_get_their_own_reading() -> None:
    value = Cell("18,402 of many", "18402", Role.BAD)
    assert text_of((Facts((Fact("flows", "flows", value),)),)) == "flows  18402\n"


def test_facts_without_a_key_are_for_people_alone() -> None:
    facts = Facts((Fact("", "", Cell("… 3 more")), Fact(None, "pid", Cell("7"))))
    assert text_of((facts,)) == "pid  7\n"


def test_lines_have_no_space_at_their_end() -> None:
    page = (line("a ", Cell("b "), lead=("- ",)), blank(), line("c"))
    assert text_of(page) == "- a b\n\nc\n"


def test_nothing_hostile_passes() -> None:
    page = (
        table((HOSTILE, HOSTILE, HOSTILE)),
        line(HOSTILE),
        Facts((Fact("key", "key", Cell(HOSTILE)),)),
    )
    text = text_of(page)
    assert "\x1b" not in text
    assert len(text.splitlines()) == 4
    assert "\\x1b[31m[red]evil[/red]\\x1b[2J\\nnext" in text


@given(st.lists(st.tuples(st.text(), st.text(), st.text()), min_size=1, max_size=5))
def test_any_texts_make_rows_of_three(rows: list[tuple[str, str, str]]) -> None:
    lines = text_of((table(*rows),)).split("\n")
    assert len(lines) == len(rows) + 2
    for each in lines[1:-1]:
        assert len(each.split(" ")) >= 3
        assert each.isprintable()
