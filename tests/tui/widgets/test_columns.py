"""Columns: which have room, and how much."""

from __future__ import annotations

import pytest

from udplb.tui.ink import Piece
from udplb.tui.widgets.columns import LiveColumn, LiveRow, laid_out, shortened

COLUMNS = (
    LiveColumn("CLIENT", width_max=10, middle=True),
    LiveColumn("RATE", "rate", number=True),
    LiveColumn("AGE", "age", rank=1),
    LiveColumn("TREND", rank=2, width_min=8),
)
ROWS = [LiveRow(1, (Piece("x" * 30), Piece("912/s"), Piece("0:41"), Piece("")))]


@pytest.mark.parametrize(
    ("wide", "shown", "widths"),
    [
        (60, [0, 1, 2, 3], [30, 5, 4, 8]),
        (40, [0, 1, 2, 3], [17, 5, 4, 8]),  # the rest is for who wants more
        (33, [0, 1, 2, 3], [10, 5, 4, 8]),
        (32, [0, 1, 2], [19, 5, 4]),
        (23, [0, 1, 2], [10, 5, 4]),
        (22, [0, 1], [15, 5]),
        (16, [0, 1], [9, 5]),
        (3, [0, 1], [4, 4]),
    ],
)
def test_columns_go_by_rank_and_room(wide: int, shown: list[int], widths: list[int]) -> None:
    assert laid_out(COLUMNS, ROWS, wide) == (shown, widths)


def test_hidden_columns_are_not_there() -> None:
    assert laid_out(COLUMNS, ROWS, 60, hidden={"AGE"})[0] == [0, 1, 3]


def test_the_column_that_is_sorted_by_stays() -> None:
    assert laid_out(COLUMNS, ROWS, 16, sort="age")[0] == [0, 1, 2]


def test_a_title_has_room_for_its_arrow() -> None:
    shown, widths = laid_out((LiveColumn("RATE", "rate"), LiveColumn("RATE")), (), 60)
    assert (shown, widths) == ([0, 1], [5, 4])


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (27, "[2001:db8:9:1::4:a1]:3478"),
        (20, "[2001:db8:…:a1]:3478"),
        (8, "[200…478"),
        (1, "…"),
        (0, ""),
    ],
)
def test_addresses_are_shortened_in_the_middle(width: int, text: str) -> None:
    assert shortened("[2001:db8:9:1::4:a1]:3478", width) == text


def test_what_a_terminal_would_obey_is_escaped_before_it_is_shortened() -> None:
    assert "\x1b" not in shortened("\x1b[2J" * 9, 12)
