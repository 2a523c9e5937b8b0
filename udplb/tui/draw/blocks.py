"""Blocks: areas, sparklines and bars of block characters, every row exactly as wide as asked.

Numbers may be anything. What is not finite is no data, and what is negative is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

HEIGHTS = " ▁▂▃▄▅▆▇█"
"""A cell that is filled from below, by eighths."""
WIDTHS = " ▏▎▍▌▋▊▉█"
"""A cell that is filled from the left, by eighths."""
GAP = "·"
"""Stands where nothing is known."""
REST = "░"
"""The part of a bar that is not filled."""

_FULL = len(HEIGHTS) - 1
_TOO_MUCH = 1e300
"""Nothing of ours counts this far."""


def columns(values: Sequence[float | None], width: int, height: int, top: float) -> list[str]:
    """An area graph of `height` rows, from the top down: a column each value, the newest right.

    A value of `top` fills its column. A value above zero is seen, however small. A column without
    data has a dot at its foot, so that it differs from zero.
    """
    width, height = max(0, width), max(0, height)
    levels = _levels(values, width, height * _FULL, top)
    feet = "".join([GAP if level is None else HEIGHTS[min(level, _FULL)] for level in levels])
    # One character code a column: each row then is one look-up a column, made in C.
    codes = "".join([chr(level or 0) for level in levels])
    rows = [codes.translate(cells) for cells in _cells_of_rows(height)]
    return [*rows[:-1], feet][:height]


def sparkline(values: Sequence[float | None], width: int, top: float | None = None) -> str:
    """One row: a column each value, the newest right. Zero is a line at the foot.

    Without `top`, the highest of the values that are shown fills its column.
    """
    levels = _levels(values, max(0, width), _FULL, 0.0 if top is None else top)
    return "".join([GAP if level is None else HEIGHTS[max(1, level)] for level in levels])


def bar(part: float, width: int) -> str:
    """A part of one: `██▌░░░`. It is full for the whole alone, and empty for nothing alone."""
    width = max(0, width)
    known = _amount(part) or 0.0
    eighths = min(1.0, known) * width * _FULL
    whole, rest = divmod(max(int(eighths), 1 if known else 0), _FULL)
    filled = HEIGHTS[-1] * whole + (WIDTHS[rest] if rest else "")
    return filled[:width] + REST * (width - len(filled))


def _levels(values: Sequence[float | None], width: int, full: int, top: float) -> list[int | None]:
    """How many of `full` eighths each of the newest `width` values fills."""
    newest = [_amount(value) for value in values[-width:]] if width else []
    limit = _amount(top) or max((value for value in newest if value), default=1.0)
    levels = [value and max(1, int(full * min(1.0, value / limit) + 0.5)) for value in newest]
    return [None] * (width - len(levels)) + [None if each is None else int(each) for each in levels]


def _amount(value: float | None) -> float | None:
    """A number from zero on, or None."""
    if value is None or not -_TOO_MUCH < value < _TOO_MUCH:
        return None
    return max(0.0, value)


@lru_cache(maxsize=64)
def _cells_of_rows(height: int) -> tuple[dict[int, str], ...]:
    """For each row, from the top down, the cell of every level."""
    return tuple(
        {
            level: HEIGHTS[min(_FULL, max(0, level - row * _FULL))]
            for level in range(height * _FULL + 1)
        }
        for row in reversed(range(height))
    )
