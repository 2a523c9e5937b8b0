"""Weighted round robin as stride scheduling: O(log n) a choice, however many backends.

Source: Waldspurger and Weihl, "Stride Scheduling", 1995. A backend's next turn lies 1/weight
after its last one, in integers so that nothing drifts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush, heapreplace

from udplb.core.backend import Backend
from udplb.core.balance.policy import Policy, Ranked

_STRIDE_OF_WEIGHT_1 = 1 << 40


def _stride(backend: Backend) -> int:
    return _STRIDE_OF_WEIGHT_1 // backend.weight


class RoundRobin(Policy):
    """In turn, each as often as its weight says."""

    def __init__(self, weights: Mapping[Backend, int], chance_seed: int) -> None:
        super().__init__(weights, chance_seed)
        self._line: list[tuple[int, int, Backend]] = []
        self._owed: list[Backend] = []

    def usable_changed(self, usable: Sequence[Backend]) -> None:
        super().usable_changed(usable)
        members = frozenset(usable)
        self._line = self._line_of(usable)
        heapify(self._line)
        self._owed = [backend for backend in self._owed if backend in members]

    def _line_of(self, usable: Sequence[Backend]) -> list[tuple[int, int, Backend]]:
        """Turn, order and backend, not sorted, if these were the usable ones."""
        members = frozenset(usable)
        turns = {backend: turn for turn, _, backend in self._line if backend in members}
        # A backend that comes (back) joins at the present turn: it catches up with nothing. One
        # that weighs more than it did need not wait as if it were as light as before.
        present = min(turns.values(), default=0)
        return [
            (min(turns.get(backend, present), present + _stride(backend)), order, backend)
            for order, backend in enumerate(usable)
        ]

    def select(self, client_hash: int, without: Backend | None = None) -> Backend | None:
        if self._owed and self._owed[-1] is not without:
            return self._owed.pop()
        line = self._line
        passed_over = heappop(line) if line and line[0][2] is without else None
        chosen = None
        if line:
            turn, order, chosen = line[0]
            heapreplace(line, (turn + _STRIDE_OF_WEIGHT_1 // chosen.weight, order, chosen))
        if passed_over is not None:
            heappush(line, passed_over)
        return chosen

    def ranked(self, client_hash: int, usable: Sequence[Backend]) -> list[Ranked]:
        members = frozenset(usable)
        owed = dict.fromkeys(each for each in reversed(self._owed) if each in members)
        in_turn = (backend for _, _, backend in sorted(self._line_of(usable)))
        line = [*owed, *(backend for backend in in_turn if backend not in owed)]
        return [Ranked(backend, f"turn {turn}") for turn, backend in enumerate(line, 1)]

    def select_undone(self, backend: Backend) -> None:
        if len(self._owed) < len(self.usable):
            self._owed.append(backend)
