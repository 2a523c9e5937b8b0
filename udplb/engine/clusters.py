"""The clusters at work: time and probes brought to them, and what they tell brought to everybody.

A notice of the core becomes an event on the bus and a line in the log, and the timers of the
cluster's listeners are set anew, as flows may have to go.
"""

from __future__ import annotations

import logging
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf

from udplb.core import notices
from udplb.core.backend import Backend
from udplb.core.cluster import Cluster
from udplb.core.settings import AtDeadline, ClusterSettings
from udplb.engine import events
from udplb.engine.events import EventBus
from udplb.engine.forecasts import Forecasts
from udplb.engine.listener import Listener
from udplb.engine.probes.checker import HealthChecker
from udplb.engine.retelling import full_name, place_of, retell
from udplb.engine.snapshot import ClusterSnapshot, picture_of_cluster

TICK_S = 0.25
"""Between two looks at ejections, drains and answered shares."""
BUILD_STEPS = 1 << 20

_log = logging.getLogger(__name__)


class Clusters:
    """All clusters of an engine, by name. Lives in the engine's thread alone."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        clock: Callable[[], float],
        bus: EventBus,
        settings: Iterable[ClusterSettings],
        *,
        seed: bytes,
        probe_ports: Sequence[int],
    ) -> None:
        self._loop = loop
        self._now = clock
        self._bus = bus
        self._clusters = {each.name: Cluster(each, seed) for each in settings}
        self._listeners: Sequence[Listener] = ()
        self._arm: Callable[[float, Listener], None] = lambda now, listener: None
        self._forecasts = Forecasts()
        self._forecasting = False
        self._held: list[notices.Notice] | None = None
        """What waits to be told until something else was."""
        self.checker = HealthChecker(loop, clock, ports=probe_ports)
        for cluster in self:
            while not cluster.build(BUILD_STEPS):
                pass

    def __getitem__(self, name: str) -> Cluster:
        return self._clusters[name]

    def __iter__(self) -> Iterator[Cluster]:
        return iter(self._clusters.values())

    def start(self, listeners: Sequence[Listener], arm: Callable[[float, Listener], None]) -> None:
        """Begin to probe and to watch; `arm` sets the timer of a listener anew."""
        self._listeners = listeners
        self._arm = arm
        for cluster in self:
            cluster.watchers.append(self)
            self.checker.follow(cluster)
        self._tick()

    def stop(self) -> None:
        """End all probes."""
        self.checker.stop()

    def _tick(self) -> None:
        now = self._now()
        for cluster in self:
            cluster.time_passed(now)
        self._loop.call_later(TICK_S, self._tick)

    # Drains

    def drain(
        self, cluster: str, backend: str, deadline_s: float | None, way: AtDeadline | None
    ) -> None:
        """No new flows on this backend, from now on; it is called by its name or its address."""
        draining, now = self._backend(cluster, backend), self._now()
        if draining is None:
            return
        deadline = inf if deadline_s is None else deadline_s
        flows = draining.flows
        held: list[notices.Notice] = []
        self._held = held  # an empty backend is drained at once, and that is told second
        self[cluster].drain_began(now, draining, deadline, way)
        self._held = None
        assert draining.drain is not None
        _log.info(
            "%s drains, with %d flows%s",
            full_name(self[cluster], draining),
            flows,
            "" if deadline_s is None else f"; after {deadline_s:g} s they {draining.drain.way}",
        )
        self._bus.publish(
            events.BackendDrainBegan(
                at=self._bus.now(),
                **place_of(self[cluster], draining),
                flows=flows,
                deadline_s=deadline_s,
                way=draining.drain.way,
            )
        )
        for notice in held:
            self.cluster_changed(now, self[cluster], notice)
        if not self._forecasting:
            self._forecasting = True
            self._forecast()

    def undrain(self, cluster: str, backend: str) -> None:
        """New flows on this backend again."""
        draining = self._backend(cluster, backend)
        if draining is None or not draining.draining:
            return
        self[cluster].drain_ended(self._now(), draining)
        _log.info("%s no longer drains", full_name(self[cluster], draining))
        self._bus.publish(
            events.BackendDrainEnded(
                at=self._bus.now(),
                **place_of(self[cluster], draining),
            )
        )

    def _backend(self, cluster: str, backend: str) -> Backend | None:
        for each in self._clusters[cluster].backends if cluster in self._clusters else ():
            if backend in (each.name, str(each.address)):
                return each
        return None

    def _forecast(self) -> None:
        """Look at the flows of draining backends, while there are any."""
        drains = (each.drain for cluster in self for each in cluster.backends)
        if all(drain is None or drain.drained for drain in drains):
            self._forecasts.forget()
            self._forecasting = False
            return
        pause = self._forecasts.slice(self._listeners, self._now)
        self._loop.call_later(pause, self._forecast)

    # What clusters tell

    def cluster_changed(self, now: float, cluster: Cluster, notice: notices.Notice) -> None:
        """A cluster tells what happened to it: pass it on."""
        if self._held is not None:
            self._held.append(notice)
            return
        told = retell(self._bus.now(), cluster, notice)
        _log.log(told.level, "%s", told.line)
        self._bus.publish(told.event)
        for listener in self._listeners:
            if listener.manager.cluster is cluster:
                self._arm(now, listener)

    # Pictures

    def pictures(self, now: float) -> tuple[ClusterSnapshot, ...]:
        """A picture of each, in the order of the configuration."""
        epoch = self._bus.now() - now
        return tuple(picture_of_cluster(each, now, epoch, self._forecasts.latest) for each in self)
