"""The engine: a configuration at work, in a thread and an event loop of its own.

The thread owns all state. Other threads post typed commands (`drain`, `stop`, `look_at_flows`),
subscribe to the event bus, or read the last published snapshot.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from typing import Any, get_args

import psutil

from udplb.core.address import normal_ip
from udplb.core.counters import RecentDrops
from udplb.core.flow import Flow
from udplb.core.limits import Capacity, OwnAddresses
from udplb.core.manager import FlowManager
from udplb.core.reasons import CloseReason
from udplb.core.settings import AtDeadline, Configuration
from udplb.engine import kernel
from udplb.engine.binding import BindError, BoundSocket, StartError, bind_listener
from udplb.engine.clusters import Clusters
from udplb.engine.datapath import Datapath
from udplb.engine.descriptors import flows_that_fit, raise_descriptor_limit
from udplb.engine.events import (
    DrainBegan,
    EngineStarted,
    EngineStopped,
    EventBus,
    ListenerBound,
    event_of_flow,
)
from udplb.engine.garbage import MemoryReturn
from udplb.engine.inlet import Inlets
from udplb.engine.listener import Listener
from udplb.engine.ports import Ports, port_shares
from udplb.engine.probes.schedule import PROBES_MAX
from udplb.engine.ranking import FlowQuery, Ranking
from udplb.engine.snapshot import (
    Snapshot,
    picture_of_listener,
    totals_of,
)

SNAPSHOT_INTERVAL_S = 0.5
HOSTS_INTERVAL_S = 10.0
DRAIN_CHECK_S = 0.02
WAYS: tuple[AtDeadline, ...] = get_args(AtDeadline)
"""What can happen at a drain's deadline to the flows that are left."""

_log = logging.getLogger(__name__)


