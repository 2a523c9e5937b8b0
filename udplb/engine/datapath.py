"""The datapath: carries out the core's commands, and brings upstream readiness and time to it.

Each entry (`listener_readable`, `upstreams_ready`, `deadline_passed`) is one round; sockets are
closed at its end, so that no event of the round can mean another flow's new socket.
"""

from __future__ import annotations

import socket
from asyncio import AbstractEventLoop, Handle
from collections.abc import Callable, Sequence
from math import inf
from typing import assert_never

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
from udplb.core.flow import NO_UPSTREAM, Flow
from udplb.core.reasons import CloseReason, DropReason
from udplb.core.train import Train
from udplb.engine import kernel
from udplb.engine.addresses import family_of, reply_ancillary
from udplb.engine.batch import Batch
from udplb.engine.busy import BusyPolling
from udplb.engine.coalescing import COALESCE_BYTES, switch_coalescing_on, worth_coalescing
from udplb.engine.egress import FLOW_BYTES_MAX, FLOW_TRAINS_MAX, EgressQueue
from udplb.engine.errors import DROP_REASONS, Failure
from udplb.engine.listener import Listener
from udplb.engine.outlet import SEGMENT_ANY, SEGMENT_NONE, ClientOutlet, Trouble
from udplb.engine.poller import WRITABLE, new_poller
from udplb.engine.ports import Ports
from udplb.engine.upstream import OpenError, Upstream, open_socket

POLL_EVENTS_MAX = 64
"""Upstreams that one wake-up handles; the others are ready in the loop's next turn."""
ROUND_DATAGRAMS = 512
"""Replies after which the other upstreams of a wake-up wait for the next turn."""
EARLY_S = 0.001
"""uvloop rounds to milliseconds; a timer that fires before its deadline would fire for nothing."""

FlowWatcher = Callable[[Listener, Flow, CloseReason | None], None]
"""Told of every flow that was opened (None), and of every one that was closed, and why."""
Record = Callable[[float, Flow, bool, Train], None]
"""Told of a train on its way: when, of which flow, whether to the backend or to the client."""


