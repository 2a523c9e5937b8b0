"""What both screens with backends have in common: who is acted on."""

from __future__ import annotations

import pytest

from tests.tui.driving import console_on, run
from tests.tui.waiting import settle, until
from udplb.engine.control.requests import Drain
from udplb.tui.console import Console
from udplb.tui.dialogs.dialog import Dialog
from udplb.tui.dialogs.text import TextDialog
from udplb.tui.panes.backend_pane import BackendPane
from udplb.tui.panes.flows import Flows

EDGE_1 = ("game", "10.0.0.11:5000")
SCREENS = pytest.mark.parametrize("screen", ["1", "2"])


def pane_of(app: Console) -> BackendPane:
    assert isinstance(app.pane, BackendPane)
    return app.pane


@SCREENS
def test_actions_are_on_the_backend_under_the_cursor(screen: str) -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            await pilot.press(screen, "j", "j", "D")
            await until(pilot, lambda: isinstance(app.screen, Dialog) and app.focused)
            await pilot.press("y")
            await until(pilot, client.changes)
            asked = client.changes()[0]
            assert isinstance(asked, Drain)
            assert (asked.cluster, asked.backend) == EDGE_1

    run(scenario)


@SCREENS
def test_where_the_keys_go_to_flows_no_backend_is_meant(screen: str) -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, _):
            await pilot.press(screen, "j", "j", "space")
            pane = pane_of(app)
            assert pane.marked_backends() == [EDGE_1]
            await pilot.press("tab")
            assert pane.selected_backend() is None
            assert pane.marked_backends() == []
            await pilot.press("D")
            assert not isinstance(app.screen, Dialog)

    run(scenario)


@SCREENS
def test_d_describes_the_backend(screen: str) -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, _):
            await pilot.press(screen, "j", "j", "d")
            await until(pilot, lambda: isinstance(app.screen, TextDialog))
            dialog = app.screen
            assert isinstance(dialog, TextDialog)
            assert dialog.text.startswith("game/edge-1  10.0.0.11:5000")

    run(scenario)


@SCREENS
def test_escape_takes_messages_away_before_marks(screen: str) -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, _):
            await pilot.press(screen, "space")
            app.news.failed("something went wrong")
            await pilot.press("escape")
            assert app.news.latest() is None
            assert pane_of(app).table.marked
            await pilot.press("escape")
            assert not pane_of(app).table.marked

    run(scenario)


def test_a_flow_is_looked_for_until_its_screen_has_it() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            pane_of(app).show_flow(7_003)
            flows = app.query_one(Flows)
            await until(pilot, lambda: flows.selected is not None and flows.selected.id == 7_003)
            await settle(pilot, client)

    run(scenario)


def test_a_flow_that_is_gone_is_given_up_when_the_screen_changes() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            pane_of(app).show_flow(1)
            await pilot.press("2")
            await settle(pilot, client)
            assert app.pane.NAME == "backends"

    run(scenario)
