"""The books of one listener: where each of its flows stands, and how it moves from place to place.

The manager decides, the books are kept here: every admission, undoing, leave and close passes
through these methods, so that nothing is counted in one place and forgotten in another.
"""

from __future__ import annotations

from collections import Counter
from math import inf

from udplb.core.admission import Admission
from udplb.core.backend import Backend
from udplb.core.commands import CloseUpstream
from udplb.core.counters import Counters
from udplb.core.deadlines import Deadlines
from udplb.core.flow import Flow, FlowKey, State, Step
from udplb.core.kept import KeptTrains
from udplb.core.reasons import CloseReason
from udplb.core.slab import Slab
from udplb.core.train import Train


class Books:
    """All live flows of one listener, by key, by place and by deadline."""

    __slots__ = ("_admission", "_kept", "counters", "current", "deadlines", "leaving", "slab")

    def __init__(self, admission: Admission, kept: KeptTrains) -> None:
        self._admission = admission
        self._kept = kept
        self.counters = Counters()
        self.current: dict[FlowKey, Flow] = {}
        """The table: exactly the current flows."""
        self.leaving: dict[FlowKey, Flow] = {}
        """Of each client without a current flow, the youngest leaving one."""
        self.slab = Slab()
        self.deadlines = Deadlines()

    def admit(self, now: float, flow: Flow) -> None:
        """Enter a new current flow; its predecessor waits until its upstream is open."""
        flow.predecessor = self.leaving.pop(flow.key, None)
        self.current[flow.key] = flow
        self.slab.add(flow)
        self.deadlines.put(flow, flow.due(), now)
        flow.backend.flows += 1
        flow.backend.admitted += 1
        self._admission.admitted(flow.client)
        self.counters.admitted += 1

    def count_requests(self, now: float, flow: Flow, train: Train) -> None:
        """The flow takes a train of its client."""
        count, size = train.count, train.size
        flow.last_request_at = now
        flow.requests += count
        flow.request_bytes += size
        backend, counters = flow.backend, self.counters
        backend.requests += count
        backend.request_bytes += size
        if responses := flow.terms.responses:
            backend.owed += count * responses
        counters.requests += count
        counters.request_bytes += size
        if self._kept.switched_on:
            self._kept.keep(flow, train)
        elif flow.kept:
            self._kept.forget(flow)  # it is no longer the last

    def take_back_requests(self, flow: Flow, count: int, size: int) -> None:
        """So many client datagrams did not go out: they never were."""
        backend, counters = flow.backend, self.counters
        for counted in (flow, backend, counters):
            counted.requests -= count
            counted.request_bytes -= size
        backend.owed -= count * flow.terms.responses
        backend.unsent += count
        self._kept.forget_last(flow)

    def move(self, flow: Flow, backend: Backend) -> None:
        """Pin a flow that was just admitted to another backend."""
        flow.backend.flows -= 1
        flow.backend.admitted -= 1
        flow.backend = backend
        backend.flows += 1
        backend.admitted += 1

    def undo(self, flow: Flow) -> None:
        """Take an admission back, as if it had not been."""
        flow.turn(Step.FAILED)
        del self.current[flow.key]
        predecessor, flow.predecessor = flow.predecessor, None
        # What its predecessor was sent before this may just have failed, and have ended it.
        if predecessor is not None and predecessor.live:
            self.leaving[flow.key] = predecessor
        self._strike(flow)
        flow.backend.admitted -= 1
        self._admission.token_unused()
        self.counters.admitted -= 1

    def leave(self, now: float, flow: Flow, reason: CloseReason, end_by: float = inf) -> None:
        """A current flow takes no more datagrams of its client; at `end_by` it ends."""
        flow.turn(Step.LEFT)
        flow.left = 0
        flow.leave_reason = reason
        flow.end_by = end_by
        del self.current[flow.key]
        self.leaving[flow.key] = flow
        self.deadlines.hasten(flow, now)

    def let_leave(self, now: float, flow: Flow, reason: CloseReason, end_by: float) -> None:
        """The same for a flow that may be leaving already: then it ends by `end_by`, too."""
        if flow.state is State.CURRENT:
            self.leave(now, flow, reason, end_by)
        else:
            flow.end_by = min(flow.end_by, end_by)
            self.deadlines.hasten(flow, now)

    def close(self, flow: Flow, reason: CloseReason) -> CloseUpstream:
        """The end: out of all books, counted once."""
        table = self.current if flow.state is State.CURRENT else self.leaving
        flow.turn(Step.ENDED)
        if table.get(flow.key) is flow:
            del table[flow.key]
        self._strike(flow)
        self.counters.closed[reason] += 1
        return CloseUpstream(flow, reason)

    def flows(self) -> list[Flow]:
        """All live flows, by their place: for few flows, or for tests."""
        return [flow for flow in self.slab.places if flow is not None]

    def shrink(self) -> None:
        """Give back the memory of tables that once were large and are empty now."""
        for table in (self.current, self.leaving):
            if not table:
                table.clear()
        self.deadlines.shrink()

    def _strike(self, flow: Flow) -> None:
        self._kept.forget(flow)
        self.slab.remove(flow)
        self.deadlines.remove(flow)
        flow.backend.flows -= 1
        self._admission.closed(flow.client)

    def check_invariants(self) -> None:
        """Raise AssertionError if the books disagree. For tests and simulation: it is slow."""
        counters = self.counters
        flows = self.flows()
        current = {flow.key: flow for flow in flows if flow.state is State.CURRENT}
        leaving = [flow for flow in flows if flow.state is State.LEAVING]
        assert current == self.current, "the table holds exactly the current flows"
        assert len(flows) == len(self.slab) == len(current) + len(leaving)
        assert len(flows) == counters.admitted - sum(counters.closed.values())
        assert all(flow.state is State.LEAVING for flow in self.leaving.values())
        assert all(self.slab.places[flow.index] is flow for flow in self.leaving.values())
        assert not self.leaving.keys() & self.current.keys(), "no client has both"
        assert all(flow in self.deadlines for flow in flows), "every live flow has a deadline"
        assert all(self.slab.places[flow.index] is flow for flow in flows)
        assert all(flow.left > 0 for flow in current.values())
        assert all(flow.left == 0 and flow.leave_reason for flow in leaving)
        self._admission.check_invariants(len(flows))
        for backend, ours in Counter(flow.backend for flow in flows).items():
            assert ours <= backend.flows, "a backend counts at least our flows"
        self._kept.check_invariants(flows)
        for flow in flows:
            assert min(flow.requests, flow.request_bytes, flow.replies, flow.reply_bytes) >= 0
        for tally in (counters.closed, counters.dropped, counters.shed):
            assert min(tally.values()) >= 0
        assert min(counters.requests, counters.request_bytes, counters.admitted) >= 0
