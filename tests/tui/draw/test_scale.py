"""Scales: ends that people like, and axes that stand still."""

from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udplb.tui.draw.scale import LEAST, MOST, Scale, nice_top, tick


@pytest.mark.parametrize(
    ("peak", "top"),
    [
        (0, 1),
        (-3, 1),
        (nan, 1),
        (inf, 1),
        (0.2, 1),
        (1, 1),
        (1.01, 2),
        (2, 2),
        (2.1, 2.5),
        (2.6, 5),
        (5.1, 10),
        (49_800, 50_000),
        (50_001, 100_000),
        (100_000, 100_000),
        (1e30, MOST),
    ],
)
def test_the_end_is_nice(peak: float, top: float) -> None:
    assert nice_top(peak) == top


@given(st.floats(LEAST, MOST))
def test_the_end_is_above_the_peak_and_not_far(peak: float) -> None:
    top = nice_top(peak)
    assert peak <= top <= max(1, 2.5 * peak)
    assert f"{top:.15e}"[:3].rstrip(".0") in {"1", "2", "2.5", "5"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (0.5, "0.5"),
        (1, "1"),
        (1_250, "1.25k"),
        (12_500, "12.5k"),
        (50_000, "50k"),
        (500_000, "500k"),
        (1_000_000, "1M"),
        (2.5e9, "2.5G"),
        (MOST, "500P"),
    ],
)
def test_ticks_are_short(value: float, expected: str) -> None:
    assert tick(value) == expected


@given(st.floats(0, MOST))
def test_ticks_of_an_axis_have_five_characters_at_most(peak: float) -> None:
    top = nice_top(peak)
    assert len(tick(top)) <= 5
    assert len(tick(top / 2)) <= 5


def test_a_scale_grows_at_once() -> None:
    scale = Scale()
    assert [scale.fit(peak) for peak in (3, 30, 300)] == [5, 50, 500]


def test_a_scale_shrinks_when_the_peak_was_below_half_for_a_while() -> None:
    scale = Scale(patience=3)
    assert [scale.fit(peak) for peak in (45, 20, 10, 15, 15)] == [50, 50, 50, 20, 20]


def test_a_scale_shrinks_to_what_the_while_needs_and_not_to_its_end() -> None:
    scale = Scale(patience=3)
    assert [scale.fit(peak) for peak in (450, 90, 30, 3)] == [500, 500, 500, 100]


def test_a_peak_of_half_begins_the_while_anew() -> None:
    scale = Scale(patience=3)
    assert [scale.fit(peak) for peak in (45, 20, 20, 25, 20, 20, 20)] == [50] * 6 + [20]


@given(st.lists(st.floats(), max_size=60))
def test_a_scale_is_always_above_a_peak_that_can_be(peaks: list[float]) -> None:
    scale = Scale(patience=2)
    for peak in peaks:
        top = scale.fit(peak)
        assert LEAST <= top <= MOST
        assert not (LEAST <= peak <= MOST) or top >= peak
