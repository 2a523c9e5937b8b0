"""The screen of the configuration: file, mistakes at their lines, what a reload would change."""

from __future__ import annotations

import msgspec
import pytest

from tests.tui import scenes
from tests.tui.driving import console_on, run, screen_text
from tests.tui.waiting import settle, until
from udplb.client import Refused
from udplb.engine.control.requests import Diff, File
from udplb.tui.widgets.file_view import FileView


@pytest.mark.parametrize("size", [(160, 50), (120, 36), (80, 24)])
def test_the_file_and_what_runs_besides_it(size: tuple[int, int]) -> None:
    async def scenario() -> None:
        client = scenes.proxy()
        async with console_on(client, size=size) as (app, pilot, _):
            await pilot.press("5")
            await until(pilot, lambda: "drain_timeout" in screen_text(app))
            await until(pilot, lambda: "udplb reload would change" in screen_text(app))
            text = screen_text(app)
            assert "a secret that all machines share" not in text
            assert "#14 in force since" in text
            assert "in force" in text

    run(scenario)


def test_mistakes_stand_at_their_lines_and_enter_goes_to_them() -> None:
    async def scenario() -> None:
        client = scenes.proxy(bad_file=True)
        async with console_on(client, size=(120, 20)) as (app, pilot, _):
            await pilot.press("5")
            view = app.pane.query_one(FileView)
            await until(pilot, lambda: "▲ clusters.game.backends[1].weight: -5" in view.text)
            assert "✖weight = -5" in view.text
            assert "not in force" in screen_text(app)
            await pilot.press("enter")
            await settle(pilot, client)
            assert "weight = -5" in screen_text(app)

    run(scenario)


def test_it_asks_again_when_something_was_changed_and_not_before() -> None:
    async def scenario() -> None:
        client = scenes.proxy()
        async with console_on(client) as (_, pilot, _client):
            await pilot.press("5")
            await settle(pilot, client)

            def times() -> int:
                return sum(isinstance(each, Diff) for each in client.asked)

            before = times()
            for step in range(1, 5):
                client.show(scenes.busy(step=step))
                await settle(pilot, client)
            assert times() == before, "never with each picture"
            changed = msgspec.structs.replace(client.snapshot.configuration, generation=15)
            client.show(msgspec.structs.replace(client.snapshot, configuration=changed, at=5_000.0))
            await until(pilot, lambda: times() == before + 1)

    run(scenario)


def test_a_file_that_cannot_be_read_is_told() -> None:
    async def scenario() -> None:
        client = scenes.proxy()

        def refuse(request: File) -> object:
            raise Refused("not_found", "/etc/udplb/udplb.toml: no such file")

        client.answers[File] = refuse
        async with console_on(client) as (app, pilot, _):
            await pilot.press("5")
            await until(pilot, lambda: "no such file" in screen_text(app))
            assert app.is_running

    run(scenario)
