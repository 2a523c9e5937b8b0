"""The console: screens by their keys, the filter line, losses, pauses, sizes, and its own end."""

from __future__ import annotations

from functools import partial

import msgspec
import pytest
from textual.widgets import Input

from tests.tui import scenes
from tests.tui.driving import console_on, is_open, run, screen_text, type_in
from tests.tui.fake_proxy import NOW, FakeClient
from tests.tui.waiting import settle, until
from udplb.client import Lost, Resumed
from udplb.tui.actions import ACTIONS, DEFAULTS, GO
from udplb.tui.console import INTERVALS_S, Console
from udplb.tui.settings import Settings

SIZES = [(160, 50), (120, 36), (80, 24), (60, 15)]


@pytest.mark.parametrize("size", SIZES)
def test_every_screen_has_its_key(size: tuple[int, int]) -> None:
    async def scenario() -> None:
        client = scenes.proxy()
        async with console_on(client, size=size) as (app, pilot, _):
            for action in ACTIONS:
                if action.group == GO and action.keys[0].isdigit():
                    await pilot.press(action.keys[0])
                    await settle(pilot, client)
                    assert action.name == app.pane.NAME
                    lines = screen_text(app).splitlines()
                    assert len(lines) == size[1]
                    assert "LIVE" in lines[0]
                    assert " RW " in lines[0]

    run(scenario)


@pytest.mark.parametrize("size", [(59, 24), (80, 14), (30, 5)])
def test_a_terminal_that_is_too_small_gets_a_summary(size: tuple[int, int]) -> None:
    async def scenario() -> None:
        client = scenes.proxy()
        async with console_on(client, size=size) as (app, pilot, _):
            await settle(pilot, client)
            text = screen_text(app)
            assert "LIVE" in text
            assert "18,402" in text
            assert "game/edge-6 EJECTED" in text
            assert "Traffic" not in text
            await pilot.resize_terminal(120, 36)
            await until(pilot, lambda: "Traffic" in screen_text(app))

    run(scenario)


def test_every_action_on_every_screen_does_no_harm() -> None:
    async def scenario() -> None:
        client = scenes.proxy()
        async with console_on(client, size=(80, 24)) as (app, pilot, _):
            for screen in "12345":
                await pilot.press(screen)
                for action in ACTIONS:
                    if action.group == GO or action.name in ("quit", "screenshot", "palette"):
                        continue
                    app.action_do(action.name)
                    await pilot.pause()
                    while len(app.screen_stack) > 1:
                        app.pop_screen()
                        await pilot.pause()
            assert app.is_running
            assert not client.changes(), "nothing was said yes to"

    run(scenario)


def test_the_filter_line_opens_tells_mistakes_and_closes() -> None:
    async def scenario() -> None:
        async with console_on(scenes.proxy()) as (app, pilot, _):
            await pilot.press("3", "slash")
            line = app.query_one("#filter", Input)
            await until(pilot, lambda: app.focused is line)
            await type_in(pilot, "idle<")
            await pilot.press("enter")
            await until(pilot, lambda: "filter term" in screen_text(app))
            assert app.focused is line, "it stays open to be mended"
            await type_in(pilot, "5s")
            await pilot.press("enter")
            await until(pilot, lambda: app.pane.filter_line() == "idle<5s")
            assert app.focused is not line
            await pilot.press("slash")
            await until(pilot, lambda: app.focused is line and line.value == "idle<5s")
            await pilot.press("escape")
            await until(pilot, lambda: app.focused is not line)
            assert app.pane.filter_line() == "idle<5s"
            await pilot.press("escape")
            await until(pilot, lambda: app.pane.filter_line() == "")

    run(scenario)


def test_a_loss_keeps_the_rows_and_says_so_until_it_is_over() -> None:
    async def scenario() -> None:
        client = scenes.proxy()
        async with console_on(client) as (app, pilot, _):
            await pilot.press("2")
            client.put(Lost(at=NOW - 12, why="connection refused", retry_in_s=15.0))
            await until(pilot, lambda: "LOST 0:12" in screen_text(app))
            text = screen_text(app)
            assert "connection refused" in text
            assert "edge-1" in text
            assert "actions off" in text
            client.put(Resumed(missed_s=12.0))
            other = msgspec.structs.replace(scenes.busy(step=1), pid=9_999)
            client.show(other)
            await until(pilot, lambda: "LIVE" in screen_text(app))
            await until(pilot, lambda: "another process" in screen_text(app))
            await pilot.press("4")
            await until(pilot, lambda: "missed 12 s here" in screen_text(app))

    run(scenario)


def test_a_pause_holds_the_picture_and_counting_goes_on() -> None:
    async def scenario() -> None:
        client = scenes.proxy()
        async with console_on(client) as (app, pilot, _):
            await pilot.press("p")
            await until(pilot, lambda: "PAUSED" in screen_text(app))
            before = app.model.snapshot
            client.show(scenes.busy(step=3))
            await until(pilot, lambda: app.model.snapshot is not before)
            assert app.model.shown is before
            assert "Held since" in screen_text(app)
            await pilot.press("p")
            await until(pilot, lambda: "LIVE" in screen_text(app))
            assert app.model.shown is app.model.snapshot

    run(scenario)


def asked_for(client: FakeClient, interval_s: float) -> bool:
    return client.streams[-1].request.interval_s == interval_s


