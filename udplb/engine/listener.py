"""A listener: receives in bounded rounds, groups trains by client, sends replies home.

A datagram's first and last room. What a train means is decided by the flow manager.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence

from udplb.core.commands import Command, Postpone
from udplb.core.flow import ClientAddress, LocalAddress
from udplb.core.manager import FlowManager
from udplb.core.reasons import DropReason
from udplb.core.settings import ListenerSettings
from udplb.core.train import Train
from udplb.engine import kernel
from udplb.engine.binding import BoundSocket
from udplb.engine.egress import LISTENER_BYTES_MAX, LISTENER_TRAINS_MAX, EgressQueue
from udplb.engine.errors import DROP_REASONS
from udplb.engine.inlet import Inlets
from udplb.engine.kernel import ReceiveQueue
from udplb.engine.outlet import Trouble
from udplb.engine.upstream import Upstream

_log = logging.getLogger(__name__)

CarryOut = Callable[[float, "Listener", Sequence[Command]], None]
"""What carries out the manager's commands: the datapath."""


class Listener:
    """One bound socket with its flow manager."""

    def __init__(
        self, bound: BoundSocket, manager: FlowManager, carry_out: CarryOut, inlets: Inlets
    ) -> None:
        self.sock = bound.sock
        self.address = bound.address
        self.receive_buffer = bound.receive_buffer
        self.manager = manager
        self._carry_out = carry_out
        self.settings = manager.settings
        self._max_size = manager.settings.max_datagram_size
        self._inlet = inlets.inlet(bound.sock, wildcard=bound.address.is_wildcard)
        self.egress: EgressQueue[Upstream] = EgressQueue(LISTENER_TRAINS_MAX, LISTENER_BYTES_MAX)
        self._postponed: deque[Postpone] = deque()
        self.reads = True
        """Nobody else reads its socket, and it has not left the configuration."""
        self._handed_over = False
        self._watch_writable: Callable[[bool], None] = lambda _: None

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self.settings.name

    @property
    def bound(self) -> BoundSocket:
        """Its socket."""
        return BoundSocket(self.sock, self.address, self.receive_buffer)

    @property
    def receive_queue(self) -> ReceiveQueue:
        """What waits in its socket, and was lost before it; zeros once that is another's."""
        return ReceiveQueue(0, 0) if self._handed_over else kernel.receive_queue(self.sock)

    @property
    def coalesces(self) -> bool:
        """Whether UDP_GRO is on."""
        return self._inlet.coalesces

    @property
    def has_postponed(self) -> bool:
        """Whether trains wait for its next round."""
        return bool(self._postponed)

    @property
    def has_waiting(self) -> bool:
        """Whether datagrams wait that were not handed on, as far as the system tells."""
        return self.has_postponed or self.receive_queue.queued > 0

    def settings_changed(self, now: float, settings: ListenerSettings) -> None:
        """Its settings are now these; name, address and cluster are what they were."""
        self._fit_receive_buffer(self.settings.receive_buffer, settings.receive_buffer)
        self.settings = settings
        self._max_size = settings.max_datagram_size
        self.manager.settings_changed(now, settings)

    def take_over(self, predecessor: Listener) -> None:
        """Read from now on what `predecessor` has read so far, from the same socket."""
        self._inlet.inherit(predecessor._inlet)
        self._fit_receive_buffer(predecessor.settings.receive_buffer, self.settings.receive_buffer)
        predecessor._handed_over = True
        self._postponed.extend(predecessor._postponed)
        predecessor._postponed.clear()

    def _fit_receive_buffer(self, before: int, size: int) -> None:
        if size != before:
            self.receive_buffer = kernel.grow_receive_buffer(self.sock, size)

    def writable_watched_by(self, watch: Callable[[bool], None]) -> None:
        """`watch` asks the loop to call `flush` when the socket has room, or no longer to."""
        self._watch_writable = watch

    # In

    def read_round(self, now: float) -> None:
        """Read one bounded round and hand its trains on; what was postponed comes first."""
        self.manager.round_began()
        if self._postponed:
            self._hand_on_postponed(now)
            return
        if not self.reads:
            return
        try:
            arrivals = self._inlet.receive()
        except OSError as error:
            _log.warning("listener %s: receiving: %s", self.name, error)
            return
        max_size, carry_out = self._max_size, self._carry_out
        client_train_received = self.manager.client_train_received
        for client, local, train in arrivals:
            if train.largest > max_size:
                self._hand_on(now, client, local, train)
            else:
                carry_out(now, self, client_train_received(now, client, local, train))

    def _hand_on(
        self, now: float, client: ClientAddress, local: LocalAddress | None, train: Train
    ) -> None:
        if train.largest > self._max_size:
            allowed = self._without_oversize(now, client, train)
            if allowed is None:
                return
            train = allowed
        commands = self.manager.client_train_received(now, client, local, train)
        self._carry_out(now, self, commands)

    def postpone(self, command: Postpone) -> None:
        """Keep a train for the next round; until it is done nothing new is read."""
        self._postponed.append(command)

    def _hand_on_postponed(self, now: float) -> None:
        waiting, self._postponed = self._postponed, deque()
        for client, local, train in waiting:
            self._hand_on(now, client, local, train)

    def _without_oversize(self, now: float, client: ClientAddress, train: Train) -> Train | None:
        """The train without the datagrams that are too large, which are dropped."""
        kept = [each for each in train.datagrams() if len(each) <= self._max_size]
        dropped = train.count - len(kept)
        self.manager.datagrams_dropped(now, client, DropReason.OVERSIZE, dropped)
        return Train.of(kept) if kept else None

    # Out

    def send_to_client(self, now: float, upstream: Upstream, train: Train) -> None:
        """Send replies to the flow's client, behind those that wait already."""
        if self.egress.waiting:
            self._enqueue(now, upstream, train)
        elif (trouble := upstream.to_client.send(train)) is not None:
            self._handle(now, upstream, trouble)
            if self.egress:
                self._watch_writable(True)

    def flush(self, now: float) -> None:
        """The socket has room again: send what waits."""
        while self.egress:
            upstream, train = self.egress.pop()
            trouble = upstream.to_client.send(train)
            if trouble is not None:
                self._handle(now, upstream, trouble)
                if trouble.blocked is not None:
                    return
        self._watch_writable(False)

    def _handle(self, now: float, upstream: Upstream, trouble: Trouble) -> None:
        """What the full buffer did not take stands first in the queue; the rest is dropped."""
        for _, failure in trouble.failed:
            self.manager.reply_failed(now, upstream.flow, 1, DROP_REASONS[failure])
        if trouble.blocked is not None:
            self.egress.put_back(upstream, trouble.blocked)

    def _enqueue(self, now: float, upstream: Upstream, train: Train) -> None:
        if not self.egress.append(upstream, train):
            self.manager.reply_failed(now, upstream.flow, train.count, DropReason.QUEUE_FULL)
