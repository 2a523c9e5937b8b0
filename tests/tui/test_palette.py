"""The palette: every action is found by its name, and every backend to act on."""

from __future__ import annotations

from typing import Any

from textual.command import DiscoveryHit, Hit

from tests.tui import scenes
from tests.tui.driving import console_on, run
from tests.tui.fake_proxy import FakeClient
from tests.tui.waiting import until
from udplb.tui.actions import ACTIONS
from udplb.tui.console import Console
from udplb.tui.palette import Palette


async def found(app: Console, query: str) -> list[str]:
    palette = Palette(app.screen)
    hits = palette.search(query) if query else palette.discover()
    titles = []
    async for hit in hits:
        assert isinstance(hit, Hit | DiscoveryHit)
        titles.append(hit.text or "")
    return titles


def test_every_action_that_applies_is_found() -> None:
    async def scenario() -> None:
        async with console_on(scenes.proxy()) as (app, pilot, _):
            await pilot.press("3")
            titles = await found(app, "")
            for action in ACTIONS:
                can = app.check_action("do", (action.name,))
                offered = any(title.startswith(f"{action.title}  [") for title in titles)
                assert offered is (bool(can) and action.group != "Move"), action

    run(scenario)


def test_backends_are_acted_on_by_name() -> None:
    async def scenario() -> None:
        async with console_on(scenes.proxy()) as (app, _, _client):
            assert "Drain game/edge-3…" in await found(app, "drain edge-3")
            assert "Remove game/edge-6…" in await found(app, "remove edge-6")
            assert any("Theme light" in each for each in await found(app, "theme light"))

    run(scenario)


def test_who_only_looks_is_offered_nothing_that_changes() -> None:
    async def scenario() -> None:
        client = FakeClient(scenes.busy(), read_only=True)
        async with console_on(client) as (app, _, _client):
            assert await found(app, "drain edge") == []

    run(scenario)


def test_it_opens_and_does_what_was_chosen() -> None:
    async def scenario() -> None:
        async with console_on(scenes.proxy()) as (app, pilot, _):
            await pilot.press("colon")
            await until(pilot, lambda: len(app.screen_stack) == 2)
            for letter in "events":
                await pilot.press(letter)
            palette: Any = app.screen
            await until(pilot, lambda: palette.query_one("OptionList").option_count > 0)
            await pilot.press("down", "enter")
            await until(pilot, lambda: app.pane.NAME == "events" or len(app.screen_stack) == 1)

    run(scenario)
