"""A cluster as it runs: its backends, the policy that chooses among them, who is usable now.

Probes, refusals, replies and time come in, and change who is usable; those who watch are told.
Shared by all listeners that serve it. Selecting needs no I/O, so it happens in the same step as
admission.
"""

from __future__ import annotations

from math import inf
from typing import Protocol

from udplb.core.address import Address
from udplb.core.backend import Backend
from udplb.core.balance import POLICIES
from udplb.core.drain import Drain
from udplb.core.hashing import keyed_hash
from udplb.core.notices import (
    AllBackendsWentDown,
    BackendCameUp,
    BackendDrained,
    BackendWentDown,
    DrainDeadlinePassed,
    Notice,
    SomeBackendCameUp,
)
from udplb.core.settings import AtDeadline, ClusterSettings


class Watcher(Protocol):
    """Somebody who wants to know what happens to a cluster."""

    def cluster_changed(self, now: float, cluster: Cluster, notice: Notice) -> None:
        """Something happened to the cluster; it may not be changed from in here."""


class Cluster:
    """The backends of one name with their balancing policy."""

    def __init__(self, settings: ClusterSettings, seed: bytes) -> None:
        self.settings = settings
        self._seed = seed
        self.backends = [Backend(each, settings.health, seed) for each in settings.backends]
        chance_seed = keyed_hash(settings.name.encode(), seed)
        self.watchers: list[Watcher] = []
        """Who is told of every change, in this order."""
        self.some_up = True
        """A backend that takes new flows is up."""
        self.all_down = False
        """No backend that takes new flows is up."""
        self._policy = POLICIES[settings.balance](self.backends, chance_seed)
        self._refresh()

    @property
    def name(self) -> str:
        """The name that listeners refer to."""
        return self.settings.name

    def build(self, steps: int) -> bool:
        """Do at most `steps` steps of the policy's preparing work; True when none is left."""
        return self._policy.build(steps)

    def select(self, client: Address, without: Backend | None = None) -> Backend | None:
        """The backend for a new flow of `client`, never `without`; None: no backend."""
        return self._policy.select(self._client_hash(client), without)

    def select_undone(self, backend: Backend) -> None:
        """The flow that `backend` was last selected for could not be opened."""
        self._policy.select_undone(backend)

    # Health

    def probe_succeeded(
        self, now: float, backend: Backend, started_at: float, latency_s: float
    ) -> None:
        """A probe of `backend`, begun at `started_at`, had its answer after `latency_s`."""
        backend.health.probe_succeeded(now, started_at, latency_s)
        self._health_settled(now, backend)

    def probe_failed(self, now: float, backend: Backend, why: str) -> None:
        """A probe of `backend` had no answer: "refused", "timed out", ..."""
        backend.health.probe_failed(now, why)
        self._health_settled(now, backend)

    def backend_refused(self, now: float, backend: Backend) -> None:
        """Something sent to `backend` was refused by its host, or had no route."""
        # Every attempt counts, so that the sum grows even where none goes out.
        backend.health.refused(now, backend.requests + backend.resent + backend.unsent)
        self._health_settled(now, backend)

    def backend_replied(self, now: float, backend: Backend) -> None:
        """A `suspect` backend replied to somebody."""
        backend.health.replied()
        self._health_settled(now, backend)

    def time_passed(self, now: float) -> None:
        """To be told a few times a second: ends ejections and drains whose time is over."""
        responses = self.settings.terms.responses
        for backend in self.backends:
            backend.health.time_passed(now, backend.requests * responses, backend.answered)
        self._health_settled(now, *self.backends)
        for backend in self.backends:
            self._drain_went_on(now, backend)

    def _health_settled(self, now: float, *backends: Backend) -> None:
        """Whatever was learnt is learnt; if it takes backends down or up, tell everybody."""
        changed: list[Backend] = []
        for backend in backends:
            health = backend.health
            backend.suspect = health.suspect
            if health.up is not backend.up and not backend.removed:
                backend.up = health.up
                changed.append(backend)
        if not changed:
            return
        self._refresh()
        for backend in changed:
            up = BackendCameUp(backend)
            self._tell(now, up if backend.up else BackendWentDown(backend, self.some_up))
        self._tell_if_all_down(now)

    def _tell_if_all_down(self, now: float) -> None:
        all_down = self._are_all_down()
        if all_down is not self.all_down:
            self.all_down = all_down
            self._tell(now, AllBackendsWentDown() if all_down else SomeBackendCameUp())

    def _are_all_down(self) -> bool:
        return not self.some_up and any(each.ready for each in self.backends)

    # Drains

    def drain_began(
        self,
        now: float,
        backend: Backend,
        deadline_s: float = inf,
        way: AtDeadline | None = None,
    ) -> None:
        """No new flows on `backend`; after `deadline_s` seconds what is left moves or closes.

        Without a way it moves where `on_backend_down` is "move", and closes otherwise. A drain
        that goes on takes the new deadline.
        """
        if way is None:
            way = "move" if self.settings.on_backend_down == "move" else "close"
        began_at = backend.drain.began_at if backend.draining and backend.drain else now
        backend.drain = Drain(began_at, now + deadline_s, way)
        backend.draining = True
        self._refresh()
        self._tell_if_all_down(now)
        self._drain_went_on(now, backend)

    def drain_ended(self, now: float, backend: Backend) -> None:
        """The operator wants new flows on `backend` again."""
        backend.drain = None
        backend.draining = False
        self._refresh()
        self._tell_if_all_down(now)

    def _drain_went_on(self, now: float, backend: Backend) -> None:
        drain = backend.drain
        if drain is None or drain.drained:
            return
        if backend.flows == 0:
            drain.drained = True
            self._tell(now, BackendDrained(backend, now - drain.began_at))
        elif now >= drain.deadline and not drain.expired:
            drain.expired = True
            self._tell(now, DrainDeadlinePassed(backend, drain.way))

    # Changes

    def backend_removed(self, now: float, backend: Backend) -> None:
        """`backend` is no longer configured; its flows know it until they end."""
        backend.removed = True
        self.backends = [each for each in self.backends if each is not backend]
        self._refresh()
        self._tell_if_all_down(now)

    def _client_hash(self, client: Address) -> int:
        if not self._policy.hashes:
            return 0
        by_port = self.settings.affinity == "source_ip_port"
        return keyed_hash(client.affinity_key if by_port else client.ip.packed, self._seed)

    def _tell(self, now: float, notice: Notice) -> None:
        for watcher in self.watchers:
            watcher.cluster_changed(now, self, notice)

    def _refresh(self) -> None:
        """Tell the policy who is usable: up before down, primaries before backups."""
        ready = [backend for backend in self.backends if backend.ready]
        primaries = [backend for backend in ready if not backend.settings.backup]
        backups = [backend for backend in ready if backend.settings.backup]
        usable = [b for b in primaries if b.up] or [b for b in backups if b.up]
        self.some_up = bool(usable)
        if not usable and self.settings.health.fail_open:
            usable = primaries or backups
        self._policy.usable_changed(usable)

    def check_invariants(self) -> None:
        """Raise AssertionError if a backend is not as its health says. For tests: it is slow."""
        for backend in self.backends:
            assert backend.up is backend.health.up
            assert backend.suspect is backend.health.suspect
            assert backend.draining or backend.drain is None
            assert min(backend.flows, backend.requests, backend.request_bytes) >= 0
        assert self.all_down is self._are_all_down()
