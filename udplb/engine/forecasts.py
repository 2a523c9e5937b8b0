"""Forecasts of drains: a walk over all flows, again and again while a backend drains.

It goes by slab index in slices, like the ranking of flows, and costs nothing while nobody drains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from udplb.core.backend import Backend
from udplb.core.forecast import Forecast
from udplb.engine.listener import Listener
from udplb.engine.walk import Steps, Walk, pause_after, steps_over

GOOD_FOR_S = 2.0


class Forecasts:
    """What is left on every draining backend, as of the last finished walk."""

    def __init__(self) -> None:
        self.latest: Mapping[Backend, Forecast] = {}
        self._walk: Walk[dict[Backend, Forecast]] | None = None

    def slice(self, listeners: Sequence[Listener], clock: Callable[[], float]) -> float:
        """Visit some flows; the seconds after which the next visit is welcome."""
        if self._walk is None:
            self._walk = Walk(_look(tuple(listeners), clock))
        began = clock()
        rest = self._walk.slice(clock)
        if self._walk.found is None:
            return max(rest, pause_after(clock() - began))
        self.latest, self._walk = self._walk.found, None
        return GOOD_FOR_S

    def forget(self) -> None:
        """Nobody drains any more."""
        self.latest, self._walk = {}, None


def _look(
    listeners: Sequence[Listener], clock: Callable[[], float]
) -> Steps[dict[Backend, Forecast]]:
    found: dict[Backend, Forecast] = {}
    for listener in listeners:
        for flows in steps_over(listener.manager.slab):
            now = clock()
            for flow in flows:
                if flow is not None and flow.backend.draining:
                    known = found.get(flow.backend, Forecast())
                    found[flow.backend] = known.with_flow(flow, now)
            yield 0.0
    return found
