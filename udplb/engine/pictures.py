"""Pictures: a snapshot of everything twice a second, and whenever one is asked for.

A thousand backends take milliseconds to describe, so a picture is made in slices of which no
datagram takes notice: its parts are a few turns of the loop apart.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from math import inf

from udplb import __version__
from udplb.engine.desired import DesiredState
from udplb.engine.events import EventBus
from udplb.engine.forwarding import Forwarding
from udplb.engine.garbage import MemoryReturn
from udplb.engine.lag import LagMeter
from udplb.engine.process import picture_of_process
from udplb.engine.snapshot import ClusterSnapshot, Snapshot, picture_of_listener, totals_of

INTERVAL_S = 0.5


class Pictures:
    """Makes and publishes snapshots. Lives in the engine's thread; `latest` may be read in any."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        bus: EventBus,
        forwarding: Forwarding,
        desired: DesiredState,
        engine: str = "",
    ) -> None:
        """`engine`: this engine's name, that of no other."""
        self._engine = engine
        self._loop = loop
        self._now = clock
        self._bus = bus
        self._forwarding = forwarding
        self._desired = desired
        self._memory = MemoryReturn()
        self._lag = LagMeter(loop, clock)
        self._began_at = clock()
        self._stopped = False
        self._looking = asyncio.Lock()
        self._looked_at = -inf
        """When the latest was begun: what happened before it is in it."""
        self.state = "starting"
        self.latest: Snapshot | None = None

    def start(self) -> None:
        """Make the first one now, and others from now on."""
        self.state = "running"
        self._began_at = self._now()
        self._lag.start()
        self.take()
        self._loop.call_later(INTERVAL_S, self._publish)

    def stop(self) -> None:
        """Make the last one now: none that is still being made replaces it."""
        self.take()
        self._lag.stop()
        self._stopped = True

    def take(self) -> Snapshot:
        """Make one at once, however long it takes: at the beginning and at the end."""
        for _ in self._slices():
            pass
        assert self.latest is not None
        return self.latest

    async def look(self) -> Snapshot:
        """A fresh one, for somebody who wants to see what he has done; many share one."""
        asked_at = self._now()
        async with self._looking:
            if self._looked_at < asked_at:
                for _ in self._slices():
                    await asyncio.sleep(0)
        assert self.latest is not None
        return self.latest

    def _publish(self) -> None:
        if self._stopped:
            return
        self._go_on(self._slices())
        if self._memory.flows_live(self._forwarding.capacity.live):
            self._forwarding.shrink()
        self._loop.call_later(INTERVAL_S, self._publish)

    def _go_on(self, slices: Iterator[None]) -> None:
        """Make the next slice; the others follow in turns of their own."""
        if next(slices, self) is None:
            self._loop.call_soon(self._go_on, slices)

    def _slices(self) -> Iterator[None]:
        """Make a picture, with a pause wherever it yields; at the end it is the latest."""
        forwarding, now = self._forwarding, self._now()
        began_at = now
        clusters: list[ClusterSnapshot] = []
        for slice_of_picture in forwarding.clusters.pictures(now):
            if slice_of_picture is None:
                yield
            else:
                clusters.append(slice_of_picture)
        if self._stopped:
            return
        listeners = tuple(picture_of_listener(each) for each in forwarding.listeners)
        leaving = tuple(picture_of_listener(each) for each in forwarding.retiring)
        now = self._now()
        self._looked_at = began_at
        self.latest = Snapshot(
            at=now,
            up_s=now - self._began_at,
            pid=os.getpid(),
            engine=self._engine,
            version=__version__,
            state=self.state,
            configuration=self._desired.snapshot,
            totals=totals_of(
                (*listeners, *leaving),
                forwarding.gone,
                kernel_drops_of_closed=forwarding.datapath.kernel_drops_of_closed,
                probes_in_flight=forwarding.clusters.checker.in_flight,
                probes_not_made=forwarding.clusters.checker.not_made,
                max_flows=forwarding.capacity.max_flows,
                events_lost=self._bus.lost,
            ),
            listeners=listeners,
            clusters=tuple(clusters),
            window=None,
            process=picture_of_process(self._lag),
        )
