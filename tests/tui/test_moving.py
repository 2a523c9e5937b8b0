"""Moving to another proxy: the one that answers is gone to, and the others are told of."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.tui import scenes
from tests.tui.driving import console_on, run, screen_text
from tests.tui.fake_proxy import NOW
from tests.tui.waiting import settle, until
from udplb.client import Lost, NoProxyError
from udplb.tui.console import Console
from udplb.tui.settings import NamedProxy, Settings

PROD, LAB = Path("/run/prod.sock"), Path("/run/lab.sock")
SETTINGS = Settings(proxies=(NamedProxy("prod", PROD, "red"), NamedProxy("lab", LAB)))


def commands(app: Console) -> dict[str, object]:
    return {title: act for title, _, act in app.moving.commands()}


def test_the_console_is_left_for_a_proxy_that_answers() -> None:
    async def scenario() -> None:
        went: list[Path] = []
        asked: list[Path] = []
        async with console_on(settings=SETTINGS, leave_for=went.append) as (app, pilot, _):
            app.moving.greet = asked.append
            assert sorted(commands(app)) == ["Attach to lab", "Attach to prod"]
            app.moving.to(LAB)
            await until(pilot, lambda: not app.is_running)
        assert (asked, went) == ([LAB], [LAB])

    run(scenario)


def test_it_is_left_too_while_the_link_is_lost() -> None:
    async def scenario() -> None:
        went: list[Path] = []
        async with console_on(settings=SETTINGS, leave_for=went.append) as (app, pilot, client):
            app.moving.greet = lambda socket: None
            client.put(Lost(at=NOW, why="connection refused", retry_in_s=5.0))
            await until(pilot, lambda: app.model.link.state == "lost")
            await pilot.press("colon")
            await until(pilot, lambda: len(app.screen_stack) == 2)
            for key in ("a", "t", "t", "a", "c", "h", "space", "l", "a", "b"):
                await pilot.press(key)
            await until(pilot, lambda: app.screen.query_one("OptionList").option_count == 1)  # type: ignore[attr-defined]
            await pilot.press("down", "enter")
            await until(pilot, lambda: not app.is_running)
        assert went == [LAB]

    run(scenario)


def test_one_that_does_not_answer_keeps_us_here() -> None:
    def silent(socket: Path) -> None:
        raise NoProxyError(f"{socket}: connection refused")

    async def scenario() -> None:
        went: list[Path] = []
        async with console_on(settings=SETTINGS, leave_for=went.append) as (app, pilot, _):
            app.moving.greet = silent
            app.moving.to(LAB)
            await until(pilot, lambda: "still here, as /run/lab.sock: conn" in screen_text(app))
            assert app.is_running
        assert went == []

    run(scenario)


def test_the_last_one_that_was_asked_for_counts() -> None:
    async def scenario() -> None:
        went: list[Path] = []
        gates = {LAB: threading.Event(), PROD: threading.Event()}
        async with console_on(settings=SETTINGS, leave_for=went.append) as (app, pilot, client):
            app.moving.greet = lambda socket: gates[socket].wait(10)
            app.moving.to(LAB)
            app.moving.to(PROD)
            gates[LAB].set()
            await until(pilot, lambda: asking() == 1)
            await settle(pilot, client)
            assert app.is_running
            gates[PROD].set()
            await until(pilot, lambda: not app.is_running)
        assert went == [PROD]

    run(scenario)


def asking() -> int:
    """Threads that wait for a greeting."""
    return sum(each.name == "udplb-moving" for each in threading.enumerate())


def test_nobody_is_torn_out_of_a_question() -> None:
    async def scenario() -> None:
        went: list[Path] = []
        gate = threading.Event()
        async with console_on(settings=SETTINGS, leave_for=went.append) as (app, pilot, _):
            app.moving.greet = lambda socket: gate.wait(10)
            app.moving.to(LAB)
            await pilot.press("question_mark")
            await until(pilot, lambda: len(app.screen_stack) == 2)
            gate.set()
            await until(pilot, lambda: "a window was open" in said(app))
            assert app.is_running
        assert went == []

    run(scenario)


def said(app: Console) -> str:
    latest = app.news.latest()
    return "" if latest is None else latest.text


def test_with_the_proxy_inside_it_says_why_not() -> None:
    async def scenario() -> None:
        async with console_on(settings=SETTINGS) as (app, pilot, _):
            app.moving.to(PROD)
            await until(pilot, lambda: "would stop" in screen_text(app))
            assert "udplb console --connect /run/prod.sock" in said(app)
            assert app.is_running

    run(scenario)


def test_where_we_are_already_nothing_is_done() -> None:
    async def scenario() -> None:
        client = scenes.proxy()
        client.path = PROD  # type: ignore[attr-defined]
        async with console_on(client, settings=SETTINGS, leave_for=lambda _: None) as (app, _, _c):
            app.moving.to(Path("/run/../run/prod.sock"))
            assert said(app) == "that is this proxy"

    run(scenario)


def test_what_is_typed() -> None:
    async def scenario() -> None:
        async with console_on() as (app, _, _client):
            assert app.moving.typed("attach /run/x.sock") == Path("/run/x.sock")
            assert app.moving.typed(" Attach  ./x ") == Path("x")
            assert app.moving.typed("attach ~/x") == Path("~/x").expanduser()
            for other in ("attach", "attach prod", "drain /x", "/x", ""):
                assert app.moving.typed(other) is None

    run(scenario)
