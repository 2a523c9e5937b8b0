"""The dialog: nothing happens by accident, and nothing in it is markup."""

from __future__ import annotations

from textual.widgets import Button, Input, Label

from tests.tui import scenes
from tests.tui.driving import console_on, dialog_of, is_open, run, screen_text, type_in
from tests.tui.waiting import until
from udplb.tui.dialogs.dialog import Answers, Dialog, Field
from udplb.tui.ink import Piece
from udplb.tui.widgets.lines import Lines

HOSTILE = "\x1b[2J[/][@click=app.bell]x"


def test_keys_that_do_nothing_and_the_one_that_does() -> None:
    taken: list[Answers] = []

    async def scenario() -> None:
        async with console_on(scenes.proxy()) as (app, pilot, _):
            dialog = Dialog("Sure?", [[Piece("really")]], taken.append, verb="Do")
            app.open(dialog)
            await until(pilot, lambda: is_open(app))
            assert app.focused is not None
            assert app.focused.id == "cancel"
            for key in ("D", "K", "space", "x", "Y", "1", "slash"):
                if key == "space":
                    continue  # presses the button that has the focus: Cancel
                await pilot.press(key)
            assert app.screen is dialog, "keys of the console do nothing here"
            assert not taken
            await pilot.press("right")
            assert app.focused is not None
            assert app.focused.id == "accept"
            await pilot.press("y")
            await until(pilot, lambda: taken == [{}])
            dialog.done()
            await until(pilot, lambda: len(app.screen_stack) == 1)

    run(scenario)


def test_what_stands_in_it_is_text() -> None:
    async def scenario() -> None:
        async with console_on(scenes.proxy()) as (app, pilot, _):
            dialog = Dialog(
                HOSTILE, [[Piece(HOSTILE)]], lambda answers: HOSTILE, verb="Do",
                command=lambda answers: HOSTILE, fields=(Field("a", HOSTILE, HOSTILE),),
                word=lambda answers: HOSTILE if answers["a"] == "w" else None,
            )  # fmt: skip
            app.open(dialog)
            await until(pilot, lambda: is_open(app))
            dialog.query_one("#accept", Button).press()
            await until(pilot, lambda: dialog.query_one("#wrong", Label).display)
            assert "\x1b" not in screen_text(app)
            assert "[/][@click=app.bell]x" in screen_text(app)

    run(scenario)


def test_a_word_is_asked_for_where_it_is_needed_now() -> None:
    taken: list[Answers] = []

    async def scenario() -> None:
        async with console_on(scenes.proxy()) as (app, pilot, _):
            dialog = Dialog(
                "Sure?", [], taken.append, verb="Do", fields=(Field("n", "number", "1"),),
                word=lambda answers: "all" if answers["n"] == "0" else None,
                changed=lambda answers: [[Piece(f"number {answers['n']}")]],
            )  # fmt: skip
            app.open(dialog)
            await until(pilot, lambda: is_open(app))
            assert not dialog.query_one("#guard").display
            dialog.query_one("#field-n", Input).value = "0"
            await until(pilot, lambda: dialog.query_one("#guard").display)
            assert dialog.query_one("#lines", Lines).text == "number 0"
            dialog.query_one("#accept", Button).focus()
            await pilot.press("y")
            assert not taken
            await until(pilot, lambda: app.focused is dialog.query_one("#word", Input))
            await type_in(pilot, "all")
            await pilot.press("enter")
            await until(pilot, lambda: taken == [{"n": "0"}])

    run(scenario)


def test_an_answer_that_comes_after_the_dialog_is_gone_does_no_harm() -> None:
    async def scenario() -> None:
        async with console_on(scenes.proxy()) as (app, pilot, _):
            dialog = Dialog("Sure?", [], lambda answers: None, verb="Do")
            app.open(dialog)
            await until(pilot, lambda: is_open(app))
            assert dialog_of(app) is dialog
            await pilot.press("escape")
            await until(pilot, lambda: len(app.screen_stack) == 1)
            dialog.complain("too late")
            dialog.show([[Piece("too late")]])
            dialog.done()
            await pilot.pause()
            assert app.is_running

    run(scenario)
