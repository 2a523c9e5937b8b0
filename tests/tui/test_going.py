"""Going to a backend by its name; screens and problems by their keys are in test_console.py."""

from __future__ import annotations

from typing import Any

from tests.tui import scenes
from tests.tui.driving import console_on, run, screen_text
from tests.tui.waiting import until


def under_cursor(app: Any) -> object:
    chosen = app.pane.selected_backend()
    return None if chosen is None else chosen[1]


def test_a_backend_is_gone_to_from_any_screen() -> None:
    async def scenario() -> None:
        async with console_on(scenes.proxy()) as (app, pilot, _):
            await pilot.press("4")
            app.going.to_backend(("game", "[2001:db8::15]:5000"))
            await until(pilot, lambda: under_cursor(app) == "[2001:db8::15]:5000")
            assert app.pane.NAME == "backends"

    run(scenario)


def test_a_filter_that_hides_it_goes_and_another_stays() -> None:
    async def scenario() -> None:
        async with console_on(scenes.proxy()) as (app, pilot, _):
            await pilot.press("2")
            app.pane.set_filter("edge-5")
            app.going.to_backend(("game", "[2001:db8::15]:5000"))
            await until(pilot, lambda: under_cursor(app) == "[2001:db8::15]:5000")
            assert app.pane.filter_line() == "edge-5"
            app.going.to_backend(("game", "10.0.0.12:5000"))
            await until(pilot, lambda: under_cursor(app) == "10.0.0.12:5000")
            assert not app.pane.filter_line()
            assert "edge-6" in screen_text(app)

    run(scenario)


def test_keys_go_to_the_backends_whatever_had_them() -> None:
    async def scenario() -> None:
        async with console_on(scenes.proxy(), size=(160, 50)) as (app, pilot, _):
            await pilot.press("2", "tab")
            app.going.to_backend(("game", "10.0.0.12:5000"))
            await until(pilot, lambda: under_cursor(app) == "10.0.0.12:5000")
            await pilot.press("j")
            await until(pilot, lambda: under_cursor(app) not in (None, "10.0.0.12:5000"))

    run(scenario)
