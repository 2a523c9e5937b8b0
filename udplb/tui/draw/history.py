"""Histories: what a number was during the last minutes, in as many columns as there is room for.

Columns begin at multiples of their length in time, not at the moment of the look: a graph that
moves on moves as a whole, and what is past keeps its shape.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from math import floor

SPEAKS_S = 2.0
"""So long before itself a sample says what was, and so long after itself what is."""
TIME_MAX = 1e12
"""No clock of ours is there, in seconds; beyond, floats are too coarse for columns."""
VALUE_MAX = 1e300
"""What is above, or no number, says that nothing is known."""

_LEAST_COLUMN_S = 1e-3


class History:
    """The newest samples of one number, at most `size` of them."""

    def __init__(self, size: int, speaks_s: float = SPEAKS_S) -> None:
        self._samples: deque[tuple[float, float | None]] = deque(maxlen=max(1, size))
        self._speaks_s = speaks_s

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def last(self) -> float | None:
        """The newest sample; None: there is none, or it says that nothing is known."""
        return self._samples[-1][1] if self._samples else None

    def add(self, at: float, value: float | None) -> None:
        """The number at this time, in seconds of the caller's clock; None: nothing is known.

        A clock that went back begins a new history.
        """
        if not _possible(at):
            return
        if self._samples and at < self._samples[-1][0]:
            self._samples.clear()
        known = value is not None and -VALUE_MAX < value < VALUE_MAX
        self._samples.append((at, value if known else None))

    def at(self, now: float) -> float | None:
        """What the number is at this time; None: nobody said for a while."""
        if not _possible(now):
            return None
        for at, value in reversed(self._samples):
            if at <= now:
                return value if now - at <= self._speaks_s else None
        return None

    def peak(self, now: float, span_s: float) -> float | None:
        """The highest of the span that ends now; none of its columns is higher."""
        if not _possible(now) or not _possible(span_s):
            return None
        return max(
            (
                value
                for at, value in self._samples
                if now - span_s <= at <= now and value is not None
            ),
            default=None,
        )

    def resampled(
        self,
        now: float,
        span_s: float,
        width: int,
        combine: Callable[[list[float]], float] = max,
    ) -> list[float | None]:
        """The span that ends now, in `width` columns, the newest last; None where nothing is known.

        A sample is a rate since the sample before it, so it fills the columns between the two.
        """
        if width <= 0 or not _possible(now) or not 0 < span_s < TIME_MAX:
            return [None] * max(0, width)
        length_s = max(span_s / width, _LEAST_COLUMN_S)
        newest = floor(now / length_s)
        oldest = newest - width + 1
        found: list[list[float]] = [[] for _ in range(width)]
        for first, last, value in self._stretches(now, length_s, oldest):
            for column in range(max(first, oldest), min(last, newest) + 1):
                found[column - oldest].append(value)
        return [combine(values) if values else None for values in found]

    def _stretches(
        self, now: float, length_s: float, oldest: int
    ) -> Iterator[tuple[int, int, float]]:
        """The first and the last column of each known sample, back from now until the oldest."""
        after: float | None = None
        samples = reversed(self._samples)
        before = islice(reversed(self._samples), 1, None)
        for at, value in samples:
            then = next(before, (None, None))[0]
            if at > now:
                continue
            own = last = floor(at / length_s)
            if after is None and now - at <= self._speaks_s:
                last = floor(now / length_s)
            after = at
            if last < oldest:
                return
            first = own
            if then is not None and at - then <= self._speaks_s:
                first = min(own, floor(then / length_s) + 1)
            if value is not None:
                yield first, last, value


def _possible(seconds: float) -> bool:
    return -TIME_MAX < seconds < TIME_MAX