class Datapath:
    """Owns the upstream sockets of all listeners. Lives in the engine's thread alone."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        clock: Callable[[], float],
        ports: Ports,
        *,
        segmentation: bool,
        coalescing: bool,
        batch: Batch | None,
    ) -> None:
        """`batch`: buffers for receiving many datagrams at once, shared with others of the loop;
        None where the system cannot."""
        self._loop = loop
        self._batch = batch
        self._now = clock
        self.busy_polling = BusyPolling(loop, clock)
        self._ports = ports
        self._runs_below = SEGMENT_ANY if segmentation else SEGMENT_NONE
        self._coalescing = coalescing
        self._upstreams: dict[int, Upstream] = {}
        self._of_flows: dict[int, Upstream] = {}
        """The same by the numbers of their flows."""
        self._closing: list[Upstream] = []
        self._unread: Sequence[tuple[int, int]] = ()
        self._unfinished: dict[Listener, None] = {}
        self._armed: dict[Listener, tuple[float, Handle]] = {}
        self._poller = new_poller()
        self.flow_watcher: FlowWatcher | None = None
        self.record: Record | None = None
        """Told of each train that goes to a backend or a client, once; None: nobody taps a flow."""
        self.kernel_drops_of_closed = 0
        """Datagrams that the kernel dropped before sockets that are closed by now."""
        loop.add_reader(self._poller.fileno(), self.upstreams_ready)

    # Listeners

    def serve(self, listener: Listener) -> None:
        """Read this listener from now on."""
        fd = listener.sock.fileno()
        self._loop.add_reader(fd, self.listener_readable, listener)

        def watch_writable(writable: bool) -> None:
            if writable:
                self._loop.add_writer(fd, self._listener_writable, listener)
            else:
                self._loop.remove_writer(fd)

        listener.writable_watched_by(watch_writable)
        if listener.has_postponed:  # by the one who read this socket before
            self._go_on(listener)

    def stop_reading(self, listener: Listener) -> None:
        """Read this listener's socket no more; its flows go on."""
        listener.reads = False
        self._loop.remove_reader(listener.sock.fileno())

    def retire(self, listener: Listener) -> None:
        """Stop serving this listener, whose flows are closed, and close its socket."""
        fd = listener.sock.fileno()
        self._loop.remove_reader(fd)
        self._loop.remove_writer(fd)
        _, timer = self._armed.pop(listener, (inf, None))
        if timer is not None:
            timer.cancel()
        self.kernel_drops_of_closed += listener.receive_queue.drops
        listener.writable_watched_by(lambda _: None)  # what watches knows the listener: a cycle
        listener.sock.close()

    def end_flows(self, listener: Listener) -> None:
        """Close all flows of the listener now, as the process ends."""
        listener.manager.flows_ended(CloseReason.SHUTDOWN, lambda flow: True)
        while listener.manager.sweeping:
            self.deadline_passed(listener)

    def listener_readable(self, listener: Listener) -> None:
        """One round of a listener."""
        if listener in self._unfinished:
            return  # its next round is on its way
        now = self._now()
        listener.read_round(now)
        self._round_ended(now, listener)
        self.busy_polling.round_ended()

    def _go_on(self, listener: Listener) -> None:
        """Trains were postponed: the next round comes though the socket may not be readable."""
        if listener not in self._unfinished:
            self._unfinished[listener] = None
            self._loop.call_soon(self._finish, listener)

    def _finish(self, listener: Listener) -> None:
        """The round that takes up what was postponed."""
        self._unfinished.pop(listener, None)
        if listener.sock.fileno() >= 0:
            self.listener_readable(listener)

    def _listener_writable(self, listener: Listener) -> None:
        listener.flush(self._now())

    # Upstreams

    def upstreams_ready(self) -> None:
        """One round of all upstreams that have something to read, or room to write."""
        now = self._now()
        upstreams = self._upstreams
        listeners: dict[Listener, None] = {}
        # First those for which the last round had no time: the poller has an order of its own.
        events = self._unread or self._poller.poll(POLL_EVENTS_MAX)
        self._unread = ()
        left = ROUND_DATAGRAMS
        for position, (fd, event) in enumerate(events):
            if left <= 0:
                self._unread = events[position:]
                break
            upstream = upstreams.get(fd)
            if upstream is None:
                continue  # closed since
            listeners[upstream.listener] = None
            if event & WRITABLE:
                self._flush(now, upstream)
            if event & ~WRITABLE and upstreams.get(fd) is upstream:
                left -= self._read(now, upstream)
        for listener in listeners:
            self.arm(now, listener)
        self._close_sockets(now)
        self.busy_polling.round_ended()

    def _read(self, now: float, upstream: Upstream) -> int:
        """Read an upstream and hand on what came; how many datagrams that were."""
        flow, listener = upstream.flow, upstream.listener
        train, failures = upstream.read(self._batch)
        if train is not None:
            self.carry_out(now, listener, listener.manager.backend_train_received(now, flow, train))
            if (
                train.largest >= COALESCE_BYTES
                and not upstream.coalesces
                and self._coalescing
                and worth_coalescing(train)
            ):
                upstream.coalesces = switch_coalescing_on(upstream.sock)
        for failure in failures:
            self._note(now, upstream, failure)
        return train.count if train is not None else 0

    def _flush(self, now: float, upstream: Upstream) -> None:
        """The upstream has room again: send what waits."""
        waiting, upstream.egress = upstream.egress, None
        self._poller.watch_writable(upstream.fd, False)
        while waiting:
            _, train = waiting.pop()
            # Not on this upstream: a send before may have replaced it, or closed the flow.
            self._send_to_backend(now, upstream.listener, upstream.flow, train)

    # Time

    def deadline_passed(self, listener: Listener) -> None:
        """One round of a listener's deadlines."""
        now = self._now()
        armed = self._armed.pop(listener, None)
        if armed is not None:
            armed[1].cancel()
        self.carry_out(now, listener, listener.manager.deadline_passed(now))
        self._round_ended(now, listener)

    def _round_ended(self, now: float, listener: Listener) -> None:
        self.arm(now, listener)
        self._close_sockets(now)

    def arm(self, now: float, listener: Listener) -> None:
        """See to it that the timer fires at the manager's next deadline, or before it."""
        deadline = listener.manager.next_deadline()
        armed = self._armed.get(listener)
        if deadline == inf or (armed is not None and armed[0] <= deadline):
            return
        if armed is not None:
            armed[1].cancel()
        timer: Handle
        if deadline <= now:
            timer = self._loop.call_soon(self.deadline_passed, listener)
        else:
            timer = self._loop.call_later(deadline - now + EARLY_S, self.deadline_passed, listener)
        self._armed[listener] = (deadline, timer)

    # Commands

    def carry_out(self, now: float, listener: Listener, commands: Sequence[Command]) -> None:
        """Carry the commands out in order; those that an answer brings before the next."""
        for command in commands:
            # The two of every train stand first: a match would cost as much as the rest.
            if isinstance(command, SendToBackend):
                if self.record is not None:
                    self.record(now, command.flow, True, command.train)
                self._send_to_backend(now, listener, command.flow, command.train)
                continue
            if isinstance(command, SendToClient):
                if self.record is not None:
                    self.record(now, command.flow, False, command.train)
                upstream = self._upstreams[command.flow.upstream]
                listener.send_to_client(now, upstream, command.train)
                continue
            # By keyword: a positional pattern leaves a string per match in CPython's type cache
            # (up to 3.12), thousands in all, each of which pins the memory around it.
            match command:
                case OpenUpstream(flow=flow, train=train):
                    self.carry_out(now, listener, self._open(now, listener, flow, train))
                case CloseUpstream(flow=flow, reason=reason):
                    self._close(now, listener, flow, reason)
                case ReadUpstream(flow=flow):
                    self._read_again(now, listener, flow)
                case ReopenUpstream(flow=flow, train=train):
                    self._reopen(now, listener, flow, train)
                case ResendToBackend(flow=flow, train=train):
                    self._resend(now, flow, train)
                case Postpone():
                    listener.postpone(command)
                    self._go_on(listener)
                case _:
                    assert_never(command)

    def _read_again(self, now: float, listener: Listener, flow: Flow) -> None:
        """A flow seems to be idle: what waits in its socket is activity."""
        upstream = self._upstreams.get(flow.upstream)
        if upstream is not None and not self._read(now, upstream):
            self.carry_out(now, listener, listener.manager.upstream_was_silent(now, flow))

    def _send_to_backend(self, now: float, listener: Listener, flow: Flow, train: Train) -> None:
        upstream = self._upstreams.get(flow.upstream)
        if upstream is None:  # closed by the answer to a send before this one
            self._failed(now, listener, flow, train, DropReason.SEND_FAILED)
        elif upstream.egress is not None:
            self._enqueue(now, upstream, train)
        elif (trouble := upstream.to_backend.send(train)) is not None:
            self._handle(now, upstream, trouble)

    def _resend(self, now: float, flow: Flow, train: Train) -> None:
        """Send a train once more, if there is room: it was counted the first time."""
        upstream = self._upstreams.get(flow.upstream)
        if upstream is None or upstream.egress is not None:
            return
        upstream.to_backend.start_over()
        trouble = upstream.to_backend.send(train)
        for failure in trouble.noted if trouble is not None else ():
            self._note(now, upstream, failure, sending=True)

    def _handle(self, now: float, upstream: Upstream, trouble: Trouble) -> None:
        """What did not go to the backend waits, is dropped, or goes on a new socket."""
        flow, listener = upstream.flow, upstream.listener
        if trouble.blocked is not None:
            upstream.egress = EgressQueue(FLOW_TRAINS_MAX, FLOW_BYTES_MAX)
            self._poller.watch_writable(upstream.fd, True)
            self._enqueue(now, upstream, trouble.blocked)
        lost = [datagram for datagram, failure in trouble.failed if failure is _LOST]
        for datagram, failure in trouble.failed:
            if failure is not _LOST:
                refused = Train.of([datagram])
                self._failed(now, listener, flow, refused, DROP_REASONS[failure])
        if lost:
            commands = listener.manager.upstream_lost(now, flow, Train.of(lost))
            self.carry_out(now, listener, commands)
        # Last: what they bring about must find what was not sent counted already.
        for failure in trouble.noted:
            self._note(now, upstream, failure, sending=True)

    def _enqueue(self, now: float, upstream: Upstream, train: Train) -> None:
        assert upstream.egress is not None
        if upstream.egress.append(upstream, train):
            return
        room = upstream.egress.room_for(train)
        if room:
            head, train = train.split(room)
            upstream.egress.append(upstream, head)
        self._failed(now, upstream.listener, upstream.flow, train, DropReason.QUEUE_FULL)

    def _failed(
        self, now: float, listener: Listener, flow: Flow, train: Train, reason: DropReason
    ) -> None:
        """The train is not going to the backend."""
        commands = listener.manager.request_failed(now, flow, train.count, train.size, reason)
        self.carry_out(now, listener, commands)

    def _note(
        self, now: float, upstream: Upstream, failure: Failure, *, sending: bool = False
    ) -> None:
        """Tell the core news about an earlier datagram, if it is news about the backend."""
        manager, flow = upstream.listener.manager, upstream.flow
        commands: Sequence[Command] = ()
        if failure is Failure.REFUSED:
            if not sending:  # else the outlet, which knows what it sent after that, saw to it
                upstream.to_backend.start_over()
            commands = manager.upstream_refused(now, flow, sending=sending)
        elif failure is Failure.UNREACHABLE:
            commands = manager.upstream_unreachable(now, flow, sending=sending)
        self.carry_out(now, upstream.listener, commands)

    def _open(self, now: float, listener: Listener, flow: Flow, train: Train) -> Sequence[Command]:
        """Open the flow's upstream; the core's answer to how that went."""
        to_client = ClientOutlet(
            listener.sock, flow.client_address, reply_ancillary(flow.local), self._runs_below
        )
        try:
            self._connect(now, listener, flow, to_client)
        except OpenError as error:
            return listener.manager.open_failed(now, flow, train, error.reason)
        if self.flow_watcher is not None:
            self.flow_watcher(listener, flow, None)
        return listener.manager.upstream_opened(now, flow, train)

    def _reopen(self, now: float, listener: Listener, flow: Flow, train: Train) -> None:
        """Replace the flow's socket, whose route is gone, and send the train on the new one."""
        old = self._upstreams[flow.upstream]
        self._read(now, old)  # replies that are there already
        if flow.upstream == old.fd:
            try:
                self._connect(now, listener, flow, old.to_client)
            except OpenError:
                lost = listener.manager.upstream_lost(now, flow, train)
                self.carry_out(now, listener, lost)
                return
            del self._upstreams[old.fd]
            self._closing.append(old)
        self._send_to_backend(now, listener, flow, train)
        while old.egress:  # what the old socket's buffer had no room for
            _, waiting = old.egress.pop()
            self._send_to_backend(now, listener, flow, waiting)

    def _connect(self, now: float, listener: Listener, flow: Flow, to_client: ClientOutlet) -> None:
        """Give the flow an upstream. Raises OpenError, having left nothing open."""
        sock, port, strays = open_socket(flow.backend.socket_address, self._ports, now)
        upstream = Upstream(flow, listener, sock, port, to_client)
        try:
            self._poller.watch(upstream.fd)
        except OSError:
            self._release(now, upstream)
            raise OpenError(DropReason.NO_DESCRIPTOR) from None
        flow.upstream = upstream.fd
        self._upstreams[upstream.fd] = self._of_flows[flow.id] = upstream
        if strays:
            listener.manager.datagrams_dropped(now, flow.client_address, DropReason.STRAY, strays)

    def _close(self, now: float, listener: Listener, flow: Flow, reason: CloseReason) -> None:
        upstream = self._upstreams.pop(flow.upstream)
        del self._of_flows[flow.id]
        self._closing.append(upstream)
        flow.upstream = NO_UPSTREAM
        while upstream.egress:
            _, train = upstream.egress.pop()
            self._failed(now, listener, flow, train, DropReason.QUEUE_FULL)
        if self.flow_watcher is not None:
            self.flow_watcher(listener, flow, reason)

    def _close_sockets(self, now: float) -> None:
        """The round is over: close what was taken out of use in it."""
        for upstream in self._closing:
            self._poller.forget(upstream.fd)
            if upstream.may_have_lost:
                self.kernel_drops_of_closed += kernel.receive_queue(upstream.sock).drops
            self._release(now, upstream)
        self._closing.clear()

    def _release(self, now: float, upstream: Upstream) -> None:
        """Close the upstream's socket; its port begins to rest."""
        upstream.sock.close()
        if upstream.port is not None:
            self._ports.release(family_of(upstream.backend), upstream.port)
            self._ports.give_back(upstream.backend, upstream.port, now)

    def flow(self, number: int) -> tuple[Listener, Flow] | None:
        """The live flow with this number, and its listener."""
        upstream = self._of_flows.get(number)
        return None if upstream is None else (upstream.listener, upstream.flow)

    def sockets_on(self, port: int) -> list[socket.socket]:
        """The upstream sockets that are bound to this local port."""
        return [each.sock for each in self._upstreams.values() if each.port == port]

    def shrink(self) -> None:
        """Give back the memory of tables that once were large and are empty now."""
        if not self._upstreams:
            self._upstreams.clear()
            self._of_flows.clear()
        self._ports.shrink()

    def stop(self) -> None:
        """Close every upstream and the poller, at the end of the process."""
        self._loop.remove_reader(self._poller.fileno())
        self._closing.extend(self._upstreams.values())
        self._upstreams.clear()
        self._of_flows.clear()
        self._close_sockets(self._now())
        self._poller.close()


_LOST = Failure.UNREACHABLE
"""On a send of its own: the socket has lost its route."""
