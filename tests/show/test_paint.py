from __future__ import annotations

import io

import pytest
from rich.console import Console, RenderableType

from tests.show.pictures import HOSTILE, NOW, QUERY, backends, later, snapshot, window
from udplb.show.backends import page_of_backends
from udplb.show.flows import page_of_flows
from udplb.show.paces import paces_between
from udplb.show.page import Cell, Column, Fact, Facts, Page, Role, Table, line
from udplb.show.paint import STYLES, painted, painted_line
from udplb.show.status import page_of_status


def drawn(renderable: RenderableType, width: int, *, colours: bool = False) -> str:
    console = Console(
        file=io.StringIO(), width=width, force_terminal=True, highlight=False,
        color_system="standard" if colours else None, no_color=not colours,
    )  # fmt: skip
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def shown(page: Page, width: int = 80) -> list[str]:
    return [each.rstrip() for each in drawn(painted(page, width), width).splitlines()]


def ranked(*ranks: int) -> Table:
    """Columns of 9 characters, and a sentence."""
    columns = tuple(Column(f"COLUMN {n}{n}", f"c{n}", rank=rank) for n, rank in enumerate(ranks))
    cells = tuple(Cell(f"value {n}{n}{n}") for n, _ in enumerate(ranks))
    return Table((*columns, Column("WHY", "why")), ((*cells, Cell("x " * 40)),), "nothing")


def test_every_role_has_a_style() -> None:
    assert set(STYLES) == set(Role)


def test_columns_that_matter_least_go_first_and_together() -> None:
    table = ranked(0, 2, 2, 1)
    assert shown((table,), 200)[0].split("  ") == [
        "COLUMN 00", "COLUMN 11", "COLUMN 22", "COLUMN 33", "WHY",
    ]  # fmt: skip
    assert shown((table,), 64)[0].split("  ")[:4] == [
        "COLUMN 00", "COLUMN 11", "COLUMN 22", "COLUMN 33",
    ]  # fmt: skip
    assert shown((table,), 50)[0].split("  ")[:3] == ["COLUMN 00", "COLUMN 33", "WHY"]
    assert shown((table,), 20)[0].split("  ")[0] == "COLUMN 00"


def test_a_column_that_says_nothing_is_left_out() -> None:
    columns = (Column("NAME", "name"), Column("ADDRESS", "address"), Column("WHY", "why"))
    row = (Cell("a"), Cell("", "10.0.0.1:53"), Cell("", "-"))
    assert shown((Table(columns, (row,), ""),))[0] == "NAME"


def test_a_sentence_is_broken_and_never_cut() -> None:
    assert " ".join(shown((ranked(0, 0),), 60)).count("x") == 40


def test_an_empty_table_says_so() -> None:
    assert shown((Table((Column("A", "a"),), (), "no flows yet"),)) == ["no flows yet"]


def test_what_does_not_fit_goes_on_right_of_the_lead() -> None:
    lines = shown((line("word " * 12, lead=("12:04 ", "● ")),), 40)
    assert lines[0].startswith("12:04 ● word")
    assert all(each.startswith(" " * 8 + "word") for each in lines[1:])


def test_facts_without_a_title_are_for_programs_alone() -> None:
    facts = Facts((Fact(None, "pid", Cell("7")), Fact("", "x", Cell("sentence"))))
    assert shown((facts,)) == ["              sentence"]


@pytest.mark.parametrize("width", [20, 40, 80, 160])
def test_a_line_that_stays_one(width: int) -> None:
    assert len(drawn(painted_line(line("word " * 40)), width).splitlines()) == 1


def test_nothing_hostile_passes() -> None:
    page = (
        line(HOSTILE, lead=(HOSTILE,)),
        Table((Column("A", "a"), Column("B", "b")), ((Cell(HOSTILE), Cell(HOSTILE)),), ""),
        Facts((Fact("key", "key", Cell(HOSTILE)),)),
    )
    text = drawn(painted(page, 200), 200)
    assert "\x1b" not in text
    assert text.count("[red]evil[/red]") == 5
    assert "[red]evil[/red]" in drawn(painted(page, 200), 200, colours=True)


def test_states_have_colours() -> None:
    text = drawn(painted(page_of_backends(backends(), NOW), 80), 80, colours=True)
    assert "\x1b[32m● UP" in text
    assert "\x1b[1;31m✖ DOWN" in text


@pytest.mark.parametrize("width", [20, 60, 80, 100, 160, 250])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    paces = paces_between(snapshot(), later(2))
    for page in (
        page_of_status(later(2), NOW, paces),
        page_of_backends(backends(), NOW, paces),
        page_of_flows(window(), QUERY),
    ):
        assert max(map(len, shown(page, width))) <= width


def test_at_80_columns_a_backend_has_its_state_flows_and_note() -> None:
    text = shown(page_of_backends(backends(), NOW))
    assert text[0].split() == ["BACKEND", "STATE", "WT", "FLOWS", "NOTE"]
    assert any("3 refusals within 10 s" in each for each in text)
    paces = paces_between(snapshot(), later(2))
    watched = shown(page_of_backends(backends(), NOW, paces))
    assert watched[0].split() == ["BACKEND", "STATE", "FLOWS", "IN", "OUT", "NOTE"]


def test_at_80_columns_the_longest_client_is_whole() -> None:
    text = shown(page_of_flows(window(), QUERY))
    assert any("[2001:db8:1234:5678:9abc:def0:1234:5678]:3478" in each for each in text)
    assert text[0].split()[-1] == "RATE"
