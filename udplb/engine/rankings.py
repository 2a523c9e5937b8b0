"""Rankings for many askers: each has a query of its own, and all share one share of the time.

Whoever asks the same shares one ranking; different ones take turns, slice by slice. Nothing runs
while nobody asks, and what is saved then is spent on the next answer. For the engine's thread
alone.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future, TimerHandle
from collections import deque
from collections.abc import Callable, Sequence
from math import inf

from udplb.engine.listener import Listener
from udplb.engine.ranking import GOOD_FOR_S, FlowQuery, Ranking
from udplb.engine.samples import Samples
from udplb.engine.snapshot import FlowWindow
from udplb.engine.walk import Allowance


class _Asked:
    """A ranking, and who asks for it."""

    __slots__ = ("ranking", "ready_at", "waiting", "watches")

    def __init__(self, ranking: Ranking) -> None:
        self.ranking = ranking
        self.ready_at = -inf
        """When its next slice is welcome."""
        self.watches = 0
        self.waiting: list[Future[FlowWindow]] = []

    @property
    def wanted(self) -> bool:
        return bool(self.watches or self.waiting)


class Watch:
    """Somebody's standing query: its window is made anew every 2 s, or as fast as that goes."""

    __slots__ = ("_asked", "_close")

    def __init__(self, asked: _Asked, close: Callable[[_Asked], None]) -> None:
        self._asked = asked
        self._close: Callable[[_Asked], None] | None = close
        asked.watches += 1

    @property
    def query(self) -> FlowQuery:
        """What is asked for."""
        return self._asked.ranking.query

    @property
    def window(self) -> FlowWindow | None:
        """The latest one; None before the first."""
        return self._asked.ranking.window

    def close(self) -> None:
        """Nobody looks any more. A second call does nothing."""
        close, self._close = self._close, None
        if close is not None:
            self._asked.watches -= 1
            close(self._asked)


class Rankings:
    """All rankings that somebody asks for at this time; `listeners` gives those there are now."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        clock: Callable[[], float],
        listeners: Callable[[], Sequence[Listener]],
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._listeners = listeners
        self._asked: dict[FlowQuery, _Asked] = {}
        self._turns: deque[_Asked] = deque()
        self._samples = Samples()
        self._allowance = Allowance()
        self._free_at = -inf
        """Until then the loop is left alone."""
        self._timer: TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._asked)

    def watch(self, query: FlowQuery) -> Watch:
        """Rank for this query from now on, until the watch is closed. Raises ValueError."""
        watch = Watch(self._ask(query), self._forget_unwanted)
        self._set_timer()
        return watch

    async def once(self, query: FlowQuery) -> FlowWindow:
        """A window that is 2 s old at most. Raises ValueError."""
        asked = self._ask(query)
        window = asked.ranking.window
        if window is not None and self._clock() - window.at < GOOD_FOR_S:
            return window
        answer: Future[FlowWindow] = self._loop.create_future()
        asked.waiting.append(answer)
        self._set_timer()
        try:
            return await answer
        finally:
            if answer in asked.waiting:  # it was not answered, but given up
                asked.waiting.remove(answer)
                self._forget_unwanted(asked)

    def stop(self) -> None:
        """End all of it; who still waits is cancelled."""
        for asked in self._turns:
            asked.ranking.close()
            for answer in asked.waiting:
                answer.cancel()
        self._asked.clear()
        self._turns.clear()
        self._set_timer()

    def _ask(self, query: FlowQuery) -> _Asked:
        query.check()
        asked = self._asked.get(query)
        if asked is None:
            asked = self._asked[query] = _Asked(Ranking(query, self._samples))
            self._turns.append(asked)
        return asked

    def _forget_unwanted(self, asked: _Asked) -> None:
        if not asked.wanted and self._asked.get(asked.ranking.query) is asked:
            del self._asked[asked.ranking.query]
            self._turns.remove(asked)
            asked.ranking.close()
            self._set_timer()

    def _set_timer(self) -> None:
        """For the next slice, if there is one to come."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._turns:
            at = max(self._free_at, min(asked.ready_at for asked in self._turns))
            self._timer = self._loop.call_later(max(0.0, at - self._clock()), self._turn)

    def _turn(self) -> None:
        """One slice, of the ranking whose turn it is."""
        began = self._clock()
        asked = self._next(began)
        if asked is not None:
            before = asked.ranking.window
            rest = asked.ranking.slice(self._listeners(), self._clock)
            ended = self._clock()
            asked.ready_at = ended + rest
            self._free_at = ended + self._allowance.pause_after(ended - began, ended)
            if asked.ranking.window is not before:
                self._answer(asked)
        self._set_timer()

    def _next(self, now: float) -> _Asked | None:
        """Of those that are ready, the one that has waited longest."""
        for _ in range(len(self._turns)):
            asked = self._turns[0]
            self._turns.rotate(-1)
            if asked.ready_at <= now:
                return asked
        return None

    def _answer(self, asked: _Asked) -> None:
        window = asked.ranking.window
        assert window is not None
        waiting, asked.waiting = asked.waiting, []
        for answer in waiting:
            if not answer.done():
                answer.set_result(window)
        self._forget_unwanted(asked)
