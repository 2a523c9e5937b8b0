"""Sweeps: what concerns many flows at once, done in slices, so that no datagram waits for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from math import inf

from udplb.core.backend import Backend
from udplb.core.books import Books
from udplb.core.cluster import Cluster
from udplb.core.commands import Command
from udplb.core.flow import Flow
from udplb.core.notices import (
    BackendDrainEnded,
    BackendsRemoved,
    BackendWentDown,
    DrainDeadlinePassed,
    Notice,
    SettingsChanged,
    SomeBackendCameUp,
)
from udplb.core.reasons import CloseReason
from udplb.core.settings import AtDeadline, OnBackendDown
from udplb.core.slab import Slab

_DOWN: dict[OnBackendDown, CloseReason] = {
    "move": CloseReason.MOVED,
    "close": CloseReason.BACKEND_DOWN,
}


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
        leave_by: float | None = None,
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

    def __init__(self, cluster: Cluster, books: Books) -> None:
        self._cluster = cluster
        self._books = books
        self._sweeps: deque[Sweep] = deque()

    def __bool__(self) -> bool:
        return bool(self._sweeps)

    # What begins one

    def begin(self, sweep: Sweep) -> None:
        """Behind the others; one like it that waits to begin will do."""
        for other in self._sweeps:
            same = other.reason is sweep.reason and other.leave_by == sweep.leave_by
            if same and other.which == sweep.which and not other.begun:
                return
        self._sweeps.append(sweep)

    def cluster_changed(self, notice: Notice) -> None:
        """Let the flows of backends go that are down, removed, or have drained for too long."""
        match notice:
            case BackendWentDown(backend=backend, another_up=True):
                self._let_go_of_those_down([backend])
            case SomeBackendCameUp() | BackendDrainEnded() | SettingsChanged():
                self._let_go_of_those_down(self._cluster.backends)
            case DrainDeadlinePassed(backend=backend, way=way):
                self._let_go(backend, CloseReason.DRAINED, way)
            case BackendsRemoved(backends=backends, end_by=end_by):
                gone = dict.fromkeys(backends)
                reason = CloseReason.BACKEND_REMOVED
                self.begin(Sweep(lambda flow: flow.backend in gone, reason, end_by))
            case _:
                pass  # new flows follow by themselves, and live ones stay

    def _let_go_of_those_down(self, backends: Iterable[Backend]) -> None:
        """While another is up: do with the flows of backends that are down what the operator
        chose."""
        on_backend_down = self._cluster.settings.on_backend_down
        if on_backend_down == "keep" or not self._cluster.some_up:
            return
        for backend in backends:
            if not backend.up:
                self._let_go(backend, _DOWN[on_backend_down], on_backend_down)

    def _let_go(self, backend: Backend, reason: CloseReason, way: AtDeadline) -> None:
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

        self._sweeps.append(Sweep(concerns, reason, leave_by, backends))

    def _has_to_go(self, backend: Backend, reason: CloseReason) -> bool:
        """Whether the reason still holds: a backend that came back keeps the flows it has left."""
        if reason is CloseReason.DRAINED:
            return backend.draining
        cluster = self._cluster
        chosen = _DOWN.get(cluster.settings.on_backend_down)
        return not backend.up and cluster.some_up and chosen is reason

    def will_move(self, flow: Flow) -> bool:
        """Whether one of them is about to move this flow to another backend."""
        return not flow.backend.up and any(
            sweep.reason is CloseReason.MOVED and sweep.which(flow) for sweep in self._sweeps
        )

    def check_invariants(self) -> None:
        """When none goes on: flows that had to go are gone, or on their way."""
        cluster = self._cluster
        move_or_close = cluster.settings.on_backend_down != "keep" and cluster.some_up
        for flow in self._books.current.values():
            assert not flow.backend.removed
            assert flow.backend.up or not move_or_close

    # How it goes on

    def go_on(
        self, now: float, commands: list[Command], moved: list[Flow], budget: int, visits: int
    ) -> int:
        """Go on with the oldest; returns what is left of the budget of closes and moves."""
        while budget > 0 and visits > 0 and self._sweeps:
            sweep = self._sweeps[0]
            before = sweep.visited
            flows, finished = sweep.slice(self._books.slab, budget, visits)
            visits -= sweep.visited - before
            for flow in flows:
                if sweep.leave_by is None:
                    commands.append(self._books.close(flow, sweep.reason))
                    continue
                self._books.let_leave(now, flow, sweep.reason, sweep.leave_by)
                if sweep.reason is CloseReason.MOVED:
                    flow.leave_reason = sweep.reason  # for whatever reason it was leaving
                    moved.append(flow)
            budget -= len(flows)
            if finished:
                self._sweeps.popleft()
        return 0 if self._sweeps else budget
