"""Forwarding: the sockets, clusters and flows that a configuration wants, and how they change.

A change goes from the configuration in force to the wanted one: it is *prepared* (tables are
built in slices, sockets bound; that may fail, and then nothing was changed), and *committed* in one
step of the loop that cannot fail. Closing and moving follow in slices. The start is a change, too:
from nothing.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

import psutil

from udplb.config.changes import (
    BackendAdded,
    Change,
    ClusterAdded,
    ListenerAdded,
    ListenerChanged,
    cluster_of,
)
from udplb.config.difference import difference
from udplb.core.address import Address, normal_ip
from udplb.core.backend import Backend
from udplb.core.cluster import Cluster
from udplb.core.counters import Counters, RecentDrops
from udplb.core.limits import Capacity, OwnAddresses
from udplb.core.manager import FlowManager
from udplb.core.preparation import Preparation
from udplb.core.settings import Configuration, EngineSettings, ListenerSettings
from udplb.engine import kernel
from udplb.engine.binding import BoundSocket, StartError, bind_listener, hand_over
from udplb.engine.clusters import Clusters
from udplb.engine.datapath import Datapath, FlowWatcher
from udplb.engine.descriptors import flows_that_fit, raise_descriptor_limit
from udplb.engine.events import EventBus, ListenerBound
from udplb.engine.inlet import Inlets
from udplb.engine.listener import Listener
from udplb.engine.logs import change_log_level
from udplb.engine.ports import Ports, port_shares
from udplb.engine.probes import exchanges
from udplb.engine.probes.schedule import PROBES_MAX
from udplb.engine.retirement import Retirement

BUILD_STEPS = 1_024
"""Of a table that is prepared, in one turn of the loop: less than a millisecond."""
_BRINGING_ADDRESSES = (BackendAdded, ClusterAdded, ListenerAdded, ListenerChanged)
TICK_S = 0.25
"""Between two looks at what is on its way out."""
HOSTS_INTERVAL_S = 10.0

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Prepared:
    """All that a change needs, and nothing that anybody sees yet."""

    wanted: Configuration
    clusters: list[tuple[Cluster, Preparation]]
    """New ones, and those that change."""
    sockets: dict[str, BoundSocket]
    """Of listeners that are new, or listen elsewhere now, by name."""
    donors: dict[str, Listener]
    """Who has read such a socket so far, where somebody has; by the new one's name."""


