"""The bottom line: the last result, else what is wrong now."""

from __future__ import annotations

from tests.tui import scenes
from tests.tui.driving import console_on, run, screen_text
from tests.tui.waiting import until


def test_problems_then_news_then_problems_again() -> None:
    async def scenario() -> None:
        async with console_on(scenes.proxy()) as (app, pilot, _):
            await until(pilot, lambda: "▲ game/edge-6 EJECTED 36s" in screen_text(app))
            assert "! goes there" in screen_text(app)
            app.news.failed("it cannot be \x1b[2J done")
            app.draw()
            await until(pilot, lambda: "✖ it cannot be" in screen_text(app))
            assert "Esc dismisses" in screen_text(app)
            assert "\x1b" not in screen_text(app)
            await pilot.press("escape")
            await until(pilot, lambda: "EJECTED 36s" in screen_text(app))
            await pilot.click("BottomLine")
            await until(pilot, lambda: app.pane.NAME == "backends")

    run(scenario)


def test_no_problem_is_said_too() -> None:
    async def scenario() -> None:
        async with console_on(scenes.proxy(empty=True)) as (app, pilot, _):
            await until(pilot, lambda: "● no problem" in screen_text(app))

    run(scenario)
