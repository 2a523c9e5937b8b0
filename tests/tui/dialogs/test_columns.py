"""Choosing columns: all can be hidden but all."""

from __future__ import annotations

from textual.widgets import SelectionList

from tests.tui import scenes
from tests.tui.driving import console_on, run
from tests.tui.waiting import settle, until
from udplb.tui.dialogs.columns import ColumnsDialog
from udplb.tui.widgets.live_table import LiveTable


def test_a_column_goes_and_comes_back_and_not_all_can_go() -> None:
    async def scenario() -> None:
        client = scenes.proxy()
        async with console_on(client) as (app, pilot, _):
            await pilot.press("3")
            table = app.pane.query(LiveTable).first()
            app.push_screen(ColumnsDialog(table))
            await until(pilot, lambda: isinstance(app.focused, SelectionList))
            chosen = app.screen.query_one(SelectionList)
            titles = {column.title for column in table.columns if column.title}
            assert set(chosen.selected) == titles
            chosen.deselect("STATE")
            await settle(pilot, client)
            assert table.unwanted == {"STATE"}
            chosen.select("STATE")
            await settle(pilot, client)
            assert table.unwanted == set()
            chosen.deselect_all()
            await settle(pilot, client)
            assert table.unwanted == set(), "without any there is nothing to see"
            await pilot.press("j", "k", "escape")
            await until(pilot, lambda: len(app.screen_stack) == 1)

    run(scenario)
