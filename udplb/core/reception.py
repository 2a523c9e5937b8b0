"""The reception: where a train goes whose client has no current flow.

A flow is admitted for it, or its admission is put off to the next round, or it is refused: then
the client's leaving flow carries it on, or it is dropped, counted by its reason.
"""

from __future__ import annotations

from udplb.core.admission import Admission
from udplb.core.books import Books
from udplb.core.cluster import Cluster
from udplb.core.commands import Command, OpenUpstream, Postpone, SendToBackend
from udplb.core.counters import Drop, RecentDrops
from udplb.core.flow import ClientAddress, Flow, FlowKey, LocalAddress, client_of
from udplb.core.limits import Capacity
from udplb.core.reasons import SHED_REASONS, CloseReason, DropReason
from udplb.core.train import Train

ADMISSIONS_PER_ROUND = 64
_CAPS = frozenset({DropReason.MAX_FLOWS, DropReason.MAX_FLOWS_PER_SOURCE})


class Reception:
    """Admits and refuses for one listener."""

    def __init__(
        self,
        cluster: Cluster,
        capacity: Capacity,
        admission: Admission,
        books: Books,
        recent_drops: RecentDrops,
    ) -> None:
        self._cluster = cluster
        self._capacity = capacity
        self._admission = admission
        self._books = books
        self._recent_drops = recent_drops
        self._admissions_left = ADMISSIONS_PER_ROUND

    def round_began(self) -> None:
        """Flows may be admitted again, ADMISSIONS_PER_ROUND of them."""
        self._admissions_left = ADMISSIONS_PER_ROUND

    def welcome(
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
            self.drop(now, client_address, reason, train.count)
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
        if reason in _CAPS and self._made_room(key, commands):
            reason = self._admission.shed(now, client)
        backend = None
        if reason is None:
            backend = self._cluster.select(client)
            if backend is None:
                self._admission.token_unused()
                reason = DropReason.NO_BACKEND
        if backend is None:
            assert reason is not None
            self.refuse(now, key, client_address, train, reason, commands)
            return
        self._capacity.serial += 1
        flow = Flow(
            serial=self._capacity.serial,
            key=key,
            client=client,
            client_address=client_address,
            local=local,
            backend=backend,
            terms=self._cluster.settings.terms,
            now=now,
        )
        self._books.admit(now, flow)
        self._admissions_left -= 1
        commands.append(OpenUpstream(flow, train))

    def _made_room(self, key: FlowKey, commands: list[Command]) -> bool:
        """At a cap a flow that was given up makes room for its successor: else it had none."""
        flow = self._books.leaving.get(key)
        if flow is None or not flow.given_up:
            return False
        assert flow.leave_reason is not None
        commands.append(self._books.close(flow, flow.leave_reason))
        return True

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
        self.drop(now, client_address, DropReason.EMPTY, empty)
        return None if empty == train.count else train.split(empty)[1]

    def refuse(
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
            self._books.counters.shed[reason] += 1
        predecessor = self._books.leaving.get(key)
        if predecessor is None:
            self.drop(now, client_address, reason, train.count)
            return
        if predecessor.refused and predecessor.leave_reason is CloseReason.MOVED:
            # To carry it on to a backend that is down and refuses is to lose it.
            commands.append(self._books.close(predecessor, CloseReason.REFUSED))
            self.drop(now, client_address, reason, train.count)
            return
        self._books.counters.succession_refused += train.count
        self._books.count_requests(now, predecessor, train)
        commands.append(SendToBackend(predecessor, train))

    def drop(self, now: float, client: ClientAddress, reason: DropReason, count: int) -> None:
        """`count` datagrams of this client, or on their way to it, go nowhere."""
        self._books.counters.dropped[reason] += count
        self._recent_drops.append(Drop(now, client, reason))
