"""The file view: numbered lines with mistakes in between, however long the file."""

from __future__ import annotations

from textual.app import App, ComposeResult

from tests.tui.driving import run
from udplb.tui.ink import Piece
from udplb.tui.widgets.file_view import FileView


class Stage(App[None]):
    def compose(self) -> ComposeResult:
        yield FileView(id="view")


def test_lines_have_numbers_and_mistakes_stand_below_theirs() -> None:
    async def scenario() -> None:
        app = Stage()
        async with app.run_test(size=(40, 5)) as pilot:
            view = app.query_one(FileView)
            view.show([[Piece("a = 1")], [Piece("b = x")]], {2: ["b: no number"], 0: ["oh"]})
            await pilot.pause()
            assert view.text.splitlines() == [
                "      ▲ oh", "   1  a = 1", "   2 ✖b = x", "      ▲ b: no number",
            ]  # fmt: skip

    run(scenario)


def test_a_mistake_is_broken_between_words_where_it_is_narrow() -> None:
    wrong = "clusters.game.backends[1].weight: found -5; allowed: a number from 0 to 1000"

    async def scenario() -> None:
        app = Stage()
        async with app.run_test(size=(40, 10)) as pilot:
            view = app.query_one(FileView)
            view.show([[Piece("a = 1")], [Piece("b = x")]], {1: [wrong]})
            await pilot.pause()
            rows = [view.render_line(y).text.rstrip() for y in range(6)]
            assert rows[1].startswith("      ▲ clusters.game")
            assert rows[2].startswith("        ")
            assert [row.strip() for row in rows[1:4]] == [
                "▲ clusters.game.backends[1].weig",
                "ht: found -5; allowed: a",
                "number from 0 to 1000",
            ]
            assert rows[4] == "   2  b = x"
            await pilot.resize_terminal(120, 10)
            await pilot.pause()
            assert view.render_line(1).text.rstrip() == f"      ▲ {wrong}"
            assert view.render_line(2).text.rstrip() == "   2  b = x"

    run(scenario)


def test_moving_and_the_next_mistake() -> None:
    async def scenario() -> None:
        app = Stage()
        async with app.run_test(size=(40, 10)) as pilot:
            view = app.query_one(FileView)
            assert not view.next_problem()
            many = [[Piece(f"key_{number} = 1")] for number in range(10_000)]
            view.show(many, {5_000: ["wrong"], 9_000: ["wrong, too"]})
            await pilot.pause()
            assert view.render_line(0).text.startswith("   1  key_0")
            for move, first in (
                (view.do_down, 1), (view.do_up, 0), (view.do_page_down, 10),
                (view.do_page_up, 0), (view.do_last, 10_002 - 10), (view.do_first, 0),
            ):  # fmt: skip
                move()
                await pilot.pause()
                assert view.first == first, move
            for text in ("wrong", "wrong, too", "wrong"):
                assert view.next_problem()
                await pilot.pause()
                shown = [view.render_line(y).text.strip() for y in range(10)]
                assert f"▲ {text}" in shown

    run(scenario)
