from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udplb.show import quantities
from udplb.show.quantities import age, bit_rate, count, idle, lasting, plural, rate, share, size


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        (count(0), "0"),
        (count(18_402), "18,402"),
        (size(0), "0 B"),
        (size(1_023), "1023 B"),
        (size(1_024), "1 KiB"),
        (size(1_258_291), "1.2 MiB"),
        (size(84 << 20), "84 MiB"),
        (size((1 << 20) - 1), "1 MiB"),
        (rate(0), "0/s"),
        (rate(0.25), "0.2/s"),
        (rate(912.4), "912/s"),
        (rate(999.7), "1k/s"),
        (rate(10_800), "10.8k/s"),
        (rate(2_500_000), "2.5M/s"),
        (bit_rate(6_225_000), "49.8 Mb/s"),
        (bit_rate(0), "0 b/s"),
        (age(0.2), "0:00"),
        (age(41), "0:41"),
        (age(1_334), "22:14"),
        (age(7_865), "2h11m"),
        (age(273_600), "3d04h"),
        (idle(0.2), "0.2s"),
        (idle(9.94), "9.9s"),
        (idle(9.96), "0:09"),
        (lasting(36), "36s"),
        (lasting(60), "1m00s"),
        (lasting(1_334), "22m14s"),
        (lasting(7_865), "2h11m"),
        (quantities.span(0.000_031), "31 µs"),
        (quantities.span(0.000_8), "0.8 ms"),
        (quantities.span(0.014_2), "14.2 ms"),
        (quantities.span(1.2), "1.2 s"),
        (quantities.span(75), "1:15"),
        (share(0.98), "98%"),
        (share(0.000_2), "0.02%"),
        (plural(1, "flow"), "1 flow"),
        (plural(1_204, "flow"), "1,204 flows"),
        (quantities.times(1), "once"),
        (quantities.times(4), "4 times"),
        (quantities.moment(1_795_000_000), "2026-11-18T11:06:40Z"),
        (quantities.time_of_day(1_795_000_000.9), "11:06:40Z"),
    ],
)
def test_as_people_read_it(spelled: str, expected: str) -> None:
    assert spelled == expected


@pytest.mark.parametrize("seconds", [-5.0, inf, -inf, nan])
def test_no_time_span_raises(seconds: float) -> None:
    """They come from a socket."""
    assert age(seconds) == "0:00"
    assert lasting(seconds) == "0s"
    assert idle(seconds)


@pytest.mark.parametrize("number", [inf, nan])
def test_no_number_raises(number: float) -> None:
    assert rate(number) == "?P/s"
    assert bit_rate(number) == "? Pb/s"


@pytest.mark.parametrize("moment", [1e300, -1e300, inf, nan])
def test_no_moment_raises(moment: float) -> None:
    assert quantities.moment(moment) == "1970-01-01T00:00:00Z"


@given(st.floats(min_value=0, max_value=1e18))
def test_numbers_stay_short(number: float) -> None:
    assert len(rate(number)) <= 8
    assert len(size(number)) <= 9
