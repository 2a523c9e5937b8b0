"""The clusters at work: time and probes brought to them, and what they tell brought to everybody.

A notice of the core becomes an event on the bus and a line in the log, and the timers of the
cluster's listeners are set anew, as flows may have to go.
"""

from __future__ import annotations

import logging
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf

from udplb.config.rivals import address_meant
from udplb.core import notices
from udplb.core.backend import Backend
from udplb.core.cluster import Cluster
from udplb.core.preparation import Preparation
from udplb.core.settings import AtDeadline, ClusterSettings
from udplb.engine.events import EventBus
from udplb.engine.forecasts import Forecasts
from udplb.engine.listener import Listener
from udplb.engine.probes.checker import HealthChecker
from udplb.engine.retelling import retell
from udplb.engine.snapshot import ClusterSnapshot, pictures_of_cluster

TICK_S = 0.25
"""Between two looks at ejections, drains and answered shares."""

_log = logging.getLogger(__name__)


class Clusters:
    """All clusters of an engine, by name. Lives in the engine's thread alone."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        clock: Callable[[], float],
        bus: EventBus,
        listeners: Sequence[Listener],
        arm: Callable[[float, Listener], None],
        *,
        probe_ports: Sequence[int],
    ) -> None:
        """`listeners` are all that have flows, now and whenever one looks; `arm` sets the timer of
        one anew."""
        self._loop = loop
        self._now = clock
        self._bus = bus
        self._clusters: dict[str, Cluster] = {}
        self._listeners = listeners
        self._arm = arm
        self._forecasts = Forecasts()
        self._forecasting = False
        self._stopped = False
        self.checker = HealthChecker(loop, clock, ports=probe_ports)
        self._tick()

    def __getitem__(self, name: str) -> Cluster:
        return self._clusters[name]

    def __iter__(self) -> Iterator[Cluster]:
        return iter(self._clusters.values())

    def get(self, name: str) -> Cluster | None:
        """The cluster of this name, if there is one."""
        return self._clusters.get(name)

    def change(
        self,
        now: float,
        wanted: Sequence[ClusterSettings],
        prepared: Iterable[tuple[Cluster, Preparation]],
        end_by: float,
    ) -> list[Backend]:
        """From now on there are these clusters, in this order; those that are new or change are
        prepared. The backends that left, whose flows end by `end_by`."""
        before = [(cluster, backend) for cluster in self for backend in cluster.backends]
        changed: list[Cluster] = []
        for cluster, preparation in prepared:
            if cluster.name not in self._clusters:
                cluster.watchers.append(self)
            self._clusters[cluster.name] = cluster
            cluster.settings_changed(now, preparation, end_by)
            changed.append(cluster)
        left = self._clusters
        self._clusters = {settings.name: left.pop(settings.name) for settings in wanted}
        for cluster in left.values():
            self._leave(cluster)
        for cluster in changed:
            self.checker.follow(cluster)
        return [b for cluster, b in before if b.removed or cluster.name not in self._clusters]

    def _leave(self, cluster: Cluster) -> None:
        """The cluster left the configuration; its flows belong to listeners that leave, too."""
        self.checker.forget(cluster)
        cluster.watchers.remove(self)

    def stop(self) -> None:
        """End all probes; time stands still."""
        self._stopped = True
        self.checker.stop()

    def _tick(self) -> None:
        if self._stopped:
            return
        now = self._now()
        for cluster in self:
            cluster.time_passed(now)
        self._loop.call_later(TICK_S, self._tick)

    # Drains

    def drain(
        self, cluster: str, backend: str, deadline_s: float | None, way: AtDeadline | None
    ) -> None:
        """No new flows on this backend, from now on; it is called by its name or its address."""
        found = self._backend(cluster, backend)
        if found is not None:
            deadline = inf if deadline_s is None else deadline_s
            self[cluster].drain_began(self._now(), found, deadline, way)

    def _backend(self, cluster: str, backend: str) -> Backend | None:
        address = address_meant(backend)
        for each in self._clusters[cluster].backends if cluster in self._clusters else ():
            if each.is_called(backend) or each.address == address:
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
        told = retell(self._bus.now(), cluster, notice)
        if told is not None:
            _log.log(told.level, "%s", told.line)
            self._bus.publish(told.event)
        if isinstance(notice, notices.BackendDrainBegan) and not self._forecasting:
            self._forecasting = True
            self._loop.call_soon(self._forecast)
        for listener in self._listeners:
            if listener.manager.cluster is cluster:
                self._arm(now, listener)

    def be_told_last(self, cluster: Cluster) -> None:
        """Another manager watches the cluster. All of them are told before us: what they then have
        to do, their timers are set for."""
        cluster.watchers.remove(self)
        cluster.watchers.append(self)

    # Pictures

    def pictures(self, now: float) -> Iterator[ClusterSnapshot | None]:
        """A picture of each, in the order of the configuration; None where a pause is welcome."""
        epoch = self._bus.now() - now
        for cluster in tuple(self):
            yield from pictures_of_cluster(cluster, now, epoch, self._forecasts.latest)
