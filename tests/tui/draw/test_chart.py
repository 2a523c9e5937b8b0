"""Charts: exact rows at every degree of room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from udplb.show.quantities import bit_rate, rate
from udplb.tui.draw.chart import AREA_FROM, NUMBERS_BELOW, Row, Series, Span, chart, rooms
from udplb.tui.draw.history import History

NOW = Span(1_000, 24)


def series(*values: float | None, title: str = "in", bits: bool = False) -> Series:
    """The values of the last seconds, one a second, the newest now."""
    history = History(100)
    for place, value in enumerate(values):
        history.add(NOW.now - len(values) + 1 + place, value)
    if bits:
        return Series(title, history, bit_rate, "tx", times=8)
    return Series(title, history, rate, "rx")


HILL = series(*range(0, 40_000, 3_000), 44_000, None, None, None, 1_500, 0, 0, 24_000, 25_000)


def texts(rows: list[Row]) -> list[str]:
    return ["".join(text for text, _ in row) for row in rows]


def test_an_area_with_its_axes() -> None:
    assert texts(chart([HILL], [50_000], NOW, 30, 6)) == [
        "in 25k/s            peak 44k/s",
        "  50k┤              ▁▄        ",
        "     │          ▁▃▅▇██        ",
        "  25k┤      ▂▄▅▇██████      ▇█",
        "     │· ▂▄▆███████████···▁  ██",
        "    0└─ -24s ───────────── now",
    ]


def test_an_odd_row_is_for_the_times_so_that_half_of_the_top_is_where_it_says() -> None:
    assert texts(chart([HILL], [50_000], NOW, 40, 7)) == [
        "in 25k/s                      peak 44k/s",
        "  50k┤                    ▁▄▄           ",
        "     │              ▁▁▃▅▅▇███           ",
        "  25k┤         ▂▄▄▅▇█████████        ▇▇█",
        "     │·· ▂▄▄▆████████████████····▁▁  ███",
        "    0└──────────────────────────────────",
        "      -24s           -12s            now",
    ]


def test_where_two_areas_have_no_room_the_second_has_a_line() -> None:
    out = series(*[9e6] * 5, title="out", bits=True)
    assert texts(chart([HILL, out], [50_000, 1e8], NOW, 44, 7)) == [
        "in 25k/s                          peak 44k/s",
        "  50k┤                      ▁▁▄             ",
        "     │                ▁▃▃▅▇▇███             ",
        "  25k┤         ▂▂▄▄▅▇▇█████████          ▇██",
        "     │·· ▂▂▄▆▆█████████████████·····▁▁   ███",
        "    0└─ -24s ───────── -12s ──────────── now",
        "out   72 Mb/s ························▆▆▆▆▆▆",
    ]


def test_two_areas_each_on_its_own_axis_and_bits_on_an_axis_of_bits() -> None:
    out = series(*[9e6] * 24, title="out", bits=True)
    assert texts(chart([HILL, out], [50_000, 1e8], NOW, 30, 8)) == [
        "in 25k/s            peak 44k/s",
        "  50k┤          ▁▂▃▄▄▆        ",
        "  25k┤· ▁▂▃▄▅▆▇███████···▁  ██",
        "    0└─ -24s ───────────── now",
        "out 72 Mb/s       peak 72 Mb/s",
        " 100M┤▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄",
        "  50M┤████████████████████████",
        "    0└─ -24s ───────────── now",
    ]


def test_with_little_height_each_has_a_line_and_lines_stand_below_each_other() -> None:
    assert texts(chart([HILL, series(title="out")], [50_000, 1], NOW, 44, 3)) == [
        "in      25k/s ·▁▁▁▁▁▂▂▃▃▃▄▄▅▅▅▆▆▇▇···▁▁▁▁▄▄▄",
        "out         - ······························",
        "                                            ",
    ]


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (NUMBERS_BELOW, "in 25k/s  peak 44k/s"),
        (NUMBERS_BELOW - 1, "in 25k/s           "),
        (8, "in 25k/s"),
        (7, "25k/s  "),
        (3, "25k"),
        (0, ""),
    ],
)
def test_with_little_width_there_is_a_number_and_nothing_else(width: int, expected: str) -> None:
    first, *rest = texts(chart([HILL], [50_000], NOW, width, 4))
    assert first == expected
    assert len(rest) == 3
    if width < NUMBERS_BELOW:
        assert rest == [" " * width] * 3


def test_before_anything_is_known_nothing_is_said() -> None:
    assert texts(chart([series()], [1], NOW, 30, 4)) == [
        "in -                          ",
        "    1┤                        ",
        "  0.5┤························",
        "    0└─ -24s ───────────── now",
    ]


def test_the_highest_column_and_the_newest_stand_out_and_zero_does_not() -> None:
    title, _upper, lower, foot = chart([HILL], [50_000], NOW, 30, 4)
    assert title == [
        ("in ", "quiet"), ("25k/s", "rx"), ("            peak ", "quiet"), ("44k/s", "peak")
    ]  # fmt: skip
    assert lower == [
        ("  25k┤", "quiet"), ("· ", "quiet"), ("▁▂▃▄▅▆▇██████", "rx"), ("█", "peak"),
        ("···", "quiet"), ("▁", "rx"), ("  ", "quiet"), ("█", "rx"), ("█", "peak"),
    ]  # fmt: skip
    assert [role for _, role in foot] == ["quiet"]


def test_where_nothing_happens_no_column_stands_out() -> None:
    rows = chart([series(*[0] * 30)], [1], NOW, 44, 1)
    assert [role for _, role in rows[0]] == ["quiet", "rx", "quiet"]


@pytest.mark.parametrize(
    ("lasts_s", "begin", "middle"),
    [(60, "-60s", "-30s"), (15, "-15s", "-7.5s"), (600, "-10m", "-5m")],
)
def test_times_on_the_axis(lasts_s: float, begin: str, middle: str) -> None:
    foot = texts(chart([HILL], [50_000], Span(NOW.now, lasts_s), 60, 4))[-1]
    assert foot.replace("─", " ").split() == ["0└", begin, middle, "now"]


def test_a_title_is_no_command_for_a_terminal() -> None:
    rows = texts(chart([series(1, title="\x1b[31m日本")], [1], NOW, 40, 4))
    assert rows[0].startswith("\\x1b[31m日本 1/s ")
    assert {cell_len(row) for row in rows} == {40}


@pytest.mark.parametrize(
    ("height", "count", "expected"),
    [
        (12, 1, [12]),
        (12, 2, [6, 6]),
        (13, 2, [7, 6]),
        (12, 3, [4, 4, 4]),
        (11, 3, [9, 1, 1]),
        (7, 2, [6, 1]),
        (4, 2, [1, 1]),
        (5, 2, [4, 1]),
        (2, 3, [1, 1, 0]),
        (0, 2, [0, 0]),
        (-1, 2, [0, 0]),
        (5, 0, []),
    ],
)
def test_rooms(height: int, count: int, expected: list[int]) -> None:
    assert rooms(height, count) == expected


@given(
    st.lists(
        st.sampled_from([HILL, series(), series(5e12, title="日本語 out" * 3, bits=True)]),
        max_size=4,
    ),
    st.floats(),
    st.floats(),
    st.integers(-2, 80),
    st.integers(-2, 24),
)
def test_rows_are_as_many_and_as_wide_as_asked(
    shown: list[Series], now: float, lasts_s: float, width: int, height: int
) -> None:
    rows = texts(chart(shown, [50_000] * len(shown), Span(now, lasts_s), width, height))
    assert [cell_len(row) for row in rows] == [max(0, width)] * max(0, height)


@given(st.integers(-2, 60), st.integers(0, 6))
def test_rooms_fit(height: int, count: int) -> None:
    given_out = rooms(height, count)
    assert len(given_out) == count
    assert sum(given_out) <= max(0, height)
    assert all(room <= 1 or room >= AREA_FROM for room in given_out)
