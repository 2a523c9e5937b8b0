"""Asides: help, pictures, the mouse, columns, where a client would go."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import SelectionList

from tests.tui import scenes
from tests.tui.driving import console_on, is_open, run, screen_text
from tests.tui.waiting import settle, until
from udplb.tui.dialogs.columns import ColumnsDialog
from udplb.tui.dialogs.help import HelpDialog
from udplb.tui.dialogs.which import WhichDialog


def test_help_and_which_backend_are_there_on_every_screen() -> None:
    async def scenario() -> None:
        client = scenes.proxy()
        async with console_on(client) as (app, pilot, _):
            for screen in "12345":
                await pilot.press(screen, "question_mark")
                await until(pilot, lambda: isinstance(app.screen, HelpDialog))
                await pilot.press("escape")
                await pilot.press("w")
                await until(pilot, lambda: isinstance(app.screen, WhichDialog))
                await settle(pilot, client)
                await pilot.press("escape")
                await until(pilot, lambda: len(app.screen_stack) == 1)

    run(scenario)


def test_a_picture_is_written_and_never_over_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def scenario() -> None:
        async with console_on(scenes.proxy()) as (app, pilot, _):
            await pilot.press("ctrl+s")
            await until(pilot, lambda: "written:" in screen_text(app))
            (file,) = tmp_path.iterdir()
            assert "<svg" in file.read_text()
            await pilot.press("ctrl+s")
            await until(pilot, lambda: "is there already" in screen_text(app))

    run(scenario)


def test_columns_are_chosen() -> None:
    async def scenario() -> None:
        client = scenes.proxy()
        async with console_on(client, size=(160, 50)) as (app, pilot, _):
            await pilot.press("2")
            await until(pilot, lambda: " FLOWS " in screen_text(app))
            await pilot.press("c")
            await until(pilot, lambda: isinstance(app.screen, ColumnsDialog) and is_open(app))
            app.screen.query_one(SelectionList).deselect("FLOWS")
            await settle(pilot, client)
            await pilot.press("escape")
            await until(pilot, lambda: len(app.screen_stack) == 1)
            await settle(pilot, client)
            assert " FLOWS " not in screen_text(app)

    run(scenario)


def test_a_driver_without_a_mouse_is_no_harm() -> None:
    async def scenario() -> None:
        async with console_on(scenes.proxy()) as (app, pilot, _):
            await pilot.press("m")
            await pilot.press("m")
            assert app.is_running

    run(scenario)
