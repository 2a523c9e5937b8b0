"""Help: all keys of the table, and why some cannot be used now."""

from __future__ import annotations

import pytest

from tests.tui import scenes
from tests.tui.driving import console_on, run
from tests.tui.fake_proxy import FakeClient
from tests.tui.waiting import until
from udplb.tui.actions import ACTIONS, DEFAULTS, GROUPS
from udplb.tui.dialogs.help import COLUMN_WIDTH, KEY_WIDTH, HelpDialog
from udplb.tui.settings import Settings


@pytest.mark.parametrize("size", [(160, 50), (80, 24)])
def test_every_key_is_there(size: tuple[int, int]) -> None:
    async def scenario() -> None:
        async with console_on(scenes.proxy(), size=size) as (app, pilot, _):
            await pilot.press("question_mark")
            await until(pilot, lambda: isinstance(app.screen, HelpDialog) and app.screen.is_mounted)
            dialog = app.screen
            assert isinstance(dialog, HelpDialog)
            await until(pilot, lambda: dialog.text)
            text = dialog.text
            for action in ACTIONS:
                assert (
                    f"{action.key:{KEY_WIDTH}}{action.sentence[: COLUMN_WIDTH - KEY_WIDTH]}" in text
                )
            for word in (*GROUPS, "EJECTED", "idle<5s"):
                assert word in text
            assert "not now" not in text
            await pilot.press("j", "k", "space", "q")
            await until(pilot, lambda: len(app.screen_stack) == 1)
            assert app.is_running, "q closed the help alone"

    run(scenario)


def test_other_keys_are_shown_and_close_it() -> None:
    settings = Settings(actions=DEFAULTS.rebound({"drain": ("ctrl+x",), "help": ("h",)}))

    async def scenario() -> None:
        async with console_on(scenes.proxy(), settings=settings) as (app, pilot, _):
            await pilot.press("question_mark")
            await pilot.press("h")
            await until(pilot, lambda: isinstance(app.screen, HelpDialog) and app.screen.is_mounted)
            dialog = app.screen
            assert isinstance(dialog, HelpDialog)
            await until(pilot, lambda: dialog.text)
            assert f"{'^X':{KEY_WIDTH}}No new flows on the backend" in dialog.text
            assert f"{'h':{KEY_WIDTH}}All keys" in dialog.text
            await pilot.press("h")
            await until(pilot, lambda: len(app.screen_stack) == 1)

    run(scenario)


def test_sentences_have_room() -> None:
    for action in ACTIONS:
        assert len(action.sentence) <= COLUMN_WIDTH - KEY_WIDTH, action


def test_who_only_looks_is_told_why() -> None:
    async def scenario() -> None:
        client = FakeClient(scenes.busy(), read_only=True)
        async with console_on(client) as (app, pilot, _):
            await pilot.press("question_mark")
            await until(pilot, lambda: isinstance(app.screen, HelpDialog) and app.screen.is_mounted)
            dialog = app.screen
            assert isinstance(dialog, HelpDialog)
            await until(pilot, lambda: "not now: read-only" in dialog.text)

    run(scenario)
