"""The backend with the fewest live flows for its weight; ties go to the one that waited longest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from udplb.core.backend import Backend
from udplb.core.balance.policy import Policy, Ranked


def _load(backend: Backend) -> tuple[float, int]:
    return (backend.flows + 1) / backend.weight, backend.turn


class LeastFlows(Policy):
    """Compares all usable backends per new flow: exact, and about 0.1 µs per backend."""

    def __init__(self, weights: Mapping[Backend, int], chance_seed: int) -> None:
        super().__init__(weights, chance_seed)
        # Some may have had turns of a policy like this one, before another was in force.
        self._turns = max((backend.turn for backend in weights), default=0)

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

    def ranked(self, client_hash: int, usable: Sequence[Backend]) -> list[Ranked]:
        return [
            Ranked(backend, f"{backend.flows} flows, weight {backend.weight}")
            for backend in sorted(usable, key=_load)
        ]
