"""Maglev hashing: one table look-up per new flow, however many backends.

Source: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016,
section 3.4. The table is built over the configured backends and weights, in slices, and swapped
when it is complete; health changes rebuild nothing: a backend that is not usable is passed over by
hashing again, so that only its own clients move.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heapreplace
from typing import ClassVar

from udplb.core.backend import Backend
from udplb.core.balance.hrw import highest_score
from udplb.core.balance.policy import Policy
from udplb.core.hashing import mix64, rehash

TABLE_SIZE = 65_537
"""A prime, as the permutations need."""
ATTEMPTS_MAX = 8

_OFFSET_SALT = 0xA5A5_5A5A_C3C3_3C3C
_SKIP_SALT = 0x0F1E_2D3C_4B5A_6978
_STRIDE_OF_WEIGHT_1 = 1 << 40


class _Builder:
    """A table in the making: each backend claims, in turn, the next free slot that it prefers."""

    def __init__(self, backends: Sequence[Backend], size: int) -> None:
        self.slots: list[Backend | None] = [None] * size
        self.filled = 0
        self._next = {b: mix64(b.number ^ _OFFSET_SALT) % size for b in backends}
        self._skip = {b: mix64(b.number ^ _SKIP_SALT) % (size - 1) + 1 for b in backends}
        # Turns by weight (stride scheduling): with equal weights this is the paper's order.
        self._line = [(0, order, backend) for order, backend in enumerate(backends)]
        heapify(self._line)

    def step(self, claims: int) -> bool:
        """Fill at most `claims` slots; True when the table is complete."""
        slots, size = self.slots, len(self.slots)
        for _ in range(min(claims, size - self.filled)):
            turn, order, backend = self._line[0]
            heapreplace(self._line, (turn + _STRIDE_OF_WEIGHT_1 // backend.weight, order, backend))
            slot, skip = self._next[backend], self._skip[backend]
            while slots[slot] is not None:
                slot = (slot + skip) % size
            slots[slot] = backend
            self._next[backend] = (slot + skip) % size
            self.filled += 1
        return self.filled == size


class Maglev(Policy):
    """A prime-sized table in which each backend owns slots by its weight."""

    hashes: ClassVar[bool] = True

    def __init__(
        self, configured: Sequence[Backend], chance_seed: int, size: int = TABLE_SIZE
    ) -> None:
        super().__init__(configured, chance_seed)
        weighty = [backend for backend in configured if backend.weight > 0]
        # The same table on every machine, in whatever order its file names the backends.
        weighty.sort(key=lambda backend: backend.number)
        self._table: Sequence[Backend | None] = ()
        self._builder = _Builder(weighty, size) if weighty else None

    def build(self, steps: int) -> bool:
        if self._builder is not None and self._builder.step(steps):
            self._table = self._builder.slots
            self._builder = None
        return self._builder is None

    def usable_changed(self, usable: Sequence[Backend]) -> None:
        super().usable_changed(usable)
        self._members = frozenset(usable)

    def select(self, client_hash: int, without: Backend | None = None) -> Backend | None:
        table = self._table
        if table:
            for attempt in range(ATTEMPTS_MAX):
                backend = table[rehash(client_hash, attempt) % len(table)]
                if backend in self._members and backend is not without:
                    return backend
        return highest_score(self.usable, client_hash, without)
