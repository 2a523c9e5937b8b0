"""Maglev hashing: one table look-up per new flow, however many backends.

Source: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016,
section 3.4. The table is built over the configured backends and weights, in slices, and swapped
when it is complete; health changes rebuild nothing: a backend that is not usable is passed over by
hashing again, so that only its own clients move.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heapreplace
from typing import ClassVar

from udplb.core.backend import Backend
from udplb.core.balance.hrw import highest_score, ranked_by_score
from udplb.core.balance.policy import Policy, Ranked
from udplb.core.hashing import mix64, rehash

TABLE_SIZE = 65_537
"""A prime, as the permutations need."""
ATTEMPTS_MAX = 8

_OFFSET_SALT = 0xA5A5_5A5A_C3C3_3C3C
_SKIP_SALT = 0x0F1E_2D3C_4B5A_6978
_STRIDE_OF_WEIGHT_1 = 1 << 40
_TRIES_PER_STEP = 8
"""So many slots that are found taken cost as much as a claim; the last claims try thousands."""


class _Builder:
    """A table in the making: each backend claims, in turn, the next free slot that it prefers."""

    def __init__(self, weights: Mapping[Backend, int], size: int) -> None:
        self.slots: list[Backend | None] = [None] * size
        self.filled = 0
        self._weights = weights
        self._next: dict[Backend, int] = {}
        self._skip: dict[Backend, int] = {}
        # The same table on every machine, in whatever order its file names the backends.
        in_order = sorted(weights, key=lambda backend: backend.number)
        # Turns by weight (stride scheduling): with equal weights this is the paper's order. All
        # turns are equal at first, so that the line is a heap already.
        self._line = [(0, order, backend) for order, backend in enumerate(in_order)]

    def step(self, steps: int) -> bool:
        """Claim at most `steps` slots; True when the table is complete."""
        slots, size = self.slots, len(self.slots)
        tries = steps * _TRIES_PER_STEP
        while tries > 0 and self.filled < size:
            turn, order, backend = self._line[0]
            if backend not in self._next:
                self._next[backend] = mix64(backend.number ^ _OFFSET_SALT) % size
                self._skip[backend] = mix64(backend.number ^ _SKIP_SALT) % (size - 1) + 1
            slot, skip = self._next[backend], self._skip[backend]
            while slots[slot] is not None and tries > 0:
                slot = (slot + skip) % size
                tries -= 1
            self._next[backend] = slot
            if slots[slot] is None:
                slots[slot] = backend
                self._next[backend] = (slot + skip) % size
                stride = _STRIDE_OF_WEIGHT_1 // self._weights[backend]
                heapreplace(self._line, (turn + stride, order, backend))
                self.filled += 1
                tries -= _TRIES_PER_STEP
        return self.filled == size


class Maglev(Policy):
    """A prime-sized table in which each backend owns slots by its weight."""

    hashes: ClassVar[bool] = True

    def __init__(
        self, weights: Mapping[Backend, int], chance_seed: int, size: int = TABLE_SIZE
    ) -> None:
        super().__init__(weights, chance_seed)
        weighty = {backend: weight for backend, weight in weights.items() if weight > 0}
        self._members: frozenset[Backend] = frozenset()
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

    def ranked(self, client_hash: int, usable: Sequence[Backend]) -> list[Ranked]:
        """Those whose slots the client's attempts hit, then the rest as rendezvous hashing does."""
        table, members = self._table, frozenset(usable)
        notes: dict[Backend, str] = {}
        for attempt in range(ATTEMPTS_MAX if table else 0):
            slot = rehash(client_hash, attempt) % len(table)
            backend = table[slot]
            if backend in members and backend is not None and backend not in notes:
                notes[backend] = f"slot {slot}, attempt {attempt + 1}"
        rest = [backend for backend in usable if backend not in notes]
        found = [Ranked(backend, note) for backend, note in notes.items()]
        return found + ranked_by_score(rest, client_hash)
