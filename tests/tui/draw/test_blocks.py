"""Blocks: exact rows for what is usual, and rows of the right width for everything else."""

from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from udplb.tui.draw.blocks import GAP, HEIGHTS, REST, bar, columns, sparkline

ANYTHING = st.none() | st.floats() | st.integers(-(10**400), 10**400)
SIZES = st.integers(-2, 70)


def test_an_area_is_filled_by_eighths_from_the_foot() -> None:
    assert columns([1, 8, 9, 12, 16], 5, 2, top=16) == [
        "  ▁▄█",
        "▁████",
    ]


def test_the_newest_value_is_at_the_right() -> None:
    assert columns([1, 2, 3, 4], 2, 1, top=4) == ["▆█"]
    assert columns([3, 4], 4, 1, top=4) == ["··▆█"]


def test_zero_is_empty_and_no_data_is_a_dot_at_the_foot() -> None:
    assert columns([0, None, nan, inf, -inf, -5, 8], 7, 2, top=8) == [
        "      █",
        " ···· █",
    ]


def test_what_is_above_zero_is_seen_and_what_is_above_the_top_is_cut() -> None:
    assert columns([0.000_1, 1e9], 2, 2, top=100) == [" █", "▁█"]


@pytest.mark.parametrize("top", [0, -1, nan, inf, -inf, 10**400])
def test_without_a_top_the_highest_value_is_it(top: float) -> None:
    assert columns([1, 2, 4], 3, 1, top) == ["▂▄█"]
    assert columns([0, 0], 2, 1, top) == ["  "]
    assert columns([], 2, 1, top) == ["··"]


def test_a_sparkline_has_a_foot() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7, 8], 9) == "▁▁▂▃▄▅▆▇█"
    assert sparkline([0, 0, None, 0], 6) == "··▁▁·▁"


def test_a_sparkline_follows_what_it_shows_or_the_top_that_it_is_given() -> None:
    assert sparkline([100, 1, 2], 2) == "▄█"
    assert sparkline([1, 2], 2, top=4) == "▂▄"


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (0, "░░░░"),
        (0.000_01, "▏░░░"),
        (0.25, "█░░░"),
        (0.4, "█▌░░"),
        (0.999, "███▉"),
        (1, "████"),
        (7, "████"),
        (-1, "░░░░"),
        (nan, "░░░░"),
        (inf, "░░░░"),
    ],
)
def test_a_bar_is_full_for_the_whole_alone(part: float, expected: str) -> None:
    assert bar(part, 4) == expected


@given(st.lists(ANYTHING, max_size=90), SIZES, st.integers(-2, 20), ANYTHING)
def test_rows_are_as_wide_as_asked(
    values: list[float | None], width: int, height: int, top: float | None
) -> None:
    rows = columns(values, width, height, 0 if top is None else top)
    assert [cell_len(row) for row in rows] == [max(0, width)] * max(0, height)
    assert set("".join(rows)) <= {*HEIGHTS, GAP}
    spark = sparkline(values, width, top)
    assert cell_len(spark) == max(0, width)
    assert set(spark) <= {*HEIGHTS[1:], GAP}


@given(st.floats() | st.integers(-(10**400), 10**400), SIZES)
def test_bars_are_as_wide_as_asked(part: float, width: int) -> None:
    assert cell_len(bar(part, width)) == max(0, width)
    if 0 < part < 1 and width > 0:
        assert not bar(part, width).startswith(REST)
        assert bar(part, width) != "█" * width


@given(st.lists(st.floats(0, 100), min_size=2, max_size=2), st.integers(1, 12))
def test_a_higher_value_has_no_lower_column(values: list[float], height: int) -> None:
    def level(place: int) -> int:
        return sum(HEIGHTS.index(row[place]) for row in rows)

    rows = columns(sorted(values), 2, height, top=100)
    assert level(0) <= level(1)
    assert abs(level(1) - max(values) / 100 * 8 * height) <= 1
