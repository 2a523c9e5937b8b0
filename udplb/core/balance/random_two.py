"""Power of two choices: two backends drawn by weight, the less loaded of them wins.

Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import ClassVar

from udplb.core.backend import Backend
from udplb.core.balance.policy import Policy, Ranked
from udplb.core.hashing import Chance

_DRAWS_MAX = 8


class RandomTwo(Policy):
    """Random by weight, then by live flows per weight."""

    by_chance: ClassVar[bool] = True

    def __init__(self, weights: Mapping[Backend, int], chance_seed: int) -> None:
        super().__init__(weights, chance_seed)
        self._chance = Chance(chance_seed)
        self._sums: list[int] = []

    def usable_changed(self, usable: Sequence[Backend]) -> None:
        super().usable_changed(usable)
        self._sums = list(accumulate(backend.weight for backend in usable))

    def select(self, client_hash: int, without: Backend | None = None) -> Backend | None:
        first = self._draw(without, None)
        if first is None:
            return None
        second = self._draw(without, first) or first
        return second if second.flows * first.weight < first.flows * second.weight else first

    def ranked(self, client_hash: int, usable: Sequence[Backend]) -> list[Ranked]:
        """The likeliest to be drawn first: who wins in the end is a matter of chance."""
        total = sum(backend.weight for backend in usable)
        return [
            Ranked(backend, f"drawn with {backend.weight / total:.0%}, has {backend.flows} flows")
            for backend in sorted(usable, key=lambda backend: -backend.weight)
        ]

    def _draw(self, without: Backend | None, other: Backend | None) -> Backend | None:
        """A backend by weight, neither of these two; None if there is none."""
        if not self._sums:
            return None
        for _ in range(_DRAWS_MAX):
            drawn = self.usable[bisect_right(self._sums, self._chance.below(self._sums[-1]))]
            if drawn is not without and drawn is not other:
                return drawn
        # A weight so heavy that it was drawn every time: take the next one in line.
        rest = [backend for backend in self.usable if backend not in (without, other)]
        return rest[self._chance.below(len(rest))] if rest else None
