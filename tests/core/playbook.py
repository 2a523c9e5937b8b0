"""Transcripts of the core: an input goes in, the expected commands come out, none is left over.

A `Playbook` is a flow manager with a shell in slow motion around it. The shell answers as the
engine does: at once, and before anything else. The test says beforehand how an opening goes
(`unopenable`), what waits in an upstream socket (`waiting`), what the kernel will not take
(`refuse_next`); everything else goes well. Time is a number that the test moves.

    play.client(A, b"query")
    play.expect(opens(1, "b0"), sends(1, b"query"))

Flows are named by their number in order of admission, an admission that was undone included.
After every input the invariants are checked, and the transcript must have been read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from math import inf
from typing import Any, assert_never

from tests.core.transcript import Line
from udplb.core.address import Address, parse_address
from udplb.core.backend import Backend
from udplb.core.cluster import Cluster
from udplb.core.commands import (
    CloseUpstream,
    Command,
    OpenUpstream,
    Postpone,
    ReadUpstream,
    ReopenUpstream,
    ResendToBackend,
    SendToBackend,
    SendToClient,
)
from udplb.core.counters import RecentDrops
from udplb.core.flow import ClientAddress, Flow, LocalAddress
from udplb.core.limits import Capacity, OwnAddresses
from udplb.core.manager import FlowManager
from udplb.core.notices import Notice
from udplb.core.reasons import CloseReason, DropReason
from udplb.core.settings import (
    AtDeadline,
    BackendSettings,
    ClusterSettings,
    FlowTerms,
    HealthSettings,
    ListenerSettings,
)
from udplb.core.train import Train

SEED = b"a seed"
START = 1_000.0


def client_at(number: int, port: int = 40_000) -> ClientAddress:
    """The client of that number: hosts from 198.18.0.0/15, one each."""
    return (f"198.18.{number >> 8 & 255}.{number & 255}", port)


def backend(index: int, **changes: Any) -> BackendSettings:
    """Backend `index` is called b<index> and is at 10.0.0.<index>:53."""
    address = Address(parse_address(f"10.0.{index >> 8}.{index & 255}:53").ip, 53)
    return BackendSettings(address=address, name=f"b{index}", **changes)


def running(settings: BackendSettings, seed: bytes = SEED) -> Backend:
    """The backend as it runs in a cluster with default health settings."""
    return Backend(settings, HealthSettings(), seed)


def cluster_settings(
    backends: int | Sequence[BackendSettings] = 1, fail_open: bool = True, **changes: Any
) -> ClusterSettings:
    """A cluster; round robin where nothing else is said, as that is easily foretold."""
    if isinstance(backends, int):
        backends = [backend(index) for index in range(backends)]
    settings: dict[str, Any] = {"name": "cluster", "balance": "round_robin"}
    health = changes.pop("health", None) or HealthSettings(fail_open=fail_open)
    settings = {**settings, **changes}
    return ClusterSettings(backends=tuple(backends), health=health, **settings)


def adopted(
    cluster: Cluster, settings: ClusterSettings, now: float = START, end_by: float = inf
) -> None:
    """The cluster has these settings from now on."""
    preparation = cluster.prepare(settings)
    while not preparation.build(100_000):
        pass
    cluster.settings_changed(now, preparation, end_by)


def removed(cluster: Cluster, gone: Backend, now: float = START, end_by: float = inf) -> None:
    """The cluster has this backend no more."""
    rest = tuple(each for each in cluster.settings.backends if each.address != gone.address)
    adopted(cluster, replace(cluster.settings, backends=rest), now, end_by)


_TERMS = frozenset(field.name for field in fields(FlowTerms))
_LISTENER = frozenset(field.name for field in fields(ListenerSettings))


def went_down(cluster: Cluster, backend: Backend, now: float = START) -> None:
    """Probes fail until the backend is down."""
    for _ in range(cluster.settings.health.fall):
        cluster.probe_failed(now, backend, "timed out")


def came_up(cluster: Cluster, backend: Backend, now: float = START) -> None:
    """Probes succeed until the backend is up."""
    for _ in range(cluster.settings.health.rise):
        cluster.probe_succeeded(now, backend, now, 0.001)


class Playbook:
    """One listener of one cluster, and a shell that does as the test says.

    Keys of flow terms, listener and cluster are given flat; each goes where it belongs.
    """

    def __init__(
        self,
        *,
        capacity: Capacity | None = None,
        cluster: Cluster | None = None,
        own: Iterable[str] = (),
        hosts: Iterable[str] = (),
        **keys: Any,
    ) -> None:
        terms = {key: keys.pop(key) for key in sorted(keys.keys() & _TERMS)}
        listener = {key: keys.pop(key) for key in sorted(keys.keys() & _LISTENER)}
        settings = cluster_settings(terms=FlowTerms(**terms), **keys)
        self.cluster = cluster or Cluster(settings, SEED)
        self.capacity = capacity or Capacity(1 << 20)
        self._alone = capacity is None
        self.recent_drops = RecentDrops()
        self.own = OwnAddresses(
            map(parse_address, own), [parse_address(f"{host}:1").ip for host in hosts]
        )
        address = parse_address("192.0.2.1:53")
        self.manager = FlowManager(
            ListenerSettings(name="listener", address=address, cluster="cluster", **listener),
            self.cluster,
            self.capacity,
            self.own,
            self.recent_drops,
        )
        self.cluster.watchers.append(self)
        self.now = START
        self.unopenable: dict[str, DropReason] = {}
        """Why no upstream to the backend of this name can be opened."""
        self.open_failures: deque[DropReason] = deque()
        """How the next openings fail, whichever backend they are to."""
        self.waiting: dict[int, list[bytes]] = {}
        """What the next reading of a flow's upstream finds."""
        self.reading = True
        """False: the shell leaves `ReadUpstream` unanswered."""
        self.flows: dict[int, Flow] = {}
        """Every flow that the core asked to open, by number."""
        self.sockets: dict[int, Backend] = {}
        """The flows that have an upstream, and to whom it is connected."""
        self.postponed: list[Postpone] = []
        self.transcript: list[Line] = []
        self.ended: dict[int, CloseReason] = {}
        self.notices: list[Notice] = []
        self._refusals: deque[DropReason] = deque()
        self._check_everything = True

    # Inputs

    def client(
        self, client: ClientAddress, *datagrams: bytes, local: LocalAddress | None = None
    ) -> None:
        """A round of the listener brought this train, and no other."""
        self.round((client, datagrams), local=local)

    def round(
        self,
        *trains: tuple[ClientAddress, Sequence[bytes]],
        local: LocalAddress | None = None,
    ) -> None:
        """A round of the listener: what was postponed and, if nothing was, these trains."""
        self._all_was_read()
        self.manager.round_began()
        postponed, self.postponed = self.postponed, []
        assert not (postponed and trains), "nothing new is read while something is postponed"
        for each in postponed:
            self._bring(
                self.manager.client_train_received(
                    self.now, each.client_address, each.local, each.train
                )
            )
        for client, datagrams in trains:
            train = Train.of(datagrams)
            self._bring(self.manager.client_train_received(self.now, client, local, train))

    def reply(self, flow: int, *datagrams: bytes) -> None:
        """The flow's backend sent these, and one reading found them all."""
        self._all_was_read()
        self._reply(flow, datagrams)

    def failed(self, flow: int, *datagrams: bytes, reason: str = "send_failed") -> None:
        """The kernel did not take these on their way to the backend."""
        self._all_was_read()
        self._failed(self.flows[flow], datagrams, DropReason[reason.upper()])

    def lost(self, flow: int, *datagrams: bytes) -> None:
        """These were not sent, as the socket has no route any more."""
        self._all_was_read()
        lost = self.manager.upstream_lost(self.now, self.flows[flow], Train.of(datagrams))
        self._bring(lost)

    def refused(self, flow: int, *, sending: bool = False) -> None:
        """The flow's socket reported port unreachable."""
        self._all_was_read()
        refused = self.manager.upstream_refused(self.now, self.flows[flow], sending=sending)
        self._bring(refused)

    def unreachable(self, flow: int) -> None:
        """The flow's socket reported another unreachable."""
        self._all_was_read()
        self._bring(self.manager.upstream_unreachable(self.now, self.flows[flow]))

    def fire(self) -> None:
        """One firing of the deadline timer, now."""
        self._all_was_read()
        self._bring(self.manager.deadline_passed(self.now))

    def wait(self, seconds: float) -> None:
        """Time passes; the timer fires at every deadline on the way, as the engine's does."""
        self._all_was_read()
        until = self.now + seconds
        while (deadline := self.manager.next_deadline()) <= until:
            self.now = max(self.now, deadline)
            self._bring(self.manager.deadline_passed(self.now))
        self.now = until

    def drain_began(self) -> None:
        """The listener takes no new flows."""
        self.manager.drain_began()

    def flows_ended(self, reason: str, which: Callable[[Flow], bool] = lambda flow: True) -> None:
        """These flows are to close; the timer has to fire for it."""
        self._all_was_read()
        self.manager.flows_ended(CloseReason[reason.upper()], which)

    def backend_removed(self, name: str, drain_time: float) -> None:
        """The backend left the configuration."""
        self._all_was_read()
        removed(self.cluster, self.backend(name), self.now, self.now + drain_time)

    def reconfigured(self, drain_time: float = inf, **keys: Any) -> None:
        """The operator changed the cluster: flow terms and cluster keys, given flat."""
        self._all_was_read()
        terms = {key: keys.pop(key) for key in sorted(keys.keys() & _TERMS)}
        before = self.cluster.settings
        settings = replace(before, terms=replace(before.terms, **terms), **keys)
        adopted(self.cluster, settings, self.now, self.now + drain_time)

    def listener_changed(self, **keys: Any) -> None:
        """The operator changed the listener."""
        self._all_was_read()
        self.manager.settings_changed(self.now, replace(self.manager.settings, **keys))

    def cluster_changed(self, now: float, cluster: Cluster, notice: Notice) -> None:
        """The cluster tells whoever watches it."""
        self.notices.append(notice)

    def goes_down(self, name: str) -> None:
        """Probes find the backend down."""
        self._all_was_read()
        went_down(self.cluster, self.backend(name), self.now)

    def comes_up(self, name: str) -> None:
        """Probes find the backend up."""
        self._all_was_read()
        came_up(self.cluster, self.backend(name), self.now)

    def tick(self, seconds: float = 0.0) -> None:
        """Time passes, and the cluster is told; the manager's timer is not fired."""
        self._all_was_read()
        self.now += seconds
        self.cluster.time_passed(self.now)

    def drains(self, name: str, deadline_s: float = inf, way: AtDeadline | None = None) -> None:
        """An operator drains the backend."""
        self._all_was_read()
        self.cluster.drain_began(self.now, self.backend(name), deadline_s, way)

    def told(self) -> list[Notice]:
        """The cluster's notices since the last look."""
        told, self.notices = self.notices, []
        return told

    def refuse_next(self, *reasons: str) -> None:
        """The kernel will not take the next datagrams to a backend, one for each reason."""
        self._refusals.extend(DropReason[reason.upper()] for reason in reasons)

    # What came out

    def expect(self, *lines: Line) -> None:
        """Exactly these commands, in this order, came out since the last look."""
        came, self.transcript = self.transcript, []
        assert came == list(lines)

    def commands(self) -> list[Line]:
        """All commands since the last look, for tests of many."""
        came, self.transcript = self.transcript, []
        return came

    def backend(self, name: str) -> Backend:
        """The configured backend of this name."""
        (found,) = (each for each in self.cluster.backends if each.name == name)
        return found

    @property
    def live(self) -> list[int]:
        """The numbers of the flows that have an upstream."""
        return sorted(self.sockets)

    def dropped(self) -> dict[str, int]:
        """The drops by reason, those that happened."""
        return {str(k): v for k, v in self.manager.counters.dropped.items() if v}

    def shed(self) -> dict[str, int]:
        """The flows refused by reason, those that were."""
        return {str(k): v for k, v in self.manager.counters.shed.items() if v}

    def closed(self) -> dict[str, int]:
        """The closes by reason, those that happened."""
        return {str(k): v for k, v in self.manager.counters.closed.items() if v}

    def without_checks(self) -> None:
        """For thousands of flows: check the invariants at the end alone."""
        self._check_everything = False

    def over(self) -> None:
        """The play is over: nothing is left over, and when all flows end nothing is left at all."""
        self._all_was_read()
        self.manager.check_invariants()
        self.flows_ended("shutdown")
        while self.manager.next_deadline() <= self.now:
            self._bring(self.manager.deadline_passed(self.now))
        counters = self.manager.counters
        assert not self.sockets
        assert counters.admitted == sum(counters.closed.values()) == len(self.ended)
        assert self.manager.next_deadline() == inf
        assert len(self.manager.slab) == 0
        assert self.manager.slab.places == []
        self.check()

    # The shell

    def _all_was_read(self) -> None:
        assert self.transcript == [], "commands that the test did not expect"

    def _bring(self, commands: Sequence[Command]) -> None:
        """Carry commands out in order, and those that an answer brings before the next."""
        self._check()
        for command in commands:
            self._carry_out(command)

    def _carry_out(self, command: Command) -> None:
        match command:
            case SendToBackend(flow, train):
                self._send(flow, train)
            case SendToClient(flow, train):
                assert flow.id in self.sockets
                self._say("answers", flow, *train.datagrams())
            case CloseUpstream(flow, reason):
                del self.sockets[flow.id]
                assert flow.id not in self.ended, "a flow closes once"
                self.ended[flow.id] = reason
                self._say("closes", flow, reason)
            case ReadUpstream(flow):
                assert flow.id in self.sockets
                self._say("reads", flow)
                self._read(flow)
            case ReopenUpstream(flow, train):
                assert flow.id in self.sockets
                self._say("reopens", flow, flow.backend.name)
                if self.open_failures:
                    self.open_failures.popleft()
                    self._bring(self.manager.upstream_lost(self.now, flow, train))
                else:
                    self._send(flow, train)
            case Postpone(client, _, train):
                self.transcript.append(Line("postpones", 0, (client, *train.datagrams())))
                self.postponed.append(command)
            case OpenUpstream(flow, train):
                self._bring(self._open(flow, train))
            case ResendToBackend(flow, train):
                assert flow.id in self.sockets
                self._say("resends", flow, *train.datagrams())
            case _:
                assert_never(command)

    def _open(self, flow: Flow, train: Train) -> Sequence[Command]:
        self.flows[flow.id] = flow
        self._say("opens", flow, flow.backend.name)
        failure = self.unopenable.get(flow.backend.name)
        if self.open_failures:
            failure = self.open_failures.popleft()
        if failure is not None:
            return self.manager.open_failed(self.now, flow, train, failure)
        assert flow.id not in self.sockets
        self.sockets[flow.id] = flow.backend
        return self.manager.upstream_opened(self.now, flow, train)

    def _send(self, flow: Flow, train: Train) -> None:
        if flow.id in self.ended:  # closed by the answer to a send before this one
            self._failed(flow, list(train.datagrams()), DropReason.SEND_FAILED)
            return
        self._say("sends", flow, *train.datagrams())
        assert flow.backend is self.sockets[flow.id], "it is connected to another backend"
        for datagram in train.datagrams():
            if self._refusals:
                self._failed(flow, [datagram], self._refusals.popleft())

    def _read(self, flow: Flow) -> None:
        if not self.reading:
            return
        found = self.waiting.pop(flow.id, None)
        if found:
            self._reply(flow.id, found)
        else:
            self._bring(self.manager.upstream_was_silent(self.now, flow))

    def _reply(self, flow: int, datagrams: Sequence[bytes]) -> None:
        assert flow in self.sockets, "a flow without a socket hears nothing"
        train = Train.of(datagrams)
        self._bring(self.manager.backend_train_received(self.now, self.flows[flow], train))

    def _failed(self, flow: Flow, datagrams: Sequence[bytes], reason: DropReason) -> None:
        size = sum(map(len, datagrams))
        self._bring(self.manager.request_failed(self.now, flow, len(datagrams), size, reason))

    def _say(self, verb: str, flow: Flow, *what: object) -> None:
        self.transcript.append(Line(verb, flow.id, what))

    def _check(self) -> None:
        if self._check_everything:
            self.check()

    def check(self) -> None:
        """Check the invariants, and that the engine's kept bytes are those of its flows."""
        self.manager.check_invariants()
        if self._alone:
            flows = [flow for flow in self.manager.slab.places if flow is not None]
            assert self.capacity.kept_bytes == sum(flow.kept_bytes for flow in flows)
