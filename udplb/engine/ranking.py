"""Ranking flows: the window of rows that somebody looks at, computed in slices.

A walk goes by slab index, in slices of at most 1 ms that take at most 5 % of the loop's time; a
finished ranking is good for 2 s. Only the rows of the window become objects.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import msgspec

from udplb.core.flow import Flow
from udplb.engine.listener import Listener
from udplb.engine.snapshot import FlowRow, FlowWindow, picture_of_flow
from udplb.engine.walk import pause_after, slices

GOOD_FOR_S = 2.0
WINDOW_MAX = 1_000
OFFSET_MAX = 1_000
ROWS_PER_SLICE = 64

SortKey = Literal["bytes", "datagrams", "age", "idle"]

_KEYS: dict[SortKey, Callable[[Flow], float]] = {
    "bytes": lambda flow: flow.request_bytes + flow.reply_bytes,
    "datagrams": lambda flow: flow.requests + flow.replies,
    "age": lambda flow: -flow.admitted_at,
    "idle": lambda flow: -max(flow.last_request_at, flow.last_reply_at),
}


class FlowQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows of all live flows somebody wants: the highest `sort` first."""

    sort: SortKey = "datagrams"
    ascending: bool = False
    offset: int = 0
    limit: int = 20
    listener: str | None = None
    backend: str | None = None
    """A backend's name or address."""

    def check(self) -> None:
        """Raise ValueError if there is no such order."""
        if self.sort not in _KEYS:
            raise ValueError(f"flows are sorted by {', '.join(_KEYS)}; not by {self.sort!r}")


class Ranking:
    """One query's walk over all flows, again and again while it is asked for."""

    def __init__(self, query: FlowQuery) -> None:
        self.query = query
        self.window: FlowWindow | None = None
        self._walk: Iterator[FlowWindow | None] | None = None

    def slice(self, listeners: Sequence[Listener], clock: Callable[[], float]) -> float:
        """Do one slice of work; the seconds after which the next one is welcome."""
        began = clock()
        if self._walk is None:
            if self.window is not None and began - self.window.at < GOOD_FOR_S:
                return self.window.at + GOOD_FOR_S - began
            self._walk = self._rank(listeners, clock)
        finished = next(self._walk)
        if finished is not None:
            self.window, self._walk = finished, None
        return pause_after(clock() - began)

    def _rank(
        self, listeners: Sequence[Listener], clock: Callable[[], float]
    ) -> Iterator[FlowWindow | None]:
        """Yields None between slices, and the window at the end."""
        query = self.query
        offset = max(0, min(query.offset, OFFSET_MAX))
        wanted = offset + max(0, min(query.limit, WINDOW_MAX))
        key = _KEYS[query.sort]
        sign = -1.0 if query.ascending else 1.0
        best: list[tuple[float, int, Flow, str]] = []
        matched = 0
        for listener in listeners:
            for flows in slices(listener.manager.slab):
                for flow in flows:
                    if flow is None or not self._matches(flow, listener):
                        continue
                    matched += 1
                    entry = (sign * key(flow), -flow.id, flow, listener.name)
                    if len(best) < wanted:
                        heapq.heappush(best, entry)
                    elif wanted and entry > best[0]:
                        heapq.heapreplace(best, entry)
                yield None
        now = clock()
        best.sort(reverse=True)
        rows: list[FlowRow] = []
        for _, _, flow, name in best[offset:wanted]:
            if flow.live:
                rows.append(picture_of_flow(flow, name, now))
                if len(rows) % ROWS_PER_SLICE == 0:
                    yield None
        yield FlowWindow(rows=tuple(rows), matched=matched, at=now)

    def _matches(self, flow: Flow, listener: Listener) -> bool:
        query, backend = self.query, flow.backend
        return (query.listener is None or query.listener == listener.name) and (
            query.backend is None or query.backend in (backend.name, str(backend.address))
        )
