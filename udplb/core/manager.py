"""The flow manager: all flows of one listener, and every decision about them.

Inputs are the methods in the past tense; each returns the commands that the shell carries out, in
order, before it brings the next input. The theory in six rules:

1. The table holds exactly the current flows. A client without one may have leaving flows; the
   youngest of them is remembered, to carry on should its successor be refused.
2. A flow leaves when it has no client datagrams left to take, and never returns.
3. A request counts when it is handed to the shell; what the kernel refused is taken back.
4. A flow whose deadline has passed is not closed but read once more; only silence closes it.
5. Whatever handles many flows closes or moves at most CLOSES_PER_FIRING of them, and visits at
   most VISITS_PER_FIRING, before other work has its turn; a round admits at most
   ADMISSIONS_PER_ROUND.
6. What is dropped is counted by its reason and answered by nobody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from math import inf

from udplb.core.admission import Admission
from udplb.core.backend import Backend
from udplb.core.books import Books
from udplb.core.cluster import Cluster
from udplb.core.commands import (
    Command,
    OpenUpstream,
    Postpone,
    ReadUpstream,
    ReopenUpstream,
    SendToBackend,
    SendToClient,
)
from udplb.core.counters import Drop, RecentDrops
from udplb.core.deadlines import TICKS_PER_SECOND
from udplb.core.flow import ClientAddress, Flow, FlowKey, LocalAddress, State, client_of
from udplb.core.limits import Capacity, OwnAddresses
from udplb.core.reasons import SHED_REASONS, CloseReason, DropReason
from udplb.core.settings import ListenerSettings
from udplb.core.sweep import Sweep
from udplb.core.train import Train

CLOSES_PER_FIRING = 64
"""Reading 256 sockets once more and closing them takes 6 ms: too long for a datagram to wait."""
VISITS_PER_FIRING = 2_048
"""Flows with traffic that one firing puts in line again: about a millisecond."""
ADMISSIONS_PER_ROUND = 64
REOPEN_PAUSE_S = 1.0
"""A route may be gone for long: an upstream is opened anew at most so often."""
LOOK_AGAIN_S = 2 / TICKS_PER_SECOND
"""A flow that is being read once more stands in line again, in case the shell does not answer."""

_NEVER = -inf
_NOTHING: Sequence[Command] = ()


class FlowManager:
    """The flows of one listener. Not thread-safe: the engine's thread owns it."""

    def __init__(
        self,
        settings: ListenerSettings,
        cluster: Cluster,
        capacity: Capacity,
        own: OwnAddresses,
        recent_drops: RecentDrops,
    ) -> None:
        self.settings = settings
        self.cluster = cluster
        self._capacity = capacity
        self._admission = Admission(settings, capacity, own)
        self._books = Books(self._admission)
        self.counters = self._books.counters
        self.slab = self._books.slab
        self._current = self._books.current
        self._deadlines = self._books.deadlines
        self._recent_drops = recent_drops
        self._sweeps: deque[Sweep] = deque()
        self._admissions_left = ADMISSIONS_PER_ROUND

    # Datagrams

    def round_began(self) -> None:
        """The shell starts another round of reading: it may admit flows again."""
        self._admissions_left = ADMISSIONS_PER_ROUND

    def client_train_received(
        self, now: float, client: ClientAddress, local: LocalAddress | None, train: Train
    ) -> Sequence[Command]:
        """A client sent a train to the listener; `local` where that is bound to a wildcard."""
        key: FlowKey = client if local is None else (client, local)
        flow = self._current.get(key)
        if flow is not None and train.count < flow.left:
            # The one path that established flows take.
            flow.left -= train.count
            self._count_requests(now, flow, train)
            return (SendToBackend(flow, train),)
        commands: list[Command] = []
        rest: Train | None = train
        if flow is not None:
            rest = self._forward(now, flow, train, commands)
        if rest is not None:
            self._welcome(now, key, client, local, rest, commands)
        return commands

    def backend_train_received(self, now: float, flow: Flow, train: Train) -> Sequence[Command]:
        """The flow's backend sent a train: all that one reading of its upstream found."""
        count, size = train.count, train.size
        if flow.first_reply_at is None:
            flow.first_reply_at = now
        flow.last_reply_at = now
        flow.reopened_at = _NEVER
        flow.replies += count
        flow.reply_bytes += size
        backend, counters = flow.backend, self.counters
        backend.replies += count
        backend.reply_bytes += size
        counters.replies += count
        counters.reply_bytes += size
        if flow.terms.responses and flow.answered:
            commands: list[Command] = [SendToClient(flow, train)]
            commands.append(self._books.close(flow, CloseReason.ANSWERED))
            return commands
        return (SendToClient(flow, train),)

    def datagrams_dropped(
        self, now: float, client: ClientAddress, reason: DropReason, count: int
    ) -> None:
        """The shell dropped `count` datagrams of this client, or on their way to it."""
        self._drop(now, client, reason, count)

    # Upstreams

    def upstream_opened(self, now: float, flow: Flow, train: Train) -> Sequence[Command]:
        """The shell opened the flow's upstream; `train` waited for it."""
        commands: list[Command] = []
        flow.predecessor = None
        rest = self._forward(now, flow, train, commands)
        if rest is not None:
            self._welcome(now, flow.key, flow.client_address, flow.local, rest, commands)
        return commands

    def open_failed(
        self, now: float, flow: Flow, train: Train, reason: DropReason
    ) -> Sequence[Command]:
        """The shell could not open the upstream, for no_descriptor, no_port or unreachable.

        A backend that cannot be reached, or towards which no port is left, is replaced once by
        another; else the admission is undone and the train is carried by the client's leaving
        flow, or dropped.
        """
        commands: list[Command] = []
        first = flow.backend
        self.cluster.select_undone(first)
        if reason is DropReason.UNREACHABLE:
            first.unreachable += 1
        if reason is not DropReason.NO_DESCRIPTOR and not flow.second_choice:
            other = self.cluster.select(flow.client, without=first)
            if other is not None:
                self._books.move(flow, other)
                flow.second_choice = True
                commands.append(OpenUpstream(flow, train))
                return commands
        self._books.undo(flow)
        self._refuse(now, flow.key, flow.client_address, train, reason, commands)
        return commands

    def upstream_lost(self, now: float, flow: Flow, train: Train) -> Sequence[Command]:
        """The train was not sent: the socket has no route any more, though a new one may have."""
        if not flow.live or now < flow.reopened_at + REOPEN_PAUSE_S:
            return self.request_failed(now, flow, train.count, train.size, DropReason.UNREACHABLE)
        flow.reopened_at = now
        return (ReopenUpstream(flow, train),)

    def upstream_refused(self, now: float, flow: Flow) -> Sequence[Command]:
        """The backend's host answered an earlier datagram with port unreachable."""
        flow.backend.refusals += 1
        return _NOTHING

    def upstream_unreachable(self, now: float, flow: Flow) -> Sequence[Command]:
        """Some host on the way answered an earlier datagram with unreachable."""
        flow.backend.unreachable += 1
        return _NOTHING

    def upstream_was_silent(self, now: float, flow: Flow) -> Sequence[Command]:
        """`ReadUpstream` found nothing: a flow that is due ends now."""
        if not flow.live or flow.due() > now:
            return _NOTHING
        commands: list[Command] = []
        commands.append(self._books.close(flow, flow.leave_reason or CloseReason.IDLE))
        return commands

    def request_failed(
        self, now: float, flow: Flow, count: int, size: int, reason: DropReason
    ) -> Sequence[Command]:
        """The kernel did not take `count` client datagrams of `size` bytes: they never were."""
        for counted in (flow, flow.backend, self.counters):
            counted.requests -= count
            counted.request_bytes -= size
        if flow.state is State.CURRENT:
            flow.left += count
        self._drop(now, flow.client_address, reason, count)
        commands: list[Command] = []
        if flow.live and flow.answered:
            commands.append(self._books.close(flow, CloseReason.ANSWERED))
        return commands

    def reply_failed(self, now: float, flow: Flow, count: int, reason: DropReason) -> None:
        """The kernel did not take `count` datagrams to the client. They still were replies."""
        self._drop(now, flow.client_address, reason, count)

    # Time

    @property
    def sweeping(self) -> bool:
        """Whether something that concerns many flows goes on."""
        return bool(self._sweeps)

    def next_deadline(self) -> float:
        """When `deadline_passed` has something to do; infinity while no flow lives.

        0 while a sweep goes on.
        """
        return 0.0 if self._sweeps else self._deadlines.next()

    def deadline_passed(self, now: float) -> Sequence[Command]:
        """Handle what is due by `now`, at most CLOSES_PER_FIRING closes and leaves of it.

        Afterwards the next deadline is later than `now`, or that many were made or asked for, or
        there are more flows to visit.
        """
        commands: list[Command] = []
        budget = self._sweep(now, commands, CLOSES_PER_FIRING)
        visits = VISITS_PER_FIRING
        while min(budget, visits) > 0 and (flow := self._deadlines.pop(now)) is not None:
            visits -= 1
            due = flow.due()
            if due > now:
                self._deadlines.put(flow, due, now)
            elif now >= flow.end_by:
                self._deadlines.put(flow, due, now)
                commands.append(self._books.close(flow, flow.leave_reason or CloseReason.IDLE))
                budget -= 1
            elif flow.state is State.CURRENT and flow.outlived(now):
                self._deadlines.put(flow, now + LOOK_AGAIN_S, now)
                self._books.leave(now, flow, CloseReason.MAX_AGE)
                budget -= 1
            else:
                self._deadlines.put(flow, now + LOOK_AGAIN_S, now)
                commands.append(ReadUpstream(flow))
                budget -= 1
        return commands

    def shrink(self) -> None:
        """Give back the memory of tables that once were large and are empty now."""
        self._books.shrink()
        self._admission.shrink()

    # What operators do

    def drain_began(self) -> None:
        """No new flows from now on; those that exist live to their end."""
        self._admission.draining = True

    def flows_ended(self, reason: CloseReason, which: Callable[[Flow], bool]) -> None:
        """Every flow that `which` holds for is to close for `reason`, in slices."""
        self._sweeps.append(Sweep(which, reason, leave_by=None))

    def backend_removed(self, backend: Backend, end_by: float) -> None:
        """The backend's flows are leaving; those that are left at `end_by` close then."""
        self._sweeps.append(
            Sweep(lambda flow: flow.backend is backend, CloseReason.BACKEND_REMOVED, end_by)
        )

    # Forwarding

    def _count_requests(self, now: float, flow: Flow, train: Train) -> None:
        count, size = train.count, train.size
        flow.last_request_at = now
        flow.requests += count
        flow.request_bytes += size
        backend, counters = flow.backend, self.counters
        backend.requests += count
        backend.request_bytes += size
        counters.requests += count
        counters.request_bytes += size

    def _forward(
        self, now: float, flow: Flow, train: Train, commands: list[Command]
    ) -> Train | None:
        """Let a current flow take what it may of the train; the rest is for its successor."""
        rest = None
        if train.count > flow.left:
            train, rest = train.split(flow.left)
        flow.left -= train.count
        self._count_requests(now, flow, train)
        commands.append(SendToBackend(flow, train))
        if flow.left == 0:
            self._books.leave(now, flow, CloseReason.REQUESTS)
        return rest

    # Admission

    def _welcome(
        self,
        now: float,
        key: FlowKey,
        client_address: ClientAddress,
        local: LocalAddress | None,
        train: Train,
        commands: list[Command],
    ) -> None:
        """A train of a client that has no current flow: admit one, or refuse it."""
        client = client_of(client_address)
        reason = self._admission.bar(client)
        if reason is not None:
            self._drop(now, client_address, reason, train.count)
            return
        if key not in self._books.leaving:
            opening = self._without_empty_head(now, client_address, train)
            if opening is None:
                return
            train = opening
        if self._admissions_left == 0:
            commands.append(Postpone(client_address, local, train))
            return
        reason = self._admission.shed(now, client)
        backend = None
        if reason is None:
            backend = self.cluster.select(client)
            if backend is None:
                self._admission.token_unused()
                reason = DropReason.NO_BACKEND
        if backend is None:
            assert reason is not None
            self._refuse(now, key, client_address, train, reason, commands)
            return
        self._capacity.serial += 1
        flow = Flow(
            serial=self._capacity.serial,
            key=key,
            client=client,
            client_address=client_address,
            local=local,
            backend=backend,
            terms=self.cluster.settings.terms,
            now=now,
        )
        self._books.admit(now, flow)
        self._admissions_left -= 1
        commands.append(OpenUpstream(flow, train))

    def _without_empty_head(
        self, now: float, client_address: ClientAddress, train: Train
    ) -> Train | None:
        """The train from its first datagram on that is not empty; None if all are."""
        empty = 0
        for datagram in train.datagrams():
            if datagram:
                break
            empty += 1
        if empty == 0:
            return train
        self._drop(now, client_address, DropReason.EMPTY, empty)
        return None if empty == train.count else train.split(empty)[1]

    def _refuse(
        self,
        now: float,
        key: FlowKey,
        client_address: ClientAddress,
        train: Train,
        reason: DropReason,
        commands: list[Command],
    ) -> None:
        """No flow for this train: its client's leaving flow carries it on, or it is dropped."""
        if reason in SHED_REASONS:
            self.counters.shed[reason] += 1
        predecessor = self._books.leaving.get(key)
        if predecessor is None:
            self._drop(now, client_address, reason, train.count)
            return
        self.counters.succession_refused += train.count
        self._count_requests(now, predecessor, train)
        commands.append(SendToBackend(predecessor, train))

    def _drop(self, now: float, client: ClientAddress, reason: DropReason, count: int) -> None:
        self.counters.dropped[reason] += count
        self._recent_drops.append(Drop(now, client, reason))

    # Many at once

    def _sweep(self, now: float, commands: list[Command], budget: int) -> int:
        """Go on with the oldest sweep; returns what is left of the budget of closes and moves."""
        while self._sweeps and budget > 0:
            sweep = self._sweeps[0]
            flows, finished = sweep.slice(self.slab, budget)
            for flow in flows:
                if sweep.leave_by is None:
                    commands.append(self._books.close(flow, sweep.reason))
                elif flow.state is State.CURRENT:
                    self._books.leave(now, flow, sweep.reason, sweep.leave_by)
                else:
                    flow.end_by = min(flow.end_by, sweep.leave_by)
                    self._deadlines.hasten(flow, now)
            budget -= len(flows)
            if finished:
                self._sweeps.popleft()
            else:
                return 0
        return budget

    def check_invariants(self) -> None:
        """Raise AssertionError if the books disagree. For tests and simulation: it is slow."""
        self._books.check_invariants()
        for backend in self.cluster.backends:
            assert min(backend.requests, backend.request_bytes, backend.refusals) >= 0