def test_pictures_come_as_often_as_is_wanted() -> None:
    async def scenario() -> None:
        client = scenes.proxy()
        async with console_on(client) as (app, pilot, _):
            for key, wanted in (("plus", 0.25), ("minus", 0.5), ("minus", 1.0)):
                await pilot.press(key)
                await until(pilot, partial(asked_for, client, wanted))
            await pilot.press(*["minus"] * 9)
            assert app.model.interval_s == INTERVALS_S[-1]
            await pilot.press(*["plus"] * 9)
            assert app.model.interval_s == INTERVALS_S[0]

    run(scenario)


def test_problems_are_gone_to_one_after_the_other() -> None:
    async def scenario() -> None:
        client = scenes.proxy(bad_file=True)
        async with console_on(client) as (app, pilot, _):
            seen = []
            for _ in range(len(app.problems)):
                await pilot.press("exclamation_mark")
                await settle(pilot, client)
                seen.append(app.pane.NAME)
            assert "backends" in seen
            assert "config" in seen

    run(scenario)


def test_other_keys_work_and_are_shown_and_the_old_ones_do_nothing() -> None:
    table = DEFAULTS.rebound({
        "drain": ("ctrl+x",), "backends": ("b",), "quit": ("Q",), "pause": ("h",), "help": ("f1",),
    })  # fmt: skip

    async def scenario() -> None:
        client = scenes.proxy()
        async with console_on(client, settings=Settings(actions=table)) as (app, pilot, _):
            await pilot.press("2")
            await settle(pilot, client)
            assert app.pane.NAME == "overview"
            await pilot.press("b")
            await settle(pilot, client)
            assert app.pane.NAME == "backends"
            lines = screen_text(app).splitlines()
            assert " b Backends" in lines[1]
            assert " F1 Help " in lines[1]
            assert "^X Drain" in lines[-1]
            assert "D Drain" not in lines[-1]
            assert "Q Quit" in lines[-1]
            await pilot.press("D", "q", "p", "question_mark")
            await settle(pilot, client)
            assert not is_open(app)
            await pilot.press("ctrl+x")
            await until(pilot, lambda: is_open(app))
            assert "Drain dns/ns1?" in screen_text(app)
            await pilot.press("escape")
            await until(pilot, lambda: not is_open(app))
            await pilot.press("h")
            await until(pilot, lambda: "h goes on" in screen_text(app))

    run(scenario)


def test_who_may_not_act_hears_it_by_his_own_key() -> None:
    table = DEFAULTS.rebound({"drain": ("ctrl+x",)})

    async def scenario() -> None:
        client = FakeClient(scenes.busy(), read_only=True)
        async with console_on(client, settings=Settings(actions=table)) as (app, pilot, _):
            await pilot.press("2", "D")
            await settle(pilot, client)
            assert "this session is read-only" not in screen_text(app)
            await pilot.press("ctrl+x")
            await until(pilot, lambda: "this session is read-only" in screen_text(app))

    run(scenario)


def test_a_bug_ends_the_console_and_says_why() -> None:
    async def scenario() -> Console:
        client = scenes.proxy()
        app = Console(client, where="edge-gw", wall_clock=lambda: NOW)
        with pytest.raises(RuntimeError, match="on purpose"):  # noqa: PT012 - it ends inside
            async with app.run_test() as pilot:
                await until(pilot, lambda: app.model.snapshot is not None)

                def broken(now: float) -> None:
                    raise RuntimeError("broken on purpose")

                app.pane.draw = broken  # type: ignore[method-assign]
                await pilot.press("p")
                await pilot.pause()
        return app

    async def check() -> None:
        app = await scenario()
        assert isinstance(app.broken_by, RuntimeError)
        assert app.return_code == 1

    run(check)


def test_the_heartbeat_ends_the_console() -> None:
    async def scenario() -> None:
        beats = []

        def beat() -> bool:
            beats.append(1)
            return len(beats) < 3

        app = Console(scenes.proxy(), where="x", wall_clock=lambda: NOW, heartbeat=beat)
        async with app.run_test() as pilot:
            await until(pilot, lambda: not app.is_running)
        assert len(beats) == 3

    run(scenario)


def test_what_is_shown_cannot_command_the_terminal() -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J[red]x[/]"

    async def scenario() -> None:
        snapshot = scenes.busy()
        clusters = tuple(
            msgspec.structs.replace(
                cluster,
                backends=tuple(
                    msgspec.structs.replace(each, name=hostile, reason=hostile)
                    for each in cluster.backends
                ),
            )
            for cluster in snapshot.clusters
        )
        rows = tuple(
            msgspec.structs.replace(row, backend=hostile, client=hostile)
            for row in scenes.flow_rows(20)
        )
        client = FakeClient(msgspec.structs.replace(snapshot, clusters=clusters), rows=rows)
        client.answers.update(scenes.proxy().answers)
        client.answers.update(FakeClient(client.snapshot, rows=rows).answers)
        async with console_on(client, size=(160, 50)) as (app, pilot, _):
            for keys in (("1",), ("2",), ("2", "d"), ("2", "D"), ("3",), ("3", "d"), ("3", "K")):
                await pilot.press(*keys)
                await settle(pilot, client)
                assert "\x1b" not in screen_text(app)
                assert "\x07" not in screen_text(app)
                if len(keys) > 1:
                    await until(pilot, lambda: is_open(app))
                    await pilot.press("escape")
                    await settle(pilot, client)

    run(scenario)
