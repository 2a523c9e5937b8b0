"""Forecasts of drains: a walk over all flows, again and again while a backend drains.

It goes by slab index in slices, like the ranking of flows, and costs nothing while nobody drains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from udplb.core.backend import Backend
from udplb.core.forecast import Forecast
from udplb.engine.listener import Listener
from udplb.engine.walk import pause_after, slices

GOOD_FOR_S = 2.0


class Forecasts:
    """What is left on every draining backend, as of the last finished walk."""

    def __init__(self) -> None:
        self.latest: Mapping[Backend, Forecast] = {}
        self._walk: Iterator[dict[Backend, Forecast] | None] | None = None

    def slice(self, listeners: Sequence[Listener], clock: Callable[[], float]) -> float:
        """Visit some flows; the seconds after which the next visit is welcome."""
        if self._walk is None:
            self._walk = self._look(listeners, clock)
        began = clock()
        finished = next(self._walk)
        if finished is None:
            return pause_after(clock() - began)
        self.latest, self._walk = finished, None
        return GOOD_FOR_S

    def forget(self) -> None:
        """Nobody drains any more."""
        self.latest, self._walk = {}, None

    def _look(
        self, listeners: Sequence[Listener], clock: Callable[[], float]
    ) -> Iterator[dict[Backend, Forecast] | None]:
        """Yields None between slices, and the forecasts at the end."""
        found: dict[Backend, Forecast] = {}
        for listener in listeners:
            for flows in slices(listener.manager.slab):
                now = clock()
                for flow in flows:
                    if flow is not None and flow.backend.draining:
                        known = found.get(flow.backend, Forecast())
                        found[flow.backend] = known.with_flow(flow, now)
                yield None
        yield found