class Forwarding:
    """What forwards. Lives in the engine's thread alone."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        bus: EventBus,
        settings: EngineSettings,
        watch_flows: FlowWatcher,
    ) -> None:
        """Raises OSError if there is no descriptor left."""
        self._loop = loop
        self._now = clock
        self._bus = bus
        self.configuration = Configuration(engine=settings, listeners=(), clusters=())
        """The one in force."""
        self.recent_drops = RecentDrops()
        self.capacity = Capacity(0)
        self.own = OwnAddresses((), _local_hosts())
        self.listeners: list[Listener] = []
        """In the order of the configuration."""
        self.all_listeners: list[Listener] = []
        """With those that are on their way out: whoever has flows."""
        self.gone = Counters()
        """What listeners have done that are gone."""
        self._retirements: list[Retirement] = []
        self._draining = False
        self._stopped = False
        self._cap_warning: str | None = None
        self._gone_backends: dict[Backend, float] = {}
        """Backends that left, and when they were last seen with flows."""
        shares = port_shares(())
        self._ports = Ports(shares.upstreams, settings.upstream_port_rest)
        self.segmentation = settings.gso == "auto" and kernel.has_segmentation()
        self.coalescing = settings.gro == "auto" and kernel.has_coalescing()
        self._inlets = Inlets(coalescing=self.coalescing)
        self.datapath = Datapath(
            loop,
            clock,
            self._ports,
            segmentation=self.segmentation,
            coalescing=self.coalescing,
            batch=self._inlets.batch,
        )
        self.datapath.flow_watcher = watch_flows
        self.clusters = Clusters(
            loop,
            clock,
            bus,
            self.all_listeners,
            self.datapath.arm,
            probe_ports=shares.probes,
        )
        loop.call_later(TICK_S, self._tick)
        loop.call_later(HOSTS_INTERVAL_S, self._refresh_hosts)

    @property
    def retiring(self) -> list[Listener]:
        """Listeners that are on their way out."""
        return [each.listener for each in self._retirements]

    def listener(self, name: str) -> Listener | None:
        """The listener of this name."""
        return next((each for each in self.listeners if each.name == name), None)

    async def change(self, wanted: Configuration) -> tuple[Change, ...]:
        """Go over to the wanted configuration; what that changed.

        Raises StartError, as BindError where a listener cannot be bound; then nothing was changed.
        One change at a time.
        """
        changes = difference(self.configuration, wanted)
        if changes:
            await asyncio.sleep(0)
            clusters = await self._prepare_clusters(wanted, changes)
            self._refuse_loops(wanted, changes)
            with ExitStack() as opened:
                sockets, donors = self._prepare_sockets(wanted, opened)
                opened.pop_all()
            self._commit(_Prepared(wanted, clusters, sockets, donors))
        return changes

    def idle_clusters(self, changes: Iterable[Change]) -> tuple[str, ...]:
        """Of the clusters that changed, those without a backend for new flows: a line for each."""
        touched = dict.fromkeys(map(cluster_of, changes))
        return tuple(
            f"cluster {cluster.name}: no backend takes new flows now; they are dropped, no_backend"
            for cluster in self.clusters
            if cluster.name in touched and not cluster.usable()
        )

    # Prepare

    async def _prepare_clusters(
        self, wanted: Configuration, changes: Iterable[Change]
    ) -> list[tuple[Cluster, Preparation]]:
        touched = dict.fromkeys(map(cluster_of, changes))
        prepared = []
        for settings in wanted.clusters:
            if settings.name in touched:
                if not exchanges.is_loaded(settings.health.probe):
                    await asyncio.to_thread(exchanges.load, settings.health.probe)
                cluster = self.clusters.get(settings.name)
                if cluster is None:
                    bare = replace(settings, backends=())
                    cluster = Cluster(bare, self.configuration.engine.hash_seed)
                preparation = cluster.prepare(settings)
                while not preparation.build(BUILD_STEPS):
                    await asyncio.sleep(0)
                prepared.append((cluster, preparation))
                await asyncio.sleep(0)
        return prepared

    def _refuse_loops(self, wanted: Configuration, changes: Iterable[Change]) -> None:
        """A backend that is a listener of ours would send every datagram round for ever.

        The file was checked for it, but cannot know the addresses of this machine.
        """
        if not any(isinstance(change, _BRINGING_ADDRESSES) for change in changes):
            return  # this machine may have other addresses by now; that is no fault of the change
        for cluster, address in self.loops(wanted):
            raise StartError(
                f"cluster {cluster}: backend {address} is one of our own listeners; datagrams would"
                " go round for ever"
            )

    def loops(self, wanted: Configuration) -> list[tuple[str, Address]]:
        """The backends, by cluster and address, that are wildcard listeners on this machine."""
        addresses = tuple(each.address for each in wanted.listeners)
        if not any(address.is_wildcard for address in addresses):
            return []
        own = OwnAddresses(addresses, self.own.hosts)
        return [
            (cluster.name, backend.address)
            for cluster in wanted.clusters
            for backend in cluster.backends
            if backend.address in own
        ]

    def _prepare_sockets(
        self, wanted: Configuration, opened: ExitStack
    ) -> tuple[dict[str, BoundSocket], dict[str, Listener]]:
        """The sockets of listeners that need another; `opened` closes them again."""
        staying = {
            settings.name
            for settings in wanted.listeners
            if (listener := self.listener(settings.name)) and not _is_replaced(listener, settings)
        }
        leaving = {each.address: each for each in self.listeners if each.name not in staying}
        sockets: dict[str, BoundSocket] = {}
        donors: dict[str, Listener] = {}
        donor: Listener | None
        for settings in wanted.listeners:
            if settings.name in staying:
                continue
            same = self.listener(settings.name)
            if same is not None and same.settings.address == settings.address:
                donor = same  # another cluster, perhaps at a port that the kernel chose
            else:
                donor = leaving.get(settings.address)
            if donor is not None:
                bound = hand_over(settings, donor.bound)
                donors[settings.name] = donor
            else:
                bound = bind_listener(settings, self._sockets_on)
            opened.callback(bound.sock.close)
            sockets[settings.name] = bound
        return sockets, donors

    def _sockets_on(self, port: int) -> Sequence[socket.socket]:
        """Sockets of our own that hold this local port."""
        listeners = [each.sock for each in self.all_listeners if each.address.port == port]
        probes = self.clusters.checker.sockets_on(port)
        return [*listeners, *self.datapath.sockets_on(port), *probes] if port else ()

    # Commit

    def _commit(self, prepared: _Prepared) -> None:
        """Everything at once, from here to the end without a failure."""
        wanted, now = prepared.wanted, self._now()
        end_by = now + wanted.engine.drain_timeout
        before, self.configuration = self.configuration, wanted
        self._ports.rest_changed(wanted.engine.upstream_port_rest)
        self.datapath.busy_polling.for_s = wanted.engine.busy_poll
        if wanted.engine.log_level != before.engine.log_level:
            change_log_level(wanted.engine.log_level)
        left = self.clusters.change(now, wanted.clusters, prepared.clusters, end_by)
        self._gone_backends.update(dict.fromkeys(left, now))
        self._commit_listeners(now, prepared, end_by)
        self.own.listeners_changed(each.address for each in self.listeners)
        self._ports.reserve(each.address.port for each in self.all_listeners)
        cap, warning = flows_that_fit(
            wanted.engine.max_flows, raise_descriptor_limit(), _probes_max(wanted)
        )
        if warning and warning != self._cap_warning:
            _log.warning("%s", warning)
        self._cap_warning = warning
        self.capacity.change(cap)

    def _commit_listeners(self, now: float, prepared: _Prepared, end_by: float) -> None:
        before = {each.name: each for each in self.listeners}
        donors = {listener: name for name, listener in prepared.donors.items()}
        self.listeners = []
        successors: dict[str, Listener] = {}
        for settings in prepared.wanted.listeners:
            bound = prepared.sockets.get(settings.name)
            if bound is None:
                listener = before[settings.name]
                if listener.settings != settings:
                    listener.settings_changed(now, settings)
                    self.datapath.arm(now, listener)  # those that are denied now have to go
            else:
                listener = successors[settings.name] = self._new_listener(bound, settings)
            self.listeners.append(listener)
        for name, old in before.items():
            if old in self.listeners:
                continue
            retirement = Retirement(self.datapath, old)
            self._retirements.append(retirement)
            if old in donors:
                retirement.taken_over(now, successors[donors[old]], end_by)
            elif name in successors:
                retirement.moved(now, end_by)
            else:
                retirement.removed(now)
        self.all_listeners[:] = [*self.listeners, *self.retiring]
        for listener in successors.values():
            self.datapath.serve(listener)
            self._announce(listener)

    def _new_listener(self, bound: BoundSocket, settings: ListenerSettings) -> Listener:
        cluster = self.clusters[settings.cluster]
        manager = FlowManager(settings, cluster, self.capacity, self.own, self.recent_drops)
        self.clusters.be_told_last(cluster)
        if self._draining:
            manager.drain_began()  # the process began to end while this change was prepared
        return Listener(bound, manager, self.datapath.carry_out, self._inlets)

    def _announce(self, listener: Listener) -> None:
        self._bus.publish(
            ListenerBound(
                at=self._bus.now(),
                listener=listener.name,
                address=str(listener.address),
                cluster=listener.settings.cluster,
                receive_buffer=listener.receive_buffer,
            )
        )

    # Time

    def _tick(self) -> None:
        """Close what has come to its end."""
        if self._stopped:
            return
        now = self._now()
        over = [each for each in self._retirements if each.went_on(now)]
        if over:
            self._retirements = [each for each in self._retirements if each not in over]
            for each in over:
                self.gone.add(each.listener.manager.counters)
            self.all_listeners[:] = [*self.listeners, *self.retiring]
            self._ports.reserve(each.address.port for each in self.all_listeners)
        self._forget_backends(now)
        self._loop.call_later(TICK_S, self._tick)

    def _forget_backends(self, now: float) -> None:
        """Of backends that left, the ports are forgotten, once they have rested."""
        rest_s = self.configuration.engine.upstream_port_rest + TICK_S
        over: list[Backend] = []
        for backend, seen_at in self._gone_backends.items():
            if backend.flows:
                self._gone_backends[backend] = now
            elif now > seen_at + rest_s:
                over.append(backend)
        if not over:
            return
        for backend in over:
            del self._gone_backends[backend]
        # Several may have the same address: in other clusters, or as they came back and left again.
        wanted = {each.address for cluster in self.clusters for each in cluster.backends}
        wanted.update(each.address for each in self._gone_backends)
        for backend in over:
            if backend.address not in wanted:
                self._ports.forget(backend.socket_address)

    def _refresh_hosts(self) -> None:
        """Learn this machine's addresses: a wildcard listener has them all."""
        if self._stopped:
            return
        with suppress(OSError):  # no descriptor to ask with: those that were known stay
            self.own.hosts_changed(_local_hosts())
        self._loop.call_later(HOSTS_INTERVAL_S, self._refresh_hosts)

    def shrink(self) -> None:
        """Give back memory that many flows needed, as few are left."""
        normal_ip.cache_clear()
        self.datapath.shrink()
        self._inlets.shrink()
        for listener in self.all_listeners:
            listener.manager.shrink()

    # The end

    @property
    def drain_timeout(self) -> float:
        """How long flows may live on when their backend or listener goes, in seconds."""
        return self.configuration.engine.drain_timeout

    def drain(self) -> None:
        """No new flows on any listener."""
        self._draining = True
        for listener in self.all_listeners:
            listener.manager.drain_began()

    @property
    def drained(self) -> bool:
        """Whether no flow lives, and nothing waits to be sent."""
        return self.capacity.live == 0 and not any(each.egress for each in self.all_listeners)

    def end_flows(self) -> None:
        """Close what still lives, each counted."""
        for listener in self.all_listeners:
            self.datapath.end_flows(listener)

    def stop(self) -> None:
        """Close all sockets but those of listeners: they have a last picture."""
        self._stopped = True
        self.clusters.stop()
        self.datapath.stop()

    def close(self) -> None:
        """Close the listeners."""
        for listener in self.all_listeners:
            self.datapath.retire(listener)


def _is_replaced(listener: Listener, settings: ListenerSettings) -> bool:
    """Whether it takes a new listener: another address, or a cluster whose backends are others."""
    before = listener.settings
    return (before.address, before.cluster) != (settings.address, settings.cluster)


def _probes_max(configuration: Configuration) -> int:
    """How many probes may be on their way at a time."""
    probed = (each for each in configuration.clusters if each.health.probe != "off")
    return min(PROBES_MAX, sum(len(each.backends) for each in probed))


def _local_hosts() -> set[IPv4Address | IPv6Address]:
    """This machine's IP addresses."""
    hosts: set[IPv4Address | IPv6Address] = set()
    for addresses in psutil.net_if_addrs().values():
        for each in addresses:
            try:
                hosts.add(normal_ip(each.address.partition("%")[0]))
            except ValueError:
                continue  # a link-layer address
    return hosts
