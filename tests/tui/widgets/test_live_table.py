"""The live table: a cursor that stays with its row, windows, a pin, titles that sort."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from tests.tui.driving import run
from udplb.tui.ink import Piece
from udplb.tui.themes.shelf import open_shelf
from udplb.tui.themes.theme import defaults, styles_of
from udplb.tui.widgets.live_table import PINNED, LiveColumn, LiveRow, LiveTable

COLUMNS = (LiveColumn("NAME"), LiveColumn("RATE", "rate", number=True))


def rows(*names: object) -> list[LiveRow]:
    return [LiveRow(name, (Piece(f"row {name}"), Piece("1/s"))) for name in names]


class Board(App[None]):
    """A table, and what it said."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[Any] = []

    def compose(self) -> ComposeResult:
        yield LiveTable(COLUMNS, empty="nobody is here")

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return defaults()

    def on_live_table_cursor_moved(self, message: LiveTable.CursorMoved) -> None:
        self.said.append(("moved", message.table.row and message.table.row.id, message.by_hand))

    def on_live_table_opened(self, message: LiveTable.Opened) -> None:
        self.said.append(("opened", message.table.row and message.table.row.id))

    def on_live_table_sort_wanted(self, message: LiveTable.SortWanted) -> None:
        self.said.append(("sort", message.key))

    def on_live_table_rows_wanted(self, message: LiveTable.RowsWanted) -> None:
        self.said.append(("rows", message.offset))


@asynccontextmanager
async def board(height: int = 12) -> AsyncIterator[tuple[Board, LiveTable, Pilot[None]]]:
    app = Board()
    async with app.run_test(size=(40, height)) as pilot:
        table = app.query_one(LiveTable)
        table.inks = styles_of(open_shelf(None, {}, no_color=False).theme)
        table.focus()
        await pilot.pause()
        yield app, table, pilot


def lines(table: LiveTable) -> list[str]:
    """What the table draws."""
    return [table.render_line(y).text.rstrip() for y in range(table.size.height)]


def cursor(table: LiveTable) -> str:
    """The line with the cursor."""
    return next((line for line in lines(table) if line.startswith(">")), "")


def test_without_rows_it_says_so() -> None:
    async def scenario() -> None:
        async with board() as (_, table, _pilot):
            table.show(())
            assert lines(table)[0] == "  NAME   RATE"
            assert lines(table)[2] == "  nobody is here"
            for move in (table.do_down, table.do_up, table.do_last, table.do_mark, table.do_open):
                move()
            assert table.row is None
            assert table.ids_marked() == []

    run(scenario)


def test_the_cursor_stays_with_its_row_and_not_with_its_place() -> None:
    async def scenario() -> None:
        async with board() as (_, table, _pilot):
            table.show(rows("a", "b", "c"))
            table.do_down()
            assert cursor(table).startswith("> row b")
            table.show(rows("c", "a", "b"))
            assert cursor(table).startswith("> row b")
            assert table.place == 2

    run(scenario)


def test_where_its_row_is_gone_the_cursor_stays_in_its_place_and_says_so() -> None:
    async def scenario() -> None:
        async with board() as (app, table, pilot):
            table.show(rows("a", "b", "c"))
            table.do_down()
            await pilot.pause()
            app.said.clear()
            table.show(rows("a", "c", "d"))
            await pilot.pause()
            assert app.said == [("moved", "c", False)]
            table.show(rows("a"))
            assert table.row is not None
            assert table.row.id == "a"

    run(scenario)


def test_on_top_the_cursor_is_on_whatever_is_first_until_it_is_moved() -> None:
    async def scenario() -> None:
        async with board() as (_, table, _pilot):
            table.to_top()
            table.show(rows("a", "b", "c"))
            table.show(rows("b", "a", "c"))
            assert cursor(table).startswith("> row b")
            table.do_down()
            table.show(rows("c", "b", "a"))
            assert cursor(table).startswith("> row a")

    run(scenario)


def test_the_view_goes_along_with_a_row_that_is_ranked_away() -> None:
    async def scenario() -> None:
        async with board(height=6) as (_, table, pilot):
            names = list(range(40))
            table.show(rows(*names))
            table.do_down()
            await pilot.pause()
            moved = [*range(2, 30), 1, 0, *range(30, 40)]
            table.show(rows(*moved))
            await pilot.pause()
            assert table.place == 28
            assert cursor(table).startswith("> row 1 ")

    run(scenario)


