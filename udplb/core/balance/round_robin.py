"""Weighted round robin as stride scheduling: O(log n) a choice, however many backends.

Source: Waldspurger and Weihl, "Stride Scheduling", 1995. A backend's next turn lies 1/weight
after its last one, in integers so that nothing drifts.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush, heapreplace

from udplb.core.backend import Backend
from udplb.core.balance.policy import Policy

_STRIDE_OF_WEIGHT_1 = 1 << 40


class RoundRobin(Policy):
    """In turn, each as often as its weight says."""

    def __init__(self, configured: Sequence[Backend], chance_seed: int) -> None:
        super().__init__(configured, chance_seed)
        self._line: list[tuple[int, int, Backend]] = []
        self._owed: list[Backend] = []

    def usable_changed(self, usable: Sequence[Backend]) -> None:
        super().usable_changed(usable)
        members = frozenset(usable)
        turns = {backend: turn for turn, _, backend in self._line if backend in members}
        # A backend that comes (back) joins at the present turn: it catches up with nothing.
        present = min(turns.values(), default=0)
        self._line = [
            (turns.get(backend, present), order, backend) for order, backend in enumerate(usable)
        ]
        heapify(self._line)
        self._owed = [backend for backend in self._owed if backend in members]

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

    def select_undone(self, backend: Backend) -> None:
        if len(self._owed) < len(self.usable):
            self._owed.append(backend)
