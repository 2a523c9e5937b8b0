"""Ranking flows: the window of rows that somebody looks at, computed in slices.

A walk goes by slab index, in slices of at most 1 ms that take at most 5 % of the loop's time; a
finished ranking is good for 2 s. Only the rows of the window become objects.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from udplb.core.flow import Flow
from udplb.engine.filtering import parse_filter
from udplb.engine.listener import Listener
from udplb.engine.samples import Samples
from udplb.engine.snapshot import FlowRow, FlowWindow, picture_of_flow
from udplb.engine.terms import Filter, OfBackend, OfListener, Term
from udplb.engine.walk import Steps, Walk, steps_over

GOOD_FOR_S = 2.0
WINDOW_MAX = 1_000
OFFSET_MAX = 1_000
ROWS_PER_STEP = 8
POPS_PER_STEP = 32

SortKey = Literal["bytes", "datagrams", "age", "idle", "rate"]

Entry = tuple[float, int, Flow, str]
"""A flow in the order of a ranking: its score, less its id, the flow, and its listener's name."""

_SCORES: dict[SortKey, Callable[[Sequence[Flow], float], list[float]]] = {
    "bytes": lambda flows, now: [flow.request_bytes + flow.reply_bytes for flow in flows],
    "datagrams": lambda flows, now: [flow.requests + flow.replies for flow in flows],
    "age": lambda flows, now: [-flow.admitted_at for flow in flows],
    "idle": lambda flows, now: [-max(flow.last_request_at, flow.last_reply_at) for flow in flows],
    "rate": lambda flows, now: [flow.sampled(now) for flow in flows],
}
"""What is highest stands first. A list at once, as a call for each flow costs more than the sum."""


class FlowQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows of all live flows somebody wants: the highest `sort` first."""

    sort: SortKey = "datagrams"
    """`rate`: datagrams a second in the last seconds."""
    ascending: bool = False
    offset: int = 0
    limit: int = 20
    listener: str | None = None
    backend: str | None = None
    """A backend's name or address."""
    filter: str = ""
    """More conditions, in the grammar of filters."""

    def check(self) -> None:
        """Raise ValueError if there is no such order, or no such filter."""
        if self.sort not in _SCORES:
            raise ValueError(f"flows are sorted by {', '.join(_SCORES)}; not by {self.sort!r}")
        parse_filter(self.filter)

    def terms(self) -> Filter:
        """All conditions as one filter. Raises ValueError."""
        terms: list[Term] = []
        if self.listener is not None:
            terms.append(OfListener(self.listener))
        if self.backend is not None:
            terms.append(OfBackend(self.backend))
        return Filter((*terms, *parse_filter(self.filter).terms))


class _Best:
    """The highest entries of all that were offered: a heap, with the lowest of them in front."""

    __slots__ = ("_ascending", "_heap", "_score", "_wanted", "seen")

    def __init__(self, query: FlowQuery, wanted: int) -> None:
        self._score = _SCORES[query.sort]
        self._ascending = query.ascending
        self._wanted = wanted
        self._heap: list[Entry] = []
        self.seen = 0
        """How many were offered."""

    def offer(self, flows: Sequence[Flow], now: float, listener: str) -> None:
        """These flows of one listener, too."""
        self.seen += len(flows)
        scores = self._score(flows, now)
        if self._ascending:
            scores = [-score for score in scores]
        heap, wanted = self._heap, self._wanted
        for flow, score in zip(flows, scores, strict=True):
            if len(heap) < wanted:
                heapq.heappush(heap, (score, -flow.id, flow, listener))
            elif wanted and score >= heap[0][0]:
                heapq.heappushpop(heap, (score, -flow.id, flow, listener))

    def in_order(self) -> Steps[list[Entry]]:
        """The entries, the best one first. Not sorted in one go: 2,000 would take too long."""
        ranked: list[Entry] = []
        while self._heap:
            ranked.append(heapq.heappop(self._heap))
            if len(ranked) % POPS_PER_STEP == 0:
                yield 0.0
        ranked.reverse()
        return ranked


class Ranking:
    """One query's walk over all flows, again and again while it is asked for.

    `samples` is shared by all rankings over the same flows.
    """

    def __init__(self, query: FlowQuery, samples: Samples | None = None) -> None:
        self.query = query
        self.window: FlowWindow | None = None
        self._filter = query.terms()
        self._rated = query.sort == "rate" or self._filter.needs_rates
        self._samples = samples or Samples()
        self._walk: Walk[FlowWindow] | None = None

    def slice(self, listeners: Sequence[Listener], clock: Callable[[], float]) -> float:
        """Do one slice of work; the seconds for which there is none after it."""
        if self._walk is None:
            began = clock()
            if self.window is not None and began - self.window.at < GOOD_FOR_S:
                return self.window.at + GOOD_FOR_S - began
            self._walk = Walk(self._rank(tuple(listeners), clock))
        rest = self._walk.slice(clock)
        if self._walk.found is not None:
            self.window, self._walk = self._walk.found, None
        return rest

    def close(self) -> None:
        """Nobody asks any more: a walk that is under way ends."""
        if self._walk is not None:
            self._walk.close()
            self._walk = None

    def _rank(self, listeners: Sequence[Listener], clock: Callable[[], float]) -> Steps[FlowWindow]:
        """Look at every flow, keep the best ones, and make rows of them."""
        offset = max(0, min(self.query.offset, OFFSET_MAX))
        best = _Best(self.query, offset + max(0, min(self.query.limit, WINDOW_MAX)))
        if self._rated:
            yield from self._samples.make_current(listeners, clock)
        every = yield from self._look(listeners, clock, best)
        if every:
            self._samples.taken(clock())
        ranked = yield from best.in_order()
        now = clock()
        rows: list[FlowRow] = []
        for count, (_, _, flow, name) in enumerate(ranked[offset:], 1):
            if flow.live:
                rows.append(picture_of_flow(flow, name, now))
            if count % ROWS_PER_STEP == 0:
                yield 0.0
        return FlowWindow(rows=tuple(rows), matched=best.seen, at=now)

    def _look(
        self, listeners: Sequence[Listener], clock: Callable[[], float], best: _Best
    ) -> Steps[bool]:
        """Offer what matches; whether every flow was sampled meanwhile."""
        every = True
        for listener in listeners:
            name, manager = listener.name, listener.manager
            holds = self._filter.on(name, manager.cluster.name)
            if holds is False and not self._rated:
                every = False
                continue
            for places in steps_over(manager.slab):
                now = clock()
                flows = [flow for flow in places if flow is not None]
                for flow in flows:  # of all, so that whoever asks for rates next has them at once
                    flow.sampled(now)
                if not isinstance(holds, bool):
                    flows = [flow for flow in flows if holds(flow, now)]
                if holds is not False:
                    best.offer(flows, now, name)
                yield 0.0
        return every
