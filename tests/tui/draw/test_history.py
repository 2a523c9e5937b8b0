"""Histories: columns of time, gaps where nothing is known, and bounds on all that is kept."""

from __future__ import annotations

from math import inf, nan
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udplb.tui.draw.history import SPEAKS_S, History

ODD = st.floats() | st.integers(-(10**400), 10**400)


def history(*samples: tuple[float, float | None], size: int = 100) -> History:
    made = History(size)
    for at, value in samples:
        made.add(at, value)
    return made


def test_each_column_has_the_highest_of_its_time() -> None:
    known = history((10.1, 1), (10.6, 3), (11.2, 5), (11.8, 4), (12.3, 7))
    assert known.resampled(12.5, 3, 3) == [3, 5, 7]
    assert known.resampled(12.5, 3, 3, fmean) == [2, 4.5, 7]


def test_a_sample_fills_the_columns_since_the_one_before() -> None:
    known = history((10, 1), (11, 2), (12, 3))
    assert known.resampled(12, 2.25, 9) == [1, 2, 2, 2, 2, 3, 3, 3, 3]


def test_no_sample_for_long_is_a_gap() -> None:
    known = history((10, 1), (11, 2), (16, 3), (17, 4))
    assert known.resampled(17.5, 8, 8) == [1, 2, None, None, None, None, 3, 4]


def test_nothing_known_is_a_gap_however_short() -> None:
    known = history((10, 1), (11, None), (12, nan), (13, 4), (14, inf))
    assert known.resampled(14.5, 5, 5) == [1, None, None, 4, None]


def test_the_newest_sample_speaks_for_a_while_after_it() -> None:
    known = history((9, 1), (10, 2))
    assert known.resampled(12, 4, 4) == [1, 2, 2, 2]
    assert known.resampled(12.1, 4, 4) == [1, 2, None, None]
    assert (known.at(12), known.at(12.1), known.at(9.5), known.at(8)) == (2, None, 1, None)


def test_after_an_unknown_one_none_speaks() -> None:
    known = history((9, 1), (10, None))
    assert known.resampled(11, 3, 3) == [1, None, None]
    assert known.at(11) is None
    assert known.last is None


def test_what_is_past_keeps_its_shape_while_time_goes_on() -> None:
    known = history(*((at / 2, at % 7) for at in range(100)))
    before = known.resampled(48.05, 30, 30)
    assert known.resampled(48.95, 30, 30)[:-1] == before[:-1]
    assert known.resampled(49.05, 30, 30)[:-2] == before[1:-1]


def test_a_look_back_does_not_see_what_came_later() -> None:
    known = history((10, 1), (11, 2), (12, 9))
    assert known.resampled(11.5, 2, 2) == [1, 2]
    assert known.peak(11.5, 60) == 2


def test_the_peak_is_that_of_the_span() -> None:
    known = history((10, 9), (11, 2), (12, None), (13, 5))
    assert [known.peak(13, span) for span in (60, 2.5, 0.5, 0)] == [9, 5, 5, 5]
    assert known.peak(9, 60) is None
    assert history().peak(1, 60) is None


def test_it_keeps_the_newest_alone() -> None:
    known = history(*((at, at) for at in range(50)), size=4)
    assert len(known) == 4
    assert known.resampled(49, 8, 8) == [None, None, None, None, 46, 47, 48, 49]
    assert len(history((1, 1), (2, 2), size=0)) == 1


def test_a_clock_that_went_back_begins_anew() -> None:
    known = history((1_000, 1), (1_001, 2), (5, 3))
    assert len(known) == 1
    assert known.last == 3


@pytest.mark.parametrize("at", [nan, inf, -inf, 1e300])
def test_a_time_that_no_clock_has_is_no_sample(at: float) -> None:
    known = history((1, 1), (at, 2))
    assert known.last == 1
    assert known.resampled(at, 10, 3) == [None] * 3
    assert known.resampled(1, at, 3) == [None] * 3


@given(st.lists(st.tuples(ODD, st.none() | ODD), max_size=40), ODD, ODD, st.integers(-2, 60))
def test_it_takes_everything(
    samples: list[tuple[float, float | None]], now: float, span_s: float, width: int
) -> None:
    known = history(*samples, size=16)
    assert len(known) <= 16
    assert len(known.resampled(now, span_s, width)) == max(0, width)
    known.peak(now, span_s)
    known.at(now)


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=40),
    st.floats(0, 100),
    st.floats(SPEAKS_S, 100),
    st.integers(1, 60),
)
def test_columns_hold_nothing_but_samples(
    times: list[float], now: float, span_s: float, width: int
) -> None:
    known = history(*((at, place) for place, at in enumerate(sorted(times))))
    shown = {*known.resampled(now, span_s, width)} - {None}
    assert shown <= {*range(len(times))}
    peak = known.peak(now, span_s)
    assert all(value <= peak for value in shown if value is not None and peak is not None)
    assert peak is not None or not shown
