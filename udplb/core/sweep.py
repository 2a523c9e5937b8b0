"""A sweep: something done to many flows at once, in slices, so that no datagram waits for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf

from udplb.core.backend import Backend
from udplb.core.cluster import Cluster
from udplb.core.flow import Flow
from udplb.core.reasons import CloseReason
from udplb.core.settings import AtDeadline
from udplb.core.slab import Slab


class Sweep:
    """Closes the flows that `which` holds for or, with `leave_by`, lets them leave.

    Flows that are admitted behind the walk are not visited: what starts a sweep sees to it that
    they do not come.
    """

    __slots__ = ("backends", "leave_by", "reason", "visited", "which")

    def __init__(
        self,
        which: Callable[[Flow], bool],
        reason: CloseReason,
        leave_by: float | None,
        backends: dict[Backend, None] | None = None,
    ) -> None:
        self.which = which
        self.backends = backends
        """Whose flows it concerns, where it is about backends: until it begins, more may join."""
        self.reason = reason
        self.leave_by = leave_by
        self.visited = 0
        """How many places of the slab the walk has behind it."""

    @property
    def begun(self) -> bool:
        """Whether it has visited some flows already."""
        return self.visited > 0

    def slice(self, slab: Slab, flows_max: int, visits_max: int) -> tuple[list[Flow], bool]:
        """The next at most `flows_max` flows, and whether that was the end of the walk."""
        found: list[Flow] = []
        end = min(self.visited + visits_max, len(slab.places))
        while self.visited < end and len(found) < flows_max:
            flow = slab.places[self.visited]
            self.visited += 1
            if flow is not None and self.which(flow):
                found.append(flow)
        return found, self.visited >= len(slab.places)


class Sweeps:
    """The sweeps of one manager, the oldest first."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._sweeps: deque[Sweep] = deque()

    def __bool__(self) -> bool:
        return bool(self._sweeps)

    @property
    def first(self) -> Sweep | None:
        """The one that goes on now."""
        return self._sweeps[0] if self._sweeps else None

    def first_ended(self) -> None:
        """It has visited all flows."""
        self._sweeps.popleft()

    def begin(self, sweep: Sweep) -> None:
        """Behind the others."""
        self._sweeps.append(sweep)

    def let_go(self, backend: Backend, reason: CloseReason, way: AtDeadline) -> None:
        """Let the backend's flows leave or close; many backends at once are one sweep."""
        leave_by = inf if way == "move" else None
        for sweep in self._sweeps:
            same = sweep.reason is reason and sweep.leave_by == leave_by
            if same and sweep.backends is not None and not sweep.begun:
                sweep.backends[backend] = None
                return
        backends = {backend: None}

        def concerns(flow: Flow) -> bool:
            return flow.backend in backends and self._has_to_go(flow.backend, reason)

        self.begin(Sweep(concerns, reason, leave_by, backends))

    def _has_to_go(self, backend: Backend, reason: CloseReason) -> bool:
        """Whether the reason still holds: a backend that came back keeps the flows it has left."""
        if reason is CloseReason.DRAINED:
            return backend.draining
        return not backend.up and self._cluster.some_up

    def will_move(self, flow: Flow) -> bool:
        """Whether one of them is about to move this flow to another backend."""
        return not flow.backend.up and any(
            sweep.reason is CloseReason.MOVED and sweep.which(flow) for sweep in self._sweeps
        )
