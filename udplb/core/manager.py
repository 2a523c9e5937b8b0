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

from collections.abc import Callable, Sequence
from math import inf

from udplb.core.address import Address
from udplb.core.admission import Admission
from udplb.core.books import Books
from udplb.core.cluster import Cluster
from udplb.core.commands import (
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
from udplb.core.deadlines import TICKS_PER_SECOND
from udplb.core.flow import ClientAddress, Flow, FlowKey, LocalAddress, State
from udplb.core.kept import KeptTrains
from udplb.core.limits import Capacity, OwnAddresses
from udplb.core.notices import Notice, SettingsChanged
from udplb.core.reasons import CloseReason, DropReason
from udplb.core.reception import Reception
from udplb.core.settings import ListenerSettings
from udplb.core.sweep import Sweep, Sweeps
from udplb.core.train import Train

CLOSES_PER_FIRING = 64
"""Reading 256 sockets once more and closing them takes 6 ms: too long for a datagram to wait."""
VISITS_PER_FIRING = 2_048
"""Flows with traffic that one firing puts in line again: about a millisecond."""
REOPEN_PAUSE_S = 1.0
"""A route may be gone for long: an upstream is opened anew at most so often."""
LOOK_AGAIN_S = 2 / TICKS_PER_SECOND
"""A flow that is being read once more stands in line again, in case the shell does not answer."""

_NEVER = -inf
_NOTHING: Sequence[Command] = ()


def _any(flow: Flow) -> bool:
    return True


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
        self._kept = KeptTrains(capacity, cluster.settings.resend)
        self._books = Books(self._admission, self._kept)
        self.counters = self._books.counters
        self.slab = self._books.slab
        self._current = self._books.current
        self._deadlines = self._books.deadlines
        self._reception = Reception(cluster, capacity, self._admission, self._books, recent_drops)
        self._sweeps = Sweeps(cluster, self._books)
        cluster.watchers.append(self)

    # Datagrams

    def round_began(self) -> None:
        """The shell starts another round of reading: it may admit flows again."""
        self._reception.round_began()

    def client_train_received(
        self, now: float, client: ClientAddress, local: LocalAddress | None, train: Train
    ) -> Sequence[Command]:
        """A client sent a train to the listener; `local` where that is bound to a wildcard."""
        key: FlowKey = client if local is None else (client, local)
        flow = self._current.get(key)
        if flow is not None and train.count < flow.left:
            # The one path that established flows take.
            flow.left -= train.count
            self._books.count_requests(now, flow, train)
            return (SendToBackend(flow, train),)
        commands: list[Command] = []
        self._take_in(now, key, client, local, train, commands)
        return commands

    def backend_train_received(self, now: float, flow: Flow, train: Train) -> Sequence[Command]:
        """The flow's backend sent a train: all that one reading of its upstream found."""
        count, size = train.count, train.size
        backend, counters = flow.backend, self.counters
        if flow.first_reply_at is None:
            flow.first_reply_at = now
            backend.first_replies += 1
            backend.first_reply_s += now - flow.admitted_at
        if backend.suspect:
            self.cluster.backend_replied(now, backend)
        if flow.kept or flow.refused:
            self._kept.forget(flow)
        flow.last_reply_at = now
        flow.reopened_at = _NEVER
        flow.replies += count
        flow.reply_bytes += size
        backend.replies += count
        backend.reply_bytes += size
        counters.replies += count
        counters.reply_bytes += size
        if flow.terms.responses:
            owed = flow.requests * flow.terms.responses
            backend.answered += min(owed, flow.replies) - min(owed, flow.replies - count)
            if flow.live and flow.answered:
                return (SendToClient(flow, train), self._books.close(flow, CloseReason.ANSWERED))
        return (SendToClient(flow, train),)

    def datagrams_dropped(
        self, now: float, client: ClientAddress, reason: DropReason, count: int
    ) -> None:
        """The shell dropped `count` datagrams of this client, or on their way to it."""
        self._reception.drop(now, client, reason, count)

    # Upstreams

    def upstream_opened(self, now: float, flow: Flow, train: Train) -> Sequence[Command]:
        """The shell opened the flow's upstream; `train` waited for it."""
        commands: list[Command] = []
        flow.opening = False
        flow.predecessor = None
        rest = self._forward(now, flow, train, commands)
        if rest is not None:
            self._reception.welcome(now, flow.key, flow.client_address, flow.local, rest, commands)
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
            first.unsent += train.count
            self.cluster.backend_refused(now, first)
        if reason is not DropReason.NO_DESCRIPTOR and not flow.second_choice:
            other = self.cluster.select(flow.client, without=first)
            if other is not None:
                self._books.move(flow, other)
                flow.second_choice = True
                commands.append(OpenUpstream(flow, train))
                return commands
        self._books.undo(flow)
        self._reception.refuse(now, flow.key, flow.client_address, train, reason, commands)
        return commands

    def upstream_lost(self, now: float, flow: Flow, train: Train) -> Sequence[Command]:
        """The train was not sent: the socket has no route any more, though a new one may have."""
        if not flow.live or now < flow.reopened_at + REOPEN_PAUSE_S:
            self.cluster.backend_refused(now, flow.backend)
            if self._kept.has(flow) and self._sweeps.will_move(flow):
                flow.refused = True
                return _NOTHING
            return self.request_failed(now, flow, train.count, train.size, DropReason.UNREACHABLE)
        flow.reopened_at = now
        return (ReopenUpstream(flow, train),)

    def upstream_refused(
        self, now: float, flow: Flow, *, sending: bool = False
    ) -> Sequence[Command]:
        """The backend's host answered an earlier datagram with port unreachable.

        `sending`: that came out while the flow's last train was sent, so it is not about that.
        """
        flow.backend.refusals += 1
        return self._met_refusal(now, flow, sending)

    def upstream_unreachable(
        self, now: float, flow: Flow, *, sending: bool = False
    ) -> Sequence[Command]:
        """Some host on the way answered an earlier datagram with unreachable."""
        flow.backend.unreachable += 1
        return self._met_refusal(now, flow, sending)

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
        self._books.take_back_requests(flow, count, size)
        if flow.state is State.CURRENT:
            flow.left += count
        self._reception.drop(now, flow.client_address, reason, count)
        commands: list[Command] = []
        if flow.live and flow.answered:
            commands.append(self._books.close(flow, CloseReason.ANSWERED))
        return commands

    def reply_failed(self, now: float, flow: Flow, count: int, reason: DropReason) -> None:
        """The kernel did not take `count` datagrams to the client. They still were replies."""
        self._reception.drop(now, flow.client_address, reason, count)

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
        self._reception.round_began()
        moved: list[Flow] = []
        visits = VISITS_PER_FIRING
        budget = self._sweeps.go_on(now, commands, moved, CLOSES_PER_FIRING, visits)
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
        # Last, as nothing may happen to a flow while its upstream is still to be opened.
        for flow in moved:
            self._rescue(now, flow, commands)
        return commands

    def shrink(self) -> None:
        """Give back the memory of tables that once were large and are empty now."""
        self._books.shrink()
        self._admission.shrink()

    # What operators do

    def cluster_changed(self, now: float, cluster: Cluster, notice: Notice) -> None:
        """Something happened to the cluster: flows may have to go."""
        if isinstance(notice, SettingsChanged):
            self._kept.switched_on = cluster.settings.resend
        self._sweeps.cluster_changed(notice)

    def settings_changed(self, now: float, settings: ListenerSettings) -> None:
        """The operator set other limits; of the flows only those close that are denied now."""
        before, self.settings = self.settings, settings
        self._admission.settings_changed(now, settings)
        if (settings.allow, settings.deny) != (before.allow, before.deny):
            self.flows_ended(CloseReason.DENIED, self._is_denied)

    def _is_denied(self, flow: Flow) -> bool:
        return self._admission.denies(flow.client)

    def drain_began(self) -> None:
        """No new flows from now on; those that exist live to their end."""
        self._admission.draining = True

    def listener_replaced(self, now: float, end_by: float) -> None:
        """Another listener has its clients now: all flows are leaving, and end by `end_by`."""
        self.drain_began()
        self._sweeps.begin(Sweep(_any, CloseReason.LISTENER_REMOVED, end_by))

    def listener_removed(self) -> None:
        """The listener left the configuration: no new flows, and those that exist close."""
        self.drain_began()
        self.flows_ended(CloseReason.LISTENER_REMOVED, _any)

    def withdraw(self) -> None:
        """The last flow is gone, and the listener with it: hear no more of the cluster."""
        self.cluster.watchers.remove(self)

    def flows_ended(self, reason: CloseReason, which: Callable[[Flow], bool]) -> None:
        """Every flow that `which` holds for is to close for `reason`, in slices."""
        self._sweeps.begin(Sweep(which, reason))

    def bar_reason(self, now: float, client: Address) -> DropReason | None:
        """Why this client would get no flow if it came now; None: it would. Takes nothing."""
        reason = self._admission.refusal(now, client)
        if reason is None and not self.cluster.usable():
            return DropReason.NO_BACKEND
        return reason

    # Forwarding

    def _take_in(
        self,
        now: float,
        key: FlowKey,
        client_address: ClientAddress,
        local: LocalAddress | None,
        train: Train,
        commands: list[Command],
    ) -> None:
        """Let the client's current flow take what it may, and a new one the rest."""
        flow = self._current.get(key)
        if flow is not None and flow.opening:
            commands.append(Postpone(client_address, local, train))  # two rescues in one firing
            return
        rest = train if flow is None else self._forward(now, flow, train, commands)
        if rest is not None:
            self._reception.welcome(now, key, client_address, local, rest, commands)

    def _forward(
        self, now: float, flow: Flow, train: Train, commands: list[Command]
    ) -> Train | None:
        """Let a current flow take what it may of the train; the rest is for its successor."""
        rest = None
        if train.count > flow.left:
            train, rest = train.split(flow.left)
        flow.left -= train.count
        self._books.count_requests(now, flow, train)
        commands.append(SendToBackend(flow, train))
        if flow.left == 0:
            self._books.leave(now, flow, CloseReason.REQUESTS)
        return rest

    # Backends that refuse

    def _met_refusal(self, now: float, flow: Flow, sending: bool) -> Sequence[Command]:
        """What the flow sent is lost, if nothing is done: send it again, here or elsewhere."""
        self.cluster.backend_refused(now, flow.backend)
        flow.refused = True
        if flow.leave_reason is CloseReason.MOVED:
            commands: list[Command] = []
            self._rescue(now, flow, commands)
            return commands
        if sending or self._sweeps.will_move(flow):
            return _NOTHING  # the train is on its way, or will be rescued in a moment
        train = self._kept.to_resend(now, flow)
        if train is None:
            return _NOTHING
        flow.backend.resent += train.count
        self.counters.resent += train.count
        return (ResendToBackend(flow, train),)

    def _rescue(self, now: float, flow: Flow, commands: list[Command]) -> None:
        """Take what a moved flow sent in vain to its client's next flow.

        In vain is what met a refusal, and what was sent since refusals began: no reply of the
        backend, on any flow, has come after that. (Hosts limit how many refusals they send.)
        """
        if not (flow.refused or flow.last_request_at >= flow.backend.health.refuses_since):
            return
        train = self._kept.take(flow)
        if train is None:
            return
        flow.refused = True  # should nobody take the train, the flow ends
        current = self._current.get(flow.key)
        if current is not None and current.backend is flow.backend and not flow.backend.up:
            # It has to leave as well, and what it sent is rescued when its turn comes.
            self._books.leave(now, current, CloseReason.MOVED)
        counters = self.counters
        counters.resent += train.count
        counters.requests -= train.count  # whoever takes them counts them: once, not twice
        counters.request_bytes -= train.size
        self._take_in(now, flow.key, flow.client_address, flow.local, train, commands)

    def check_invariants(self) -> None:
        """Raise AssertionError if the books disagree. For tests and simulation: it is slow."""
        self._books.check_invariants()
        self.cluster.check_invariants()
        self._admission.check_settings(self.settings)
        assert self._kept.switched_on is self.cluster.settings.resend
        if not self.sweeping:
            self._sweeps.check_invariants()
            assert not any(map(self._is_denied, self._books.flows()))
