"""Windows: few different ones, with the rows that are looked at in the middle."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udplb.engine.ranking import OFFSET_MAX, WINDOW_MAX, FlowQuery
from udplb.tui.panes.flow_window import (
    DEPTH_MAX,
    SORTS,
    next_sort,
    rows_there,
    same_view,
    window_over,
    worth_drawing,
)

QUERY = FlowQuery(sort="age", filter="idle<5s")


@pytest.mark.parametrize(
    ("first", "offset", "limit"),
    [(0, 0, 100), (49, 0, 150), (51, 0, 150), (120, 50, 150), (1_990, 1_000, 1_000)],
)
def test_windows_of_a_screen_with_25_rows(first: int, offset: int, limit: int) -> None:
    query = window_over(QUERY, first, 25)
    assert (query.offset, query.limit) == (offset, limit)
    assert same_view(query, QUERY)


@given(st.integers(0, DEPTH_MAX), st.integers(1, 200))
def test_what_is_looked_at_is_in_the_window(first: int, rows: int) -> None:
    query = window_over(QUERY, first, rows)
    assert 0 <= query.offset <= min(first, OFFSET_MAX)
    assert 1 <= query.limit <= WINDOW_MAX
    assert query.offset + query.limit >= min(first + rows, DEPTH_MAX)
    query.check()


def test_views_differ_in_order_and_filter_alone() -> None:
    assert not same_view(QUERY, FlowQuery(sort="age"))
    assert not same_view(QUERY, FlowQuery(sort="age", filter="idle<5s", ascending=True))
    assert not same_view(QUERY, None)
    assert not same_view(None, None)


@pytest.mark.parametrize(
    ("offset", "limit", "rows", "matched", "there"),
    [
        (0, 100, 100, 18_402, 2_000),
        (0, 100, 100, 2_000, 2_000),
        (0, 100, 100, 1_999, 1_999),
        (0, 100, 40, 40, 40),
        (0, 100, 39, 40, 39),  # one ended while the rows were made
        (1_000, 1_000, 998, 18_402, 1_998),
        (50, 100, 0, 20, 20),
        (0, 100, 0, 0, 0),
    ],
)
def test_how_far_one_can_scroll(
    offset: int, limit: int, rows: int, matched: int, there: int
) -> None:
    assert rows_there(FlowQuery(offset=offset, limit=limit), rows, matched) == there


@pytest.mark.parametrize(
    ("places", "length", "part"),
    [
        ([0], 100, slice(0, 100)),
        ([0], 1_000, slice(0, 100)),
        ([500], 1_000, slice(450, 600)),
        ([975], 1_000, slice(900, 1_000)),
        ([1_990], 100, slice(0, 100)),
        ([5_000], 1_000, slice(900, 1_000)),
        ([10, 700], 1_000, slice(0, 800)),
        ([-1_000], 1_000, slice(0, 100)),
        ([], 0, slice(0, 0)),
    ],
)
def test_of_a_long_window_only_what_is_near_is_drawn(
    places: list[int], length: int, part: slice
) -> None:
    assert worth_drawing(places, 25, length) == part


def test_sorting_goes_round() -> None:
    keys = [SORTS[0]]
    for _ in SORTS:
        keys.append(next_sort(keys[-1]))
    assert keys == [*SORTS, SORTS[0]]
