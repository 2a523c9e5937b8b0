"""Samples: what flows do now, and not what they did in all their life.

A flow's rate is measured between two looks at it, at least a second apart (`Flow.sampled`). So
whoever ranks by rates needs a walk that looked at all flows before, not just now and not long ago.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from udplb.core.flow import SAMPLE_MIN_S
from udplb.engine.listener import Listener
from udplb.engine.walk import Steps, steps_over

GOOD_FOR_S = 5.0
"""How old the end of a walk may be whose samples the next ones are compared with."""
GRAIN_S = 0.25
"""Of walks that end within so short a time, the first is remembered."""


class Samples:
    """The last walks that sampled every flow; shared by all that walk over the same flows."""

    def __init__(self) -> None:
        self._ends: deque[float] = deque(maxlen=int(GOOD_FOR_S / GRAIN_S) + 1)
        self._taking = False
        """Somebody walks for all who want it."""

    def taken(self, now: float) -> None:
        """A walk that sampled every flow ends."""
        if not self._ends or now - self._ends[-1] >= GRAIN_S:
            self._ends.append(now)

    def make_current(
        self, listeners: Sequence[Listener], clock: Callable[[], float]
    ) -> Steps[None]:
        """Let a walk begin that finds the rates of the last seconds.

        That takes a walk before it, and a second between the two, unless there was one.
        """
        while True:
            ended = self._oldest(clock())
            if ended is not None:
                rest = ended + SAMPLE_MIN_S - clock()
                if rest <= 0:
                    return
                yield rest
            elif self._taking:
                yield GRAIN_S
            else:
                yield from self._take(listeners, clock)

    def _oldest(self, now: float) -> float | None:
        """When the oldest walk ended that still counts."""
        while self._ends and now - self._ends[0] > GOOD_FOR_S:
            self._ends.popleft()
        return self._ends[0] if self._ends else None

    def _take(self, listeners: Sequence[Listener], clock: Callable[[], float]) -> Steps[None]:
        self._taking = True
        try:
            for listener in listeners:
                for flows in steps_over(listener.manager.slab):
                    now = clock()
                    for flow in flows:
                        if flow is not None:
                            flow.sampled(now)
                    yield 0.0
            self.taken(clock())
        finally:  # also where whoever walks is asked for no more
            self._taking = False
