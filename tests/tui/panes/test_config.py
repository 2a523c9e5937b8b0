"""The screen of the configuration: file, mistakes at their lines, what a reload would change."""

from __future__ import annotations

import msgspec
import pytest

from tests.tui import scenes
from tests.tui.driving import console_on, run, screen_text
from tests.tui.waiting import settle, until
from udplb.client import Refused
from udplb.engine.control.requests import Diff, Difference, File, FileText
from udplb.tui.highlight import highlighted
from udplb.tui.ink import Piece
from udplb.tui.panes.config import Config
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


def test_the_next_problem_goes_to_the_mistake() -> None:
    """However far down it is, and though the file is not known yet."""

    async def scenario() -> None:
        client = scenes.proxy(bad_file=True)
        await_file = client.answers[File]
        long = "# nothing\n" * 500

        def far_down(request: File) -> FileText:
            file = await_file(request)
            assert isinstance(file, FileText)
            return msgspec.structs.replace(file, text=file.text + long + "last = 1")

        client.answers[File] = far_down
        lines = far_down(File()).text.count("\n") + 1
        told = client.answers[Diff](Diff())
        assert isinstance(told, Difference)
        problem = f"{told.file}:{lines}: last: nobody knows it"
        client.answers[Diff] = lambda request: msgspec.structs.replace(told, problems=(problem,))
        async with console_on(client, size=(120, 30)) as (app, pilot, _):
            await until(pilot, lambda: any("the file has" in each.text for each in app.problems))
            at = next(i for i, each in enumerate(app.problems) if "the file has" in each.text)
            for _ in range(at + 1):
                await pilot.press("exclamation_mark")
            await until(pilot, lambda: "▲ last: nobody knows it" in screen_text(app))

    run(scenario)


def test_the_file_is_coloured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    coloured: list[str] = []

    async def counting(text: str) -> list[list[Piece]]:
        coloured.append(text)
        return await highlighted(text)

    monkeypatch.setattr("udplb.tui.panes.config.highlighted", counting)

    async def scenario() -> None:
        client = scenes.proxy()
        async with console_on(client) as (app, pilot, _):
            for _ in range(3):
                await pilot.press("5")
                await until(pilot, lambda: "drain_timeout" in screen_text(app))
                await settle(pilot, client)
                await pilot.press("1")
            assert len(coloured) == 1
            inks = {piece.ink for line in app.query_one(Config)._lines for piece in line}
            assert "toml-key" in inks
            client.answers[File] = lambda request: FileText(
                file="x.toml", text="[other]\n", cut=False, in_force=True
            )
            await pilot.press("5")
            await until(pilot, lambda: "[other]" in screen_text(app))
            await settle(pilot, client)
            assert coloured[1:] == ["[other]\n"]

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
