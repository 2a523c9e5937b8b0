"""Kept trains: what a flow sent last stays until a reply comes, to go out once more if refused.

The rules: the last train of each flow, if it is small. While its backend is suspected of refusing,
every train of a second until a reply comes, so that all of them can follow the flow to another
backend. Both bounded, for a flow and for the engine; what does not fit is not kept, and so not
sent again.
"""

from __future__ import annotations

from collections.abc import Iterable

from udplb.core.flow import Flow
from udplb.core.limits import Capacity
from udplb.core.train import Train

KEPT_FLOW_BYTES_MAX = 4_096
KEPT_BYTES_MAX = 16 << 20
"""Of all flows of an engine."""
KEPT_DATAGRAMS_MAX = 64
"""Of one flow: small ones are heavier in memory than their bytes."""
RESEND_WITHIN_S = 1.0
"""A refusal that is read later than this after the last send is news of something else, and what
was sent longer ago than this before the last train is not kept beside it."""


class KeptTrains:
    """Keeps and gives out the trains of one manager's flows."""

    __slots__ = ("_capacity", "switched_on")

    def __init__(self, capacity: Capacity, switched_on: bool) -> None:
        self._capacity = capacity
        self.switched_on = switched_on
        """The cluster's `resend`."""

    def has(self, flow: Flow) -> bool:
        """Whether there is something of the flow that may be sent again."""
        return self.switched_on and bool(flow.kept)

    def keep(self, flow: Flow, train: Train) -> None:
        """The flow sends this train; what it sent before is forgotten, unless it was refused."""
        size = train.size
        if (flow.refused or flow.backend.suspect) and self._is_fresh(flow):
            self._keep_as_well(flow, train)
        elif size <= KEPT_FLOW_BYTES_MAX and train.count <= KEPT_DATAGRAMS_MAX:
            capacity = self._capacity
            total = capacity.kept_bytes + size - flow.kept_bytes
            if total <= KEPT_BYTES_MAX:
                capacity.kept_bytes = total
                flow.kept = (train,)
                flow.kept_bytes = size
                flow.kept_since = flow.last_request_at
                flow.resent = flow.refused = False
            else:
                self.forget(flow)
        else:
            self.forget(flow)

    def _keep_as_well(self, flow: Flow, train: Train) -> None:
        """Behind those that were refused, if there is room; the older are the likelier lost."""
        total = self._capacity.kept_bytes + train.size
        count = train.count + sum(kept.count for kept in flow.kept)
        if (
            count <= KEPT_DATAGRAMS_MAX
            and flow.kept_bytes + train.size <= KEPT_FLOW_BYTES_MAX
            and total <= KEPT_BYTES_MAX
        ):
            self._capacity.kept_bytes = total
            flow.kept = (*flow.kept, train)
            flow.kept_bytes += train.size
            flow.resent = False
        else:
            flow.resent = True  # the last that is kept is not the last that was sent

    @staticmethod
    def _is_fresh(flow: Flow) -> bool:
        return bool(flow.kept) and flow.last_request_at <= flow.kept_since + RESEND_WITHIN_S

    def forget(self, flow: Flow) -> None:
        """A reply came, or the flow ends: nothing will be sent again."""
        self._capacity.kept_bytes -= flow.kept_bytes
        flow.kept = ()
        flow.kept_bytes = 0
        flow.refused = False

    def forget_last(self, flow: Flow) -> None:
        """What the flow was to send last was not sent."""
        if flow.kept:
            self._capacity.kept_bytes -= flow.kept[-1].size
            flow.kept_bytes -= flow.kept[-1].size
            flow.kept = flow.kept[:-1]

    def to_resend(self, now: float, flow: Flow) -> Train | None:
        """The last train, once, if it was sent a moment ago."""
        if flow.resent or not self.has(flow) or now > flow.last_request_at + RESEND_WITHIN_S:
            return None
        flow.resent = True
        return flow.kept[-1]

    def take(self, flow: Flow) -> Train | None:
        """All that is kept, as one train, for another backend."""
        kept = flow.kept if self.switched_on else ()
        self.forget(flow)
        return Train([run for train in kept for run in train.runs]) if kept else None

    def check_invariants(self, flows: Iterable[Flow]) -> None:
        """The engine counts at least what these flows keep, and each flow exactly that."""
        total = 0
        for flow in flows:
            size = sum(train.size for train in flow.kept)
            assert size == flow.kept_bytes <= KEPT_FLOW_BYTES_MAX
            assert sum(train.count for train in flow.kept) <= KEPT_DATAGRAMS_MAX
            total += size
        assert total <= self._capacity.kept_bytes <= KEPT_BYTES_MAX
