"""A cluster as it runs: its backends, the policy that chooses among them, who is usable now.

Probes, refusals, replies and time come in, and change who is usable; those who watch are told.
Shared by all listeners that serve it. Selecting needs no I/O, so it happens in the same step as
admission.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from math import inf
from typing import Protocol

from udplb.core.address import Address
from udplb.core.backend import Backend
from udplb.core.balance import POLICIES, Ranked
from udplb.core.drain import Drain
from udplb.core.hashing import keyed_hash
from udplb.core.notices import (
    AllBackendsWentDown,
    BackendCameUp,
    BackendDrainBegan,
    BackendDrained,
    BackendDrainEnded,
    BackendsRemoved,
    BackendWentDown,
    DrainDeadlinePassed,
    Notice,
    SettingsChanged,
    SomeBackendCameUp,
)
from udplb.core.preparation import Preparation, new_policy
from udplb.core.settings import AtDeadline, ClusterSettings

_STEPS_AT_ONCE = 1 << 20


class Watcher(Protocol):
    """Somebody who wants to know what happens to a cluster."""

    def cluster_changed(self, now: float, cluster: Cluster, notice: Notice) -> None:
        """Something happened to the cluster; it may not be changed from in here."""


class Cluster:
    """The backends of one name with their balancing policy."""

    def __init__(self, settings: ClusterSettings, seed: bytes) -> None:
        """Ready to select. A large one is made in slices if it is made without backends: they come
        with a preparation."""
        self.settings = replace(settings, backends=())
        self._seed = seed
        self.backends: list[Backend] = []
        self.watchers: list[Watcher] = []
        """Who is told of every change, in this order."""
        self.some_up = False
        """A backend that takes new flows is up."""
        self.all_down = False
        """All backends that take new flows went down, and none came up since."""
        self._policy = new_policy(self.settings, {}, seed)
        if settings.backends:
            preparation = self.prepare(settings)
            while not preparation.build(_STEPS_AT_ONCE):
                pass
            self.settings_changed(-inf, preparation, inf)

    @property
    def name(self) -> str:
        """The name that listeners refer to."""
        return self.settings.name

    def select(self, client: Address, without: Backend | None = None) -> Backend | None:
        """The backend for a new flow of `client`, never `without`; None: no backend."""
        return self._policy.select(self._client_hash(client), without)

    def select_undone(self, backend: Backend) -> None:
        """The flow that `backend` was last selected for could not be opened."""
        self._policy.select_undone(backend)

    # What would be selected

    def usable(self, without: Collection[Backend] = ()) -> list[Backend]:
        """Who gets new flows: up before down, primaries before backups. `without`: if these were
        down."""
        ready = [backend for backend in self.backends if backend.ready]
        primaries = [backend for backend in ready if not backend.settings.backup]
        backups = [backend for backend in ready if backend.settings.backup]
        up = [b for b in primaries if b.up and b not in without]
        up = up or [b for b in backups if b.up and b not in without]
        if up or not self.settings.health.fail_open:
            return up
        return primaries or backups

    def ranked(self, client: Address, usable: Sequence[Backend]) -> list[Ranked]:
        """These backends, the first choice for `client` first, if they were the usable ones."""
        return self._policy.ranked(self._client_hash(client), usable)

    @property
    def hashes(self) -> bool:
        """Whether the choice of a backend hashes the client."""
        return self._policy.hashes

    def hashed(self, client: Address) -> tuple[str, int] | None:
        """What is hashed of `client`, and the hash; None where the policy does not hash."""
        if not self._policy.hashes:
            return None
        by_port = self.settings.affinity == "source_ip_port"
        return str(client if by_port else client.ip), self._client_hash(client)

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
        for backend in self.backends:
            backend.health.time_passed(now, backend.owed, backend.answered)
        self._health_settled(now, *self.backends)
        for backend in self.backends:
            self._drain_went_on(now, backend)

    def _health_settled(self, now: float, *backends: Backend) -> None:
        """Whatever was learnt is learnt; if it takes backends down or up, tell everybody."""
        changed = self._health_taken_over(backends)
        if changed:
            self._refresh()
            self._tell_of_health(now, changed)

    def _health_taken_over(self, backends: Iterable[Backend]) -> list[Backend]:
        """Let the backends be what their health says; those that went down or up."""
        changed: list[Backend] = []
        for backend in backends:
            health = backend.health
            backend.suspect = health.suspect
            if health.up is not backend.up and not backend.removed:
                backend.up = health.up
                changed.append(backend)
        return changed

    def _tell_of_health(self, now: float, changed: Iterable[Backend]) -> None:
        for backend in changed:
            up = BackendCameUp(backend)
            self._tell(now, up if backend.up else BackendWentDown(backend, self.some_up))
        self._tell_if_all_down(now)

    def _tell_if_all_down(self, now: float) -> None:
        if self.all_down and self.some_up:
            self.all_down = False
            self._tell(now, SomeBackendCameUp())
        elif not self.all_down and self._are_all_down():
            self.all_down = True
            self._tell(now, AllBackendsWentDown())

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
        self._drain_begun(now, backend, deadline_s, way)
        self._refresh()
        self._tell(now, BackendDrainBegan(backend, deadline_s))
        self._tell_if_all_down(now)
        self._drain_went_on(now, backend)

    def _drain_begun(
        self, now: float, backend: Backend, deadline_s: float, way: AtDeadline | None
    ) -> None:
        if way is None:
            way = "move" if self.settings.on_backend_down == "move" else "close"
        before = backend.drain
        backend.drain = Drain(before.began_at if before else now, now + deadline_s, way)
        backend.drain.drained = before is not None and before.drained
        backend.draining = True

    def drain_ended(self, now: float, backend: Backend) -> None:
        """The operator wants new flows on `backend`, which drained, again."""
        if not backend.draining:
            return
        backend.drain = None
        backend.draining = False
        self._refresh()
        self._tell_if_all_down(now)
        self._tell(now, BackendDrainEnded(backend))

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

    def prepare(self, settings: ClusterSettings) -> Preparation:
        """A change to these settings in the making: build it, then adopt it."""
        assert settings.name == self.name, "another name is another cluster"
        return Preparation(self.settings, self.backends, settings, self._seed)

    def settings_changed(self, now: float, preparation: Preparation, end_by: float) -> None:
        """The operator changed the settings: adopt what was prepared, in one step.

        Backends that stay keep counters, health and drain; the flows of those that left end by
        `end_by`. Whoever gets a drain or loses one by its `state` is told of as by `drain_began`
        and `drain_ended`.
        """
        assert preparation.complete, "it is still being built"
        assert preparation.running is self.backends, "it was made for another state"
        before, self.settings = self.settings, preparation.settings
        self.backends = preparation.backends
        self._policy = preparation.policy or self._policy
        for backend in preparation.removed:
            backend.removed = True
        began, ended = self._take_settings_over(now, preparation)
        self._judge_health_anew(now, before)
        changed = self._health_taken_over(self.backends)
        self._refresh()
        self._tell(now, SettingsChanged())
        if preparation.removed:
            self._tell(now, BackendsRemoved(preparation.removed, end_by))
        for backend in began:
            self._tell(now, BackendDrainBegan(backend, inf))
        self._tell_of_health(now, changed)
        for backend in ended:
            self._tell(now, BackendDrainEnded(backend))
        for backend in began:
            self._drain_went_on(now, backend)

    def _take_settings_over(
        self, now: float, preparation: Preparation
    ) -> tuple[list[Backend], list[Backend]]:
        """Whose drain begins, and whose ends, by the new settings."""
        began: list[Backend] = []
        ended: list[Backend] = []
        for backend, settings in preparation.changed:
            turned = settings.state != backend.settings.state
            backend.settings_changed(settings)
            if turned and settings.state == "drain" and not backend.draining:
                self._drain_begun(now, backend, inf, None)
                began.append(backend)
            elif turned and settings.state == "active" and backend.draining:
                backend.drain = None
                backend.draining = False
                ended.append(backend)
        return began, ended

    def _judge_health_anew(self, now: float, before: ClusterSettings) -> None:
        """Bring other health settings, and another count of replies, to all backends."""
        health = self.settings.health
        if health != before.health:
            for backend in self.backends:
                backend.health.settings_changed(now, health)
        if self.settings.terms.responses != before.terms.responses:
            for backend in self.backends:
                backend.health.replies_counted_anew()

    def _client_hash(self, client: Address) -> int:
        if not self._policy.hashes:
            return 0
        by_port = self.settings.affinity == "source_ip_port"
        return keyed_hash(client.affinity_key if by_port else client.ip.packed, self._seed)

    def _tell(self, now: float, notice: Notice) -> None:
        for watcher in tuple(self.watchers):
            watcher.cluster_changed(now, self, notice)

    def _refresh(self) -> None:
        """Tell the policy who is usable."""
        usable = self.usable()
        # Those that are up come first: if one is down, all are.
        self.some_up = bool(usable) and usable[0].up
        self._policy.usable_changed(usable)

    def check_invariants(self) -> None:
        """Raise AssertionError if a backend is not as its health says. For tests: it is slow."""
        settings = self.settings
        assert tuple(backend.settings for backend in self.backends) == settings.backends
        for backend in self.backends:
            assert not backend.removed
            assert backend.weight == backend.settings.weight
            assert backend.health.settings == settings.health
            assert backend.up is backend.health.up
            assert backend.suspect is backend.health.suspect
            assert backend.draining or backend.drain is None
            assert min(backend.flows, backend.requests, backend.request_bytes) >= 0
            assert backend.owed >= 0
        assert type(self._policy) is POLICIES[settings.balance]
        assert list(self._policy.usable) == self.usable()
        assert self.some_up is any(each.up and each.ready for each in self.backends)
        assert not (self.all_down and self.some_up)
        assert self.all_down or not self._are_all_down()
