"""Texts to read."""

from __future__ import annotations

from textual.containers import VerticalScroll

from tests.tui.driving import console_on, run, screen_text
from tests.tui.waiting import until
from udplb.tui.dialogs.text import TextDialog


def test_a_text_is_shown_as_it_is_and_obeyed_by_nobody() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, _client):
            await app.push_screen(TextDialog("[b]title\x1b", "one [red]two[/]\n\x1b[2J"))
            await until(pilot, lambda: "one [red]two[/]" in screen_text(app))
            assert "\\x1b[2J" in screen_text(app)
            assert "[b]title\\x1b" in screen_text(app)
            await pilot.press("escape")
            await until(pilot, lambda: not isinstance(app.screen, TextDialog))

    run(scenario)


def test_a_long_text_can_be_scrolled() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, _client):
            await app.push_screen(TextDialog("many", "\n".join(f"line {at}" for at in range(99))))
            await until(pilot, lambda: "line 0" in screen_text(app))
            await pilot.press("G")
            await until(pilot, lambda: "line 98" in screen_text(app))
            await pilot.press("g", "j")
            box = app.screen.query_one(VerticalScroll)
            await until(pilot, lambda: box.scroll_offset.y == 1)

    run(scenario)