def test_the_view_stays_where_somebody_scrolled_it() -> None:
    async def scenario() -> None:
        async with board(height=6) as (_, table, pilot):
            table.show(rows(*range(40)))
            table.scroll_to(y=20, animate=False, force=True, immediate=True)
            await pilot.pause()
            table.show(rows(*reversed(range(40))))
            await pilot.pause()
            assert table.first_shown == 20

    run(scenario)


def test_it_asks_for_rows_that_are_looked_at_and_are_not_there() -> None:
    async def scenario() -> None:
        async with board(height=11) as (app, table, pilot):
            table.show(rows(*range(20)), total=500)
            table.do_page_down()
            await pilot.pause()
            assert not [each for each in app.said if each[0] == "rows"]
            table.do_page_down()
            await pilot.pause()
            assert ("rows", 6) in app.said
            table.do_last()
            await pilot.pause()
            assert ("rows", 485) in app.said
            assert lines(table)[1:] == ["  ·"] * 10
            table.show(rows(*range(480, 500)), offset=480, total=500)
            assert cursor(table).startswith("> row 499")

    run(scenario)


def test_a_line_below_says_what_cannot_be_scrolled_to() -> None:
    async def scenario() -> None:
        async with board(height=6) as (_, table, pilot):
            table.show(rows(*range(40)), more="40 of 90")
            table.do_last()
            await pilot.pause()
            assert cursor(table).startswith("> row 39")
            assert lines(table)[-1] == "  40 of 90"

    run(scenario)


def test_a_pinned_row_stays_in_view_and_can_have_the_cursor() -> None:
    async def scenario() -> None:
        async with board(height=6) as (app, table, pilot):
            (pin,) = rows("p")
            table.show(rows(*range(40)), pinned=pin)
            assert lines(table)[1].startswith("^ row p")
            table.to_pinned()
            assert table.place == PINNED
            assert table.row == pin
            table.show(rows(*reversed(range(40))), pinned=pin)
            assert cursor(table).startswith("> row p")
            table.do_down()
            assert cursor(table).startswith("> row 39")
            table.do_last()
            await pilot.pause()
            assert lines(table)[1].startswith("^ row p")
            assert cursor(table).startswith("> row 0")
            table.do_first()
            table.do_up()
            await pilot.pause()
            assert app.said[-1] == ("moved", "p", True)
            table.show(rows(*range(40)))
            assert cursor(table).startswith("> row 0")

    run(scenario)


def test_marks_are_rows_and_an_action_is_for_them_or_for_the_cursor() -> None:
    async def scenario() -> None:
        async with board() as (_, table, _pilot):
            table.show(rows(1, 2, 3))
            assert table.ids_marked() == [1]
            table.do_mark()
            table.do_mark()
            assert table.ids_marked() == [1, 2]
            assert [line[:2] for line in lines(table)[1:4]] == ["* ", "* ", "> "]
            table.show(rows(3, 2, 1))
            assert [line[:2] for line in lines(table)[1:4]] == ["> ", "* ", "* "]
            table.do_down()
            table.do_mark()
            assert table.ids_marked() == [1]

    run(scenario)


def test_a_click_takes_the_cursor_and_one_on_a_title_sorts() -> None:
    async def scenario() -> None:
        async with board() as (app, table, pilot):
            (pin,) = rows("p")
            table.show(rows("a", "b"), sort=("rate", False), pinned=pin)
            assert lines(table)[0] == "  NAME   RATE↓"
            await pilot.click(LiveTable, offset=(4, 3))
            assert cursor(table).startswith("> row b")
            await pilot.click(LiveTable, offset=(4, 1))
            assert cursor(table).startswith("> row p")
            await pilot.click(LiveTable, offset=(10, 0))
            await pilot.click(LiveTable, offset=(3, 0))
            assert [each for each in app.said if each[0] == "sort"] == [("sort", "rate")]
            await pilot.click(LiveTable, offset=(4, 2), times=2)
            assert app.said[-1] == ("opened", "a")

    run(scenario)


def test_go_to_finds_a_row_that_is_there() -> None:
    async def scenario() -> None:
        async with board() as (_, table, _pilot):
            table.show(rows("a", "b"))
            assert table.go_to("b")
            assert not table.go_to("z")
            assert cursor(table).startswith("> row b")

    run(scenario)


def test_what_the_network_says_is_escaped() -> None:
    async def scenario() -> None:
        async with board() as (_, table, _pilot):
            evil: Sequence[LiveRow] = [LiveRow(1, (Piece("\x1b[2J\n"), Piece("[b]")))]
            table.show(evil)
            assert lines(table)[1] == "> \\x1b[2J\\n    [b]"

    run(scenario)
