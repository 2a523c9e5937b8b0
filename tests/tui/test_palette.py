"""The palette: every action is found by its name, and every backend to act on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textual.command import DiscoveryHit, Hit

from tests.tui import scenes
from tests.tui.driving import console_on, run, screen_text, type_in
from tests.tui.fake_proxy import FakeClient
from tests.tui.waiting import until
from udplb.tui.actions import ACTIONS
from udplb.tui.console import Console
from udplb.tui.dialogs.text import TextDialog
from udplb.tui.palette import Palette
from udplb.tui.settings import NamedProxy, Settings, parse_settings


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


def test_a_backend_is_gone_to_by_name() -> None:
    async def scenario() -> None:
        async with console_on(scenes.proxy()) as (app, pilot, _):
            assert "Go to backend game/edge-3" in await found(app, "go to edge-3")
            assert not any("edge-3" in title for title in await found(app, ""))
            await pilot.press("colon")
            await until(pilot, lambda: len(app.screen_stack) == 2)
            await type_in(pilot, "go to backend edge-5")
            palette: Any = app.screen
            await until(pilot, lambda: palette.query_one("OptionList").option_count == 1)
            await pilot.press("down", "enter")
            await until(pilot, lambda: app.pane.NAME == "backends")
            pane: Any = app.pane
            await until(pilot, lambda: pane.selected_backend() == ("game", "[2001:db8::15]:5000"))

    run(scenario)


def test_another_proxy_is_found_by_its_name_and_by_its_path() -> None:
    proxies = (NamedProxy("prod", Path("/run/prod.sock")), NamedProxy("lab\x1b", Path("/run/l")))

    async def scenario() -> None:
        async with console_on(settings=Settings(proxies=proxies)) as (app, _, _client):
            assert {"Attach to prod", "Attach to lab\\x1b"} <= {*await found(app, "")}
            assert await found(app, "attach prod") == ["Attach to prod"]
            assert await found(app, "attach /tmp/x.sock") == ["Attach to /tmp/x.sock"]
            assert "/" not in "".join(await found(app, "attach"))

    run(scenario)


def test_mistakes_in_the_settings_are_read_here() -> None:
    settings = parse_settings("a = 1\n\n[b]\n", "/etc/\x1bx/console.toml", ("dark",))

    async def scenario() -> None:
        async with console_on(settings=settings) as (app, pilot, _):
            await until(pilot, lambda: "2 mistakes in the settings (: Mis" in screen_text(app))
            assert "\x1b" not in screen_text(app)
            await pilot.press("2")
            assert "2 mistakes in the settings" in screen_text(app), "it stays"
            assert "Mistakes in the settings" in await found(app, "mistakes")
            await type_in(pilot, ":mistakes")
            palette: Any = app.screen
            await until(pilot, lambda: palette.query_one("OptionList").option_count == 1)
            await pilot.press("down", "enter")
            await until(pilot, lambda: isinstance(app.screen, TextDialog))
            await until(pilot, lambda: "console.toml:3: b: unknown key" in screen_text(app))

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
