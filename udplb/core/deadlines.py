"""The line of deadlines: which flow has to be looked at next, however many there are.

Buckets of 1/64 s. A deadline far away goes into a bucket before its time, by at most 1/128 of the
distance, and is put in line again from there: so buckets stay few (256 per doubling of the
distance), nothing is ever more than 1/64 s late, and putting and removing cost the same with ten
flows and with a million. A flow with traffic is not touched: its deadline is checked when it has
passed.
"""

from __future__ import annotations

from heapq import heappop, heappush
from math import ceil, inf

from udplb.core.flow import Flow

TICKS_PER_SECOND = 64
_FINE_TICKS = 256


class Deadlines:
    """Every live flow of a manager, each once, ordered by when it has to be looked at."""

    __slots__ = ("_buckets", "_ticks")

    def __init__(self) -> None:
        self._buckets: dict[int, dict[Flow, None]] = {}
        self._ticks: list[int] = []
        """A heap of the buckets' ticks; an emptied bucket stays until its time."""

    def put(self, flow: Flow, due: float, now: float) -> None:
        """Let `flow`, which is not in line, be looked at when `due` has come."""
        tick = ceil(due * TICKS_PER_SECOND)
        distance = tick - int(now * TICKS_PER_SECOND)
        if distance > _FINE_TICKS:
            coarse = (distance // _FINE_TICKS).bit_length()
            tick = tick >> coarse << coarse
        flow.tick = tick
        bucket = self._buckets.get(tick)
        if bucket is None:
            self._buckets[tick] = {flow: None}
            heappush(self._ticks, tick)
        else:
            bucket[flow] = None

    def remove(self, flow: Flow) -> None:
        """Take `flow` out of the line."""
        del self._buckets[flow.tick][flow]

    def hasten(self, flow: Flow, now: float) -> None:
        """`flow` may be due earlier than it stands in line; later needs no move."""
        due = flow.due()
        if due * TICKS_PER_SECOND < flow.tick:
            self.remove(flow)
            self.put(flow, due, now)

    def next(self) -> float:
        """When `pop` has something again; infinity if the line is empty."""
        ticks, buckets = self._ticks, self._buckets
        while ticks:
            if buckets[ticks[0]]:
                return ticks[0] / TICKS_PER_SECOND
            del buckets[heappop(ticks)]
        return inf

    def pop(self, now: float) -> Flow | None:
        """Take out a flow whose bucket's time has come; None if there is none."""
        if self.next() > now:
            return None
        flow, _ = self._buckets[self._ticks[0]].popitem()
        return flow

    def shrink(self) -> None:
        """Forget the buckets that are empty, if all are."""
        if self.next() == inf:
            self._buckets.clear()
            self._ticks.clear()

    def __contains__(self, flow: Flow) -> bool:
        return flow in self._buckets.get(flow.tick, ())
