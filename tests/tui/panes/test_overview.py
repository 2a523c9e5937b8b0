"""The overview: at every size what has room, in every state what is true, and its keys."""

from __future__ import annotations

import pytest

from tests.tui import scenes
from tests.tui.driving import console_on, run, screen_text
from tests.tui.fake_proxy import NOW, FakeClient, FakeStream
from tests.tui.panes.looks import pace
from tests.tui.waiting import settle, until
from udplb.client import Lost, Stream
from udplb.engine.control.requests import Subscribe
from udplb.engine.ranking import FlowQuery
from udplb.tui.console import Console
from udplb.tui.panes.backends import Backends
from udplb.tui.panes.overview import Overview

EDGE_1 = ("game", "10.0.0.11:5000")
TOP_FLOWS = FlowQuery(sort="rate", limit=20)


class Silent(FakeClient):
    """A proxy that has nothing to say yet."""

    def subscribe(self, request: Subscribe) -> Stream:
        stream = FakeStream(request)
        self.streams.append(stream)
        return stream


def overview_of(app: Console) -> Overview:
    return app.query_one(Overview)


@pytest.mark.parametrize(
    ("size", "there", "not_there"),
    [
        (
            (80, 24),
            ("Traffic 60 s", "in    41.2k/s", "+312/s  drops 0/s  cpu 60%", "game/edge-6",
             "12:00:26Z ✖ game/edge-6 (10.0.0.16:5000) is down"),
            ("Engine", "Top flows", "ADDRESS"),
        ),
        (
            (120, 36),
            ("in 41.2k/s", "Engine", "18,402 of 50,000  37%", "ADDRESS", "HEALTH 60s",
             "Top flows of 200", "203.0.113.0:40000", "12:00:26Z ✖"),
            ("BITS    LATENCY",),
        ),
        (
            (160, 50),
            ("game 203.0.113.1:5000", "closed  idle 800,000", "BITS", "312 active, 892 quiet",
             "TREND", "10:54:22Z ● forwarding"),
            (),
        ),
    ],
)  # fmt: skip
def test_every_size_shows_what_has_room(
    size: tuple[int, int], there: tuple[str, ...], not_there: tuple[str, ...]
) -> None:
    async def scenario() -> None:
        async with console_on(size=size) as (app, pilot, client):
            pace(app, client)
            await pilot.pause()
            text = screen_text(app)
            for said in there:
                assert said in text, said
            body = text.split("\n", 2)[2]
            for said in not_there:
                assert said not in body, said

    run(scenario)


def test_a_terminal_that_changes_its_size_gets_another_arrangement() -> None:
    async def scenario() -> None:
        async with console_on(size=(120, 36)) as (app, pilot, _client):
            await pilot.resize_terminal(80, 24)
            await until(pilot, lambda: "Engine" not in screen_text(app))
            assert app.pane.window() is None
            await pilot.resize_terminal(120, 36)
            await until(pilot, lambda: "Top flows of 200" in screen_text(app))
            assert app.pane.window() == TOP_FLOWS
            assert "╭─ Traffic 60 s" in screen_text(app)

    run(scenario)


def test_starting_has_no_zeros() -> None:
    async def scenario() -> None:
        app = Console(Silent(scenes.busy()), where="x", wall_clock=lambda: NOW)
        async with app.run_test(size=(120, 36)) as pilot:
            await until(pilot, lambda: "waiting for the first picture" in screen_text(app))
            await until(pilot, lambda: "flows   -" in screen_text(app))
            overview = overview_of(app)
            assert "flows   -" in screen_text(app)
            assert overview.selected_backend() is None
            assert overview.marked_backends() == []
            for key in ("enter", "d", "s", "r", "y", "space", "tab", "enter", "u", "escape"):
                await pilot.press(key)
            assert app.is_running

    run(scenario)


def test_without_flows_it_says_what_to_do() -> None:
    async def scenario() -> None:
        async with console_on(scenes.proxy(empty=True)) as (app, pilot, _):
            await until(pilot, lambda: "No flows yet" in screen_text(app))
            assert "No flows yet; try udplb demo. Listening on 203.0.113" in screen_text(app)

    run(scenario)


def test_lost_keeps_the_rows_and_dims_them() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            pace(app, client)
            client.put(Lost(at=NOW, why="connection refused", retry_in_s=1.0))
            await until(pilot, lambda: app.model.link.state == "lost")
            await pilot.pause()
            overview = overview_of(app)
            assert {row.ink for row in overview.table.rows} == {"stale"}
            assert {row.ink for row in overview.flow_table.rows} == {"stale"}
            assert "game/edge-1" in screen_text(app)

    run(scenario)


def test_paused_nothing_moves() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            pace(app, client)
            await pilot.press("p")
            before = screen_text(app).split("\n", 2)[2]
            for step in range(4, 9):
                app.model.took([scenes.busy(step=3 * step)], NOW + step)
            app.draw()
            await pilot.pause()
            after = screen_text(app).split("\n", 2)[2]
            assert [*before.split("\n")[:30]] == [*after.split("\n")[:30]]

    run(scenario)


def test_units_are_bits_where_they_were_asked_for() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            pace(app, client)
            await pilot.press("u")
            await pilot.pause()
            assert "in 188 Mb/s" in screen_text(app)
            rates = [row.pieces[6].text for row in overview_of(app).table.rows]
            assert rates[2] == "0 b/s"
            assert "BITS   LATENCY" not in screen_text(app)
            await pilot.press("u")
            await pilot.pause()
            assert "in 41.2k/s" in screen_text(app)

    run(scenario)


def test_enter_opens_the_backend_on_its_screen() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, _):
            await pilot.press("j", "j")
            assert overview_of(app).selected_backend() == EDGE_1
            await pilot.press("enter")
            await until(pilot, lambda: app.pane.NAME == "backends")
            backends = app.query_one(Backends)
            await until(pilot, lambda: backends.selected_backend() == EDGE_1)

    run(scenario)


def test_enter_on_a_flow_shows_it_among_the_flows() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            overview = overview_of(app)
            await until(pilot, lambda: overview.flow_table.rows)
            await pilot.press("tab")
            assert overview.selected_backend() is None
            assert overview.marked_backends() == []
            assert overview.flows_chosen() == [7_000]
            await pilot.press("j", "j")
            assert overview.flows_chosen() == [7_002]
            await pilot.press("enter")
            await until(pilot, lambda: app.pane.NAME == "flows")
            await settle(pilot, client)

    run(scenario)


def test_copy_is_the_command_for_what_has_the_focus() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, _):
            await until(pilot, lambda: overview_of(app).flow_table.rows)
            await pilot.press("y")
            assert app.clipboard == "udplb backends"
            await pilot.press("tab", "y")
            assert app.clipboard == "udplb flows --sort rate --limit 20"

    run(scenario)
