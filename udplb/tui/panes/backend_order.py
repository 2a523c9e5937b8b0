"""The order of backends: by name, so that nothing jumps, or by a number that was chosen.

A number changes all the time. By one, the rows are sorted anew every two seconds at most, and not
while somebody moves among them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from udplb.engine.snapshot import BackendSnapshot
from udplb.show.backends import target_of
from udplb.tui.model import BackendKey, key_of
from udplb.tui.panes.looking import Look

RESORT_S = 2.0
HOLD_S = 3.0
"""Seconds without a new order after somebody moved."""

_WORST_FIRST = ("DOWN", "EJECTED", "SLOW", "TRIAL", "DRAIN", "DRAINED", "UP")
_SORTS: dict[str, Callable[[Look, BackendSnapshot], float]] = {
    "state": lambda look, each: -_WORST_FIRST.index(look.word(each)),
    "weight": lambda look, each: each.weight,
    "flows": lambda look, each: each.flows,
    "rate": lambda look, each: _rate(look, each),  # noqa: PLW0108 - it stands below
    "latency": lambda look, each: look.latency_s(each) or 0.0,
}
KEYS: tuple[str, ...] = ("name", *_SORTS)
"""By what backends can be sorted; numbers and states the highest, or worst, first."""


@dataclass(frozen=True, slots=True)
class Sort:
    """What is sorted by; names ascend, the rest descends, until it is turned round."""

    key: str = "name"
    reverse: bool = False

    @property
    def ascends(self) -> bool:
        """Small ones stand on top."""
        return (self.key == "name") is not self.reverse

    def next(self) -> Sort:
        """By the next column."""
        return Sort(KEYS[(KEYS.index(self.key) + 1) % len(KEYS)])


class Order:
    """Keeps the order from one look to the next."""

    def __init__(self) -> None:
        self.sort = Sort()
        self._places: dict[BackendKey, int] = {}
        self._sorted: Sort | None = None
        self._sorted_at = 0.0
        self._moved_at = 0.0

    def moved(self, now: float) -> None:
        """Somebody moved the cursor."""
        self._moved_at = now

    def ordered(self, look: Look, now: float, *, hold: bool = False) -> list[BackendSnapshot]:
        """All backends of the picture. `hold`: rows must not move now, a dialog is open."""
        backends = [each for cluster in look.snapshot.clusters for each in cluster.backends]
        same = self._sorted == self.sort and len(self._places) == len(backends)
        same = same and all(key_of(each) in self._places for each in backends)
        rests = hold or now - self._sorted_at < RESORT_S or now - self._moved_at < HOLD_S
        if not same or (self.sort.key != "name" and not rests):
            backends = _sorted(look, backends, self.sort)
            self._places = {key_of(each): at for at, each in enumerate(backends)}
            self._sorted, self._sorted_at = self.sort, now
            return backends
        return sorted(backends, key=lambda each: self._places[key_of(each)])


def matching(look: Look, backends: Sequence[BackendSnapshot], text: str) -> list[BackendSnapshot]:
    """Those in whose name, address or state all words of the text occur; `!word`: does not."""
    words = [word for word in text.casefold().split() if word != "!"]
    if not words:
        return list(backends)
    return [each for each in backends if _matches(look, each, words)]


def _matches(look: Look, backend: BackendSnapshot, words: Sequence[str]) -> bool:
    said = f"{target_of(backend)} {backend.address} {look.word(backend)}".casefold()
    return all(word[1:] not in said if word.startswith("!") else word in said for word in words)


def _sorted(look: Look, backends: Sequence[BackendSnapshot], sort: Sort) -> list[BackendSnapshot]:
    by_name = sorted(backends, key=_name)
    if sort.key == "name":
        return by_name if sort.ascends else by_name[::-1]
    value = _SORTS[sort.key]
    return sorted(by_name, key=lambda each: value(look, each), reverse=not sort.ascends)


def _name(backend: BackendSnapshot) -> tuple[object, ...]:
    """`edge-10` stands behind `edge-9`."""
    return (
        backend.cluster,
        tuple(
            (int(part), "") if part.isdigit() else (-1, part)
            for part in re.split(r"([0-9]{1,18})", backend.name)
        ),
        backend.address,
    )


def _rate(look: Look, backend: BackendSnapshot) -> float:
    pace = look.pace(backend)
    if pace is None:
        return 0.0
    if look.bits:
        return pace.request_bytes + pace.reply_bytes
    return pace.requests + pace.replies
