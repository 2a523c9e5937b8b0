"""The graph: what its lines say at three sizes, whose colours they have, when its axis moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rich.style import Style
from textual.app import App, ComposeResult
from textual.color import Color
from textual.pilot import Pilot
from textual.theme import Theme

from tests.tui.driving import run
from udplb.show.quantities import bit_rate, rate
from udplb.tui.draw.history import History
from udplb.tui.draw.scale import PATIENCE
from udplb.tui.themes.theme import defaults
from udplb.tui.widgets.graph import Series, TrafficGraph

NOW = 1_000.0
RX = "#102030"
PEAK = "#a0b0c0"
OTHER_RX = "#405060"


class Board(App[None]):
    """A graph alone, in colours that no theme has."""

    def compose(self) -> ComposeResult:
        yield TrafficGraph()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return {**defaults(), "udplb-rx": RX, "udplb-graph-peak": PEAK}


@asynccontextmanager
async def board(width: int, height: int) -> AsyncIterator[tuple[TrafficGraph, Pilot[None]]]:
    app = Board()
    async with app.run_test(size=(width, height)) as pilot:
        await pilot.pause()
        yield app.query_one(TrafficGraph), pilot


def history(*values: float) -> History:
    """Of the last seconds, one a second, the newest now."""
    made = History(100)
    for place, value in enumerate(values):
        made.add(NOW - len(values) + 1 + place, value)
    return made


def ways() -> tuple[Series, Series]:
    steps = [1_000.0 * step for step in range(61)]
    return (
        Series("in", history(*steps), rate, "rx"),
        Series("out", history(*[6.25e6] * 61), bit_rate, "tx", 8),
    )


def lines(graph: TrafficGraph) -> list[str]:
    """What the graph draws."""
    return [graph.render_line(y).text for y in range(graph.size.height)]


def style_of(graph: TrafficGraph, y: int, text: str) -> Style:
    """The style of the first segment of a line that has the text in it."""
    return next(style for found, style, _ in graph.render_line(y) if text in found and style)


def colour(value: str) -> object:
    return Color.parse(value).rich_color


def test_with_much_room_each_series_has_an_area() -> None:
    async def scenario() -> None:
        async with board(46, 11) as (graph, _pilot):
            graph.show(ways(), NOW)
            assert lines(graph) == [
                "in 60k/s                            peak 60k/s",
                " 100k┤                                        ",
                "     │                                  ▁▁▂▂▃▃",
                "  50k┤                 ▁▁▂▂▃▃▄▄▄▅▅▆▆▇▇████████",
                "     │▁▁▁▂▂▃▃▄▄▅▅▆▆▇▇█████████████████████████",
                "    0└─ -60s ────────── -30s ───────────── now",
                "out 50 Mb/s                       peak 50 Mb/s",
                f"  50M┤{'█' * 40}",
                f"  25M┤{'█' * 40}",
                f"    0└{'─' * 40}",
                "      -60s              -30s               now",
            ]

    run(scenario)


def test_with_less_height_each_has_a_line() -> None:
    async def scenario() -> None:
        async with board(40, 3) as (graph, _pilot):
            graph.show(ways(), NOW)
            assert lines(graph) == [
                "in      60k/s ▁▁▁▁▁▁▁▂▂▂▂▂▂▃▃▃▃▃▄▄▄▄▄▄▅▅",
                "out   50 Mb/s ██████████████████████████",
                " " * 40,
            ]

    run(scenario)


def test_with_less_width_each_has_a_number() -> None:
    async def scenario() -> None:
        async with board(14, 5) as (graph, _pilot):
            graph.show(ways(), NOW)
            assert lines(graph) == [
                "in 60k/s      ",
                "out 50 Mb/s   ",
                *[" " * 14] * 3,
            ]

    run(scenario)


def test_it_is_empty_until_it_is_shown_something() -> None:
    async def scenario() -> None:
        async with board(30, 4) as (graph, _pilot):
            assert lines(graph) == [" " * 30] * 4
            graph.show(ways()[:1], NOW)
            assert lines(graph)[0].startswith("in 60k/s")
            graph.show((), NOW)
            assert lines(graph) == [" " * 30] * 4

    run(scenario)


def test_it_draws_anew_for_another_size() -> None:
    async def scenario() -> None:
        async with board(60, 5) as (graph, pilot):
            graph.show(ways()[:1], NOW)
            assert lines(graph)[0].endswith("peak 60k/s")
            await pilot.resize_terminal(16, 5)
            await pilot.pause()
            assert graph.size.width == 16
            assert lines(graph)[0] == "in 60k/s        "

    run(scenario)


def test_what_stands_on_the_terminal_is_what_it_draws() -> None:
    async def scenario() -> None:
        async with board(46, 11) as (graph, pilot):
            graph.show(ways(), NOW)
            await pilot.pause()
            strips = pilot.app.screen._compositor.render_strips()
            assert ["".join(each.text for each in strip) for strip in strips] == lines(graph)

    run(scenario)


def test_colours_are_those_of_the_theme_at_work() -> None:
    async def scenario() -> None:
        async with board(46, 11) as (graph, pilot):
            graph.show(ways(), NOW)
            assert style_of(graph, 0, "60k/s").color == colour(RX)
            assert style_of(graph, 4, "█").color == colour(RX)
            *_, newest = graph.render_line(4)
            assert newest.text == "█"
            assert newest.style is not None
            assert newest.style.color == colour(PEAK)
            other = Theme("other", primary=OTHER_RX, variables={"udplb-rx": OTHER_RX})
            pilot.app.register_theme(other)
            pilot.app.theme = "other"
            await pilot.pause()
            assert style_of(graph, 0, "60k/s").color == colour(OTHER_RX)

    run(scenario)


def test_an_axis_grows_at_once_and_shrinks_after_a_while() -> None:
    async def scenario() -> None:
        async with board(46, 6) as (graph, _pilot):
            values = history(900)
            shown = (Series("in", values, rate),)

            def top() -> str:
                return lines(graph)[1][:6].strip("┤ ")

            graph.show(shown, NOW)
            assert top() == "1k"
            values.add(NOW + 1, 40_000)
            graph.show(shown, NOW + 1)
            assert top() == "50k"
            values.add(NOW + 70, 900)
            for _ in range(PATIENCE - 1):
                graph.show((Series("in", values, rate),), NOW + 70)
            assert top() == "50k"
            lines(graph)
            graph.show(shown, NOW + 70)
            assert top() == "1k"

    run(scenario)


def test_another_unit_has_an_axis_of_its_own() -> None:
    async def scenario() -> None:
        async with board(46, 6) as (graph, _pilot):
            inward, outward = ways()
            graph.show((outward,), NOW)
            assert lines(graph)[1].startswith("  50M┤")
            graph.show((inward,), NOW)
            assert lines(graph)[1].startswith(" 100k┤")

    run(scenario)
