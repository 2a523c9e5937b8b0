"""Scales: where the axis of a graph ends, in numbers that people like, and without jumping."""

from __future__ import annotations

from math import floor, isfinite, log10

LEAST, MOST = 1.0, 5e17
"""An axis ends nowhere below or above these: in less, there is nothing to see; more is no rate."""
PATIENCE = 20
"""Looks in a row that a scale waits before it shrinks."""

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_THOUSANDS = ("", "k", "M", "G", "T", "P")


def nice_top(peak: float) -> float:
    """The least of 1, 2, 2.5 and 5 times a power of ten that is not below the peak."""
    if not isfinite(peak) or peak <= LEAST:
        return LEAST
    power = 10.0 ** floor(log10(min(peak, MOST)))
    return next((step * power for step in _STEPS if step * power >= peak), MOST)


def tick(value: float) -> str:
    """A place on an axis, in at most five characters: `0`, `12.5k`, `250M`."""
    for prefix in _THOUSANDS[:-1]:
        if value < 1_000:
            return f"{value:.3g}{prefix}"
        value /= 1_000
    return f"{value:.3g}{_THOUSANDS[-1]}"


class Scale:
    """The end of one axis: it grows at once, and shrinks when that was right for a while."""

    def __init__(self, patience: int = PATIENCE) -> None:
        self.top = LEAST
        self._patience = patience
        self._low_looks = 0
        self._low_peak = 0.0

    def fit(self, peak: float) -> float:
        """One more look at the peak of what is drawn; where the axis ends now."""
        wanted = nice_top(peak)
        self.top = max(self.top, wanted)
        if not isfinite(peak) or peak >= self.top / 2:
            self._low_looks, self._low_peak = 0, 0.0
            return self.top
        self._low_looks += 1
        self._low_peak = max(self._low_peak, peak)
        if self._low_looks >= self._patience:
            self.top = nice_top(self._low_peak)
            self._low_looks, self._low_peak = 0, 0.0
        return self.top
