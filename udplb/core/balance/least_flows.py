"""The backend with the fewest live flows for its weight; ties go to the one that waited longest."""

from __future__ import annotations

from collections.abc import Sequence

from udplb.core.backend import Backend
from udplb.core.balance.policy import Policy


class LeastFlows(Policy):
    """Compares all usable backends per new flow: exact, and about 0.1 µs per backend."""

    def __init__(self, configured: Sequence[Backend], chance_seed: int) -> None:
        super().__init__(configured, chance_seed)
        self._turns = 0

    def select(self, client_hash: int, without: Backend | None = None) -> Backend | None:
        chosen = None
        least = (0.0, 0)
        for backend in self.usable:
            load = ((backend.flows + 1) / backend.weight, backend.turn)
            if backend is not without and (chosen is None or load < least):
                chosen, least = backend, load
        if chosen is not None:
            self._turns += 1
            chosen.turn = self._turns
        return chosen
