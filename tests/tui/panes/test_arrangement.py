"""Arrangement: every size has a plan that fits, and larger ones have more."""

from __future__ import annotations

import pytest

from udplb.tui.panes import arrangement


@pytest.mark.parametrize("width", [1, 40, 59, 60, 80, 99, 100, 120, 160, 240])
@pytest.mark.parametrize("backends", [0, 1, 8, 40, 2_000])
def test_whatever_the_size_the_parts_fit(width: int, backends: int) -> None:
    for height in range(1, 70):
        plan = arrangement.overview(width, height, backends)
        foot = height - plan.top - plan.backends
        assert foot >= 0
        if plan.flows or plan.events:
            assert foot >= arrangement.FOOT_LEAST
        if plan.stacked and plan.flows:
            assert foot >= arrangement.FOOT_STACKED
        if plan.top:
            assert plan.backends >= arrangement.TABLE_LEAST
        one = arrangement.detail(width, height, backends)
        assert one.table <= height
        if one.shown and not one.beside:
            assert height - one.table >= 9
            assert one.table >= arrangement.TABLE_LEAST


def test_80x24_shows_traffic_backends_and_events() -> None:
    plan = arrangement.overview(80, 20, 8)
    assert (plan.top, plan.engine, plan.backends) == (5, False, 11)
    assert (plan.flows, plan.events) == (False, True)


def test_120x36_shows_everything() -> None:
    plan = arrangement.overview(120, 32, 8)
    assert plan == arrangement.Overview(top=11, engine=True, backends=11, flows=True, events=True)


def test_160x50_gives_what_is_left_to_the_graphs_and_the_foot() -> None:
    plan = arrangement.overview(160, 46, 8)
    assert plan.top > 11
    assert 46 - plan.top - plan.backends >= 12


def test_below_60_columns_there_is_a_table_alone() -> None:
    plan = arrangement.overview(59, 30, 8)
    assert (plan.top, plan.backends, plan.flows, plan.events) == (0, 30, False, False)


@pytest.mark.parametrize(
    ("width", "height", "beside", "shown"),
    [(160, 46, True, True), (140, 32, True, True), (139, 32, False, True),
     (80, 20, False, True), (80, 14, False, False), (59, 30, False, False)],
)  # fmt: skip
def test_the_detail_is_beside_or_below_or_away(
    width: int, height: int, beside: bool, shown: bool
) -> None:
    plan = arrangement.detail(width, height, 8)
    assert (plan.beside, plan.shown) == (beside, shown)
