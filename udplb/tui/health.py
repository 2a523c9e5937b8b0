"""Health: how late a backend answered in the last minute, and when it was down.

Kept in few columns of time, so that a table of many backends is cheap to draw.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import floor

from udplb.tui.draw.blocks import GAP, sparkline

COLUMNS = 12
COLUMN_S = 5.0
"""Seconds of one column: a minute in all."""
CROSS = "×"  # noqa: RUF001 - a cross it is
"""Stands where the backend was down."""


@dataclass(slots=True)
class _Column:
    """So many times COLUMN_S after the epoch."""

    number: int
    worst_s: float | None = None
    down: bool = False


class Health:
    """The last minute of one backend."""

    __slots__ = ("_columns",)

    def __init__(self) -> None:
        self._columns: deque[_Column] = deque(maxlen=COLUMNS)

    def add(self, at: float, latency_s: float | None, *, down: bool) -> None:
        """One more look; a clock that went back begins anew."""
        number = floor(at / COLUMN_S)
        if self._columns and number < self._columns[-1].number:
            self._columns.clear()
        if not self._columns or self._columns[-1].number != number:
            self._columns.append(_Column(number))
        column = self._columns[-1]
        column.down = column.down or down
        if latency_s is not None and not down:
            column.worst_s = max(latency_s, column.worst_s or 0.0)

    def spark(self, now: float, top_s: float) -> str:
        """COLUMNS cells, the newest last; what takes `top_s` fills its cell.

        Where nobody looked, or nothing was known, stands a dot.
        """
        newest = floor(now / COLUMN_S)
        known = {column.number: column for column in self._columns}
        columns = [known.get(newest - COLUMNS + 1 + place) for place in range(COLUMNS)]
        values = [None if each is None else each.worst_s for each in columns]
        highest = max((value for value in values if value is not None), default=0.0)
        cells = sparkline(values, COLUMNS, max(top_s, highest))
        return "".join(
            CROSS if each is not None and each.down else cell
            for each, cell in zip(columns, cells, strict=True)
        )

    def steadily(self, now: float, span_s: float) -> float | None:
        """The least of the worst latencies in the columns that this span touches."""
        oldest = floor((now - span_s) / COLUMN_S)
        return min(
            (
                column.worst_s
                for column in self._columns
                if column.number >= oldest and column.worst_s is not None
            ),
            default=None,
        )


UNKNOWN = GAP * COLUMNS
"""What is shown of a backend of which no health is kept."""