class Engine:
    """Forwards for a configuration from `start` until `stop`, or until a drain has ended."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.configuration = configuration
        self.bus = EventBus(wall_clock)
        self.recent_drops = RecentDrops()
        self.failure: BaseException | None = None
        """What ended the engine before its time, if anything did."""
        self._clock = clock
        self._thread = threading.Thread(target=self._run, name="udplb-engine", daemon=True)
        self._ready = threading.Event()
        self._ended = threading.Event()
        self._loop = _new_loop()
        self._listeners: list[Listener] = []
        self._ranking: Ranking | None = None
        self._memory = MemoryReturn()
        self._state = "starting"
        self._started_at = clock()
        self.closed_at_the_end = 0
        """Flows that a drain had to close because its time was up."""
        self.snapshot: Snapshot | None = None
        """The latest picture; replaced twice a second. None before the start."""

    # For any thread

    def start(self) -> Snapshot:
        """Bind all listeners and forward; the first picture.

        Raises StartError, as BindError if a listener cannot be bound; then nothing is left open.
        """
        self._thread.start()
        self._ready.wait()
        if self.failure is not None:
            self._thread.join()
            raise self.failure
        assert self.snapshot is not None
        return self.snapshot

    def drain(self) -> None:
        """No new flows; end when the last one has, at the latest after `drain_timeout`.

        A second call ends at once.
        """
        self._post(self._drain)

    def stop(self) -> None:
        """End at once, whatever lives, and wait for it."""
        self._post(self._loop.stop)
        self._thread.join()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the engine has ended; False if it has not within the time."""
        return self._ended.wait(timeout_s)

    def drain_backend(
        self,
        cluster: str,
        backend: str,
        *,
        deadline_s: float | None = None,
        at_deadline: AtDeadline | None = None,
    ) -> None:
        """No new flows on the backend (its name or address); those that exist live to their end.

        After `deadline_s` seconds what is left moves or closes: as `at_deadline` says, or as
        `on_backend_down` does. LookupError if there is no such backend; ValueError for a time
        or a way that there is not.
        """
        self._must_exist(cluster, backend)
        if deadline_s is not None and not deadline_s >= 0:  # nor is NaN
            raise ValueError(f"a drain's deadline is 0 s or more, not {deadline_s}")
        if at_deadline is not None and at_deadline not in WAYS:
            raise ValueError(f"a drain ends with {' or '.join(WAYS)}, not {at_deadline!r}")
        self._post(lambda: self._clusters.drain(cluster, backend, deadline_s, at_deadline))

    def undrain_backend(self, cluster: str, backend: str) -> None:
        """New flows on the backend again. LookupError if there is no such backend."""
        self._must_exist(cluster, backend)
        self._post(lambda: self._clusters.undrain(cluster, backend))

    def _must_exist(self, cluster: str, backend: str) -> None:
        for each in self.configuration.clusters:
            if each.name == cluster:
                if any(backend in (b.name, str(b.address)) for b in each.backends):
                    return
                raise LookupError(f"cluster {cluster} has no backend {backend}")
        raise LookupError(f"there is no cluster {cluster}")

    def look_at_flows(self, query: FlowQuery | None) -> None:
        """From now on snapshots carry this window of flows; None: no window.

        ValueError if the query asks for what there is not.
        """
        if query is not None:
            query.check()
        self._post(self._look_at_flows, query)

    def _post(self, command: Callable[..., None], *arguments: Any) -> None:
        if not self._ended.is_set():
            try:
                self._loop.call_soon_threadsafe(command, *arguments)
            except RuntimeError:
                _log.debug("the engine ended before a command reached it")

    # The engine's thread

    def _run(self) -> None:
        """The thread. Whatever ends it is told: by `failure`, and to those who wait."""
        try:
            self._forward()
        except BaseException as error:  # noqa: BLE001 - nobody above: it ends here, loudly
            if not isinstance(error, StartError):
                _log.critical("the engine ends: %s", error, exc_info=error)
            self.failure = self.failure or error
        finally:
            self._loop.close()
            self._ended.set()
            self._ready.set()

    def _forward(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(self._failed)
        try:
            self._set_up()
        except OSError as error:
            raise StartError(_cannot_start(error)) from error
        self._ready.set()
        self._loop.run_forever()
        self._tear_down()

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Something raised that must not: end loudly, rather than go on with half a decision."""
        self.failure = context.get("exception") or RuntimeError(context["message"])
        _log.critical("the engine ends: %s", context["message"], exc_info=self.failure)
        loop.stop()

    def _set_up(self) -> None:
        bound = self._bind_all()
        try:
            self._build(bound)
        except BaseException:
            for each in bound:
                each.sock.close()
            raise
        self._announce()
        self._loop.call_later(HOSTS_INTERVAL_S, self._refresh_hosts)
        self._publish()

    def _build(self, bound: list[BoundSocket]) -> None:
        """Clusters, upstreams and listeners over the bound sockets."""
        settings = self.configuration.engine
        self._capacity = Capacity(self._max_flows())
        own = OwnAddresses((each.address for each in bound), _local_hosts())
        self._own = own
        self._refuse_loops()
        shares = port_shares(each.address.port for each in bound)
        self._clusters = Clusters(
            self._loop,
            self._clock,
            self.bus,
            self.configuration.clusters,
            seed=settings.hash_seed,
            probe_ports=shares.probes,
        )
        ports = Ports(shares.upstreams, settings.upstream_port_rest)
        self.segmentation = settings.gso == "auto" and kernel.has_segmentation()
        self.coalescing = settings.gro == "auto" and kernel.has_coalescing()
        self._datapath = Datapath(
            self._loop,
            self._clock,
            ports,
            segmentation=self.segmentation,
            coalescing=self.coalescing,
        )
        self._datapath.flow_watcher = self._tell_of_flow
        self._inlets = Inlets(coalescing=self.coalescing)
        for each, listens in zip(bound, self.configuration.listeners, strict=True):
            cluster = self._clusters[listens.cluster]
            manager = FlowManager(listens, cluster, self._capacity, own, self.recent_drops)
            listener = Listener(each, manager, self._datapath.carry_out, self._inlets)
            self._listeners.append(listener)
            self._datapath.serve(listener)
        self._clusters.start(self._listeners, self._datapath.arm)

    def _bind_all(self) -> list[BoundSocket]:
        """Every listener's socket, or none and BindError."""
        bound: list[BoundSocket] = []
        try:
            for settings in self.configuration.listeners:
                bound.append(bind_listener(settings))
        except BindError:
            for each in bound:
                each.sock.close()
            raise
        return bound

    def _max_flows(self) -> int:
        configured, limit = self.configuration.engine.max_flows, raise_descriptor_limit()
        cap, warning = flows_that_fit(configured, limit, _probes_max(self.configuration))
        if warning:
            _log.warning("%s", warning)
        return cap

    def _announce(self) -> None:
        now = self.bus.now()
        for listener in self._listeners:
            self.bus.publish(
                ListenerBound(
                    at=now,
                    listener=listener.name,
                    address=str(listener.address),
                    cluster=listener.manager.cluster.name,
                    receive_buffer=listener.receive_buffer,
                )
            )
        self._state = "running"
        self._started_at = self._clock()
        self.bus.publish(
            EngineStarted(
                at=now, listeners=len(self._listeners), max_flows=self._capacity.max_flows
            )
        )

    def _refuse_loops(self) -> None:
        """A backend that is a listener of ours would send every datagram round for ever."""
        for cluster in self.configuration.clusters:
            for backend in cluster.backends:
                if backend.address in self._own:
                    raise StartError(
                        f"cluster {cluster.name}: backend {backend.address} is one of our own"
                        " listeners; datagrams would go round for ever"
                    )

    def _refresh_hosts(self) -> None:
        """Learn this machine's addresses: a wildcard listener has them all."""
        with suppress(OSError):  # no descriptor to ask with: those that were known stay
            self._own.hosts_changed(_local_hosts())
        self._loop.call_later(HOSTS_INTERVAL_S, self._refresh_hosts)

    # Pictures

    def _publish(self) -> None:
        self.snapshot = self._picture()
        if self._memory.flows_live(self._capacity.live):
            normal_ip.cache_clear()
            self._datapath.shrink()
            self._inlets.shrink()
            for listener in self._listeners:
                listener.manager.shrink()
        self._loop.call_later(SNAPSHOT_INTERVAL_S, self._publish)

    def _picture(self) -> Snapshot:
        now = self._clock()
        listeners = tuple(picture_of_listener(listener) for listener in self._listeners)
        return Snapshot(
            at=now,
            up_s=now - self._started_at,
            state=self._state,
            totals=totals_of(
                listeners,
                upstream_kernel_drops=self._datapath.upstream_kernel_drops,
                probes_in_flight=self._clusters.checker.in_flight,
                probes_not_made=self._clusters.checker.not_made,
                max_flows=self._capacity.max_flows,
                events_lost=self.bus.lost,
            ),
            listeners=listeners,
            clusters=self._clusters.pictures(now),
            window=self._ranking.window if self._ranking is not None else None,
        )

    def _look_at_flows(self, query: FlowQuery | None) -> None:
        if query is None:
            self._ranking = None
        elif self._ranking is None or self._ranking.query != query:
            self._ranking = Ranking(query)
            self._rank(self._ranking)

    def _rank(self, ranking: Ranking) -> None:
        if ranking is self._ranking:
            pause = ranking.slice(self._listeners, self._clock)
            self._loop.call_later(pause, self._rank, ranking)

    def _tell_of_flow(self, listener: Listener, flow: Flow, reason: CloseReason | None) -> None:
        """Events for single flows are built only while somebody wants them."""
        if self.bus.flows_wanted:
            event = event_of_flow(listener.name, flow, reason, self.bus.now(), self._clock())
            self.bus.publish(event)

    # The end

    def _drain(self) -> None:
        if self._state == "draining":
            self._loop.stop()
            return
        self._state = "draining"
        timeout = self.configuration.engine.drain_timeout
        _log.info("draining %d flows, at most %g s", self._capacity.live, timeout)
        self.bus.publish(
            DrainBegan(at=self.bus.now(), live=self._capacity.live, deadline_s=timeout)
        )
        for listener in self._listeners:
            listener.manager.drain_began()
        self._loop.call_later(timeout, self._loop.stop)
        self._check_drained()

    def _check_drained(self) -> None:
        if self._capacity.live == 0 and not any(each.egress for each in self._listeners):
            self._loop.stop()
        else:
            self._loop.call_later(DRAIN_CHECK_S, self._check_drained)

    def _tear_down(self) -> None:
        """Close what still lives, each counted, then everything else."""
        self._state = "stopped"
        if self.failure is None:
            self.closed_at_the_end = self._capacity.live
            for listener in self._listeners:
                self._datapath.end_flows(listener)
        self._clusters.stop()
        self._datapath.stop()
        self.snapshot = self._picture()
        for listener in self._listeners:
            self._datapath.retire(listener)
        self.bus.publish(EngineStopped(at=self.bus.now(), closed_flows=self.closed_at_the_end))


def _probes_max(configuration: Configuration) -> int:
    """How many probes may be on their way at a time."""
    probed = (each for each in configuration.clusters if each.health.probe != "off")
    return min(PROBES_MAX, sum(len(each.backends) for each in probed))


def _new_loop() -> asyncio.AbstractEventLoop:
    """A uvloop where the platform has one, else asyncio's own. Raises StartError."""
    make: Callable[[], asyncio.AbstractEventLoop]
    try:
        from uvloop import new_event_loop as make  # noqa: PLC0415 - optional
    except ImportError:
        make = asyncio.new_event_loop
    try:
        return make()
    except OSError as error:
        raise StartError(_cannot_start(error)) from error


def _cannot_start(error: OSError) -> str:
    why = str(error.strerror or error).lower()
    return f"cannot start: {why}; if descriptors are short, raise the limit (ulimit -n)"


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
