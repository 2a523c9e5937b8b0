"""A rate that swells and ebbs, so that graphs look alive: a slow sine, and noise on it."""

from __future__ import annotations

import random
from math import pi, sin


class Swell:
    """A factor around 1. `now` is of any one clock, in seconds; `chance` makes the noise."""

    def __init__(
        self, period_s: float, depth: float, chance: random.Random, noise: float = 0.04
    ) -> None:
        """`depth`: how far the sine goes up and down; below 1, as is `noise`."""
        assert 0 <= depth < 1
        self._period_s = period_s
        self._depth = depth
        self._chance = chance
        self._noise = noise
        self._drift = 0.0

    def at(self, now: float) -> float:
        """The factor now; never below 0.1."""
        # The noise forgets: it stays near 0, and does not jump.
        self._drift = 0.97 * self._drift + self._noise * self._chance.uniform(-1, 1)
        return max(0.1, 1 + self._depth * sin(2 * pi * now / self._period_s) + self._drift)
