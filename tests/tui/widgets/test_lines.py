"""Lines: as many as there are, each cut where the room ends."""

from __future__ import annotations

from textual.app import App, ComposeResult

from tests.tui.driving import run
from udplb.tui.ink import Piece
from udplb.tui.widgets.lines import Lines


class Stage(App[None]):
    def compose(self) -> ComposeResult:
        yield Lines(id="lines")


def test_it_is_as_high_as_its_lines() -> None:
    async def scenario() -> None:
        app = Stage()
        async with app.run_test(size=(10, 10)) as pilot:
            lines = app.query_one(Lines)
            lines.show([[Piece("one "), Piece("two")], [], [Piece("a line that is too long")]])
            await pilot.pause()
            assert lines.size.height == 3
            assert lines.text == "one two\n\na line that is too long"
            assert lines.render_line(0).text == "one two   "
            assert lines.render_line(2).text == "a line th…"
            assert lines.render_line(9).text == " " * 10
            lines.show([[Piece("\x1b[2J")]])
            await pilot.pause()
            assert lines.size.height == 1
            assert "\x1b" not in lines.text

    run(scenario)
