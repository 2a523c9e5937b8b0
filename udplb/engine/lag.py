"""The lag of the engine's loop: how much later than due it gets to its timers.

Whatever works on the loop without a pause delays all datagrams that come meanwhile by as much.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, TimerHandle
from collections import deque
from collections.abc import Callable

EVERY_S = 0.1
"""Seconds from one look at the clock to the next."""
REMEMBERED_S = 60.0


class LagMeter:
    """Sets a timer again and again, and measures how late it comes. For the engine's thread."""

    def __init__(self, loop: AbstractEventLoop, clock: Callable[[], float]) -> None:
        self._loop = loop
        self._clock = clock
        self._timer: TimerHandle | None = None
        self._due = 0.0
        self._worst: deque[tuple[float, float]] = deque()
        """When, and how late: a later one that is no smaller replaces those before it, so that they
        fall from left to right."""

    def start(self) -> None:
        """Measure from now on."""
        self._due = self._clock() + EVERY_S
        self._timer = self._loop.call_later(EVERY_S, self._tick)

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def worst(self, within_s: float) -> float:
        """The longest delay in so many seconds up to now, at most REMEMBERED_S; in seconds."""
        now = self._clock()
        overdue = now - self._due if self._timer is not None else 0.0
        since = now - within_s
        worst = next((late for at, late in self._worst if at >= since), 0.0)
        return max(worst, overdue, 0.0)

    def _tick(self) -> None:
        now = self._clock()
        self._note(now, max(0.0, now - self._due))
        self.start()

    def _note(self, now: float, late: float) -> None:
        worst = self._worst
        while worst and worst[-1][1] <= late:
            worst.pop()
        worst.append((now, late))
        while worst[0][0] < now - REMEMBERED_S:
            worst.popleft()
