"""The flows as they are drawn: at several sizes, and where there are none."""

from __future__ import annotations

import pytest

from tests.tui.driving import run
from tests.tui.fake_proxy import NOW
from tests.tui.panes.flow_stage import Proxy, stage
from udplb.client import Lost
from udplb.tui.panes.flow_detail import lines_of


def test_where_nothing_matches_it_says_how_to_get_out() -> None:
    async def scenario() -> None:
        async with stage() as on:
            await on.filter_for("backend=none")
            await on.shows("0 of 18,402; Esc clears the filter")
            assert on.pane.flows_chosen() == []

    run(scenario)


def test_without_flows_it_says_where_the_proxy_listens() -> None:
    async def scenario() -> None:
        async with stage(Proxy(0)) as on:
            await on.shows("No flows yet. Listening on game 203.0.113.1:5000; try udplb demo")

    run(scenario)


def test_a_lost_proxy_leaves_its_last_rows_dim() -> None:
    async def scenario() -> None:
        async with stage() as on:
            on.proxy.put(Lost(at=NOW, why="connection refused", retry_in_s=1.0))
            await on.until(lambda: on.pane.table.rows[0].ink == "stale")
            assert on.names[:2] == [0, 1]

    run(scenario)


@pytest.mark.parametrize(("size", "side"), [((139, 40), False), ((140, 40), True)])
def test_the_detail_is_at_the_side_where_there_is_room(size: tuple[int, int], side: bool) -> None:
    async def scenario() -> None:
        async with stage(size=size) as on:
            detail = on.pane.query_one("#flows-detail").region
            assert (detail.y == on.pane.table.region.y) is side
            await on.shows("listener  game" if side else "→ game")

    run(scenario)


def test_narrow_screens_have_what_matters() -> None:
    async def scenario() -> None:
        async with stage(size=(80, 24)) as on:
            titles = on.pane.table.render_line(0).text.split()
            assert titles == ["CLIENT", "BACKEND", "STATE", "RATE↓", "BITS", "IDLE", "TREND"]
            await on.shows("→ game")
            await on.shows("why  it has")

    run(scenario)


def test_the_sides_of_the_detail_are_no_wider_than_there_is_room() -> None:
    async def scenario() -> None:
        async with stage(size=(160, 50)) as on:
            await on.shows("highest score")
            detail = on.pane._detail()
            assert detail is not None
            for line in lines_of(detail, side=30)[-4:]:
                assert sum(len(piece.text) for piece in line) <= 30

    run(scenario)
