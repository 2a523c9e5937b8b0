"""A cluster as it runs: its backends, the policy that chooses among them, who is usable now.

Shared by all listeners that serve it. Selecting needs no I/O, so it happens in the same step as
admission.
"""

from __future__ import annotations

from udplb.core.address import Address
from udplb.core.backend import Backend
from udplb.core.balance import POLICIES
from udplb.core.hashing import keyed_hash
from udplb.core.settings import ClusterSettings


class Cluster:
    """The backends of one name with their balancing policy."""

    def __init__(self, settings: ClusterSettings, seed: bytes) -> None:
        self.settings = settings
        self._seed = seed
        self.backends = [Backend(each, seed) for each in settings.backends]
        chance_seed = keyed_hash(settings.name.encode(), seed)
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

    def backend_went_down(self, backend: Backend) -> None:
        """`backend` no longer answers: new flows avoid it while another is up."""
        backend.up = False
        self._refresh()

    def backend_came_up(self, backend: Backend) -> None:
        """`backend` answers again and takes new flows."""
        backend.up = True
        self._refresh()

    def backend_drained(self, backend: Backend, draining: bool) -> None:
        """The operator wants no new flows on `backend`, or wants them again."""
        backend.draining = draining
        self._refresh()

    def backend_removed(self, backend: Backend) -> None:
        """`backend` is no longer configured; its flows know it until they end."""
        backend.removed = True
        self.backends = [each for each in self.backends if each is not backend]
        self._refresh()

    def _client_hash(self, client: Address) -> int:
        if not self._policy.hashes:
            return 0
        by_port = self.settings.affinity == "source_ip_port"
        return keyed_hash(client.affinity_key if by_port else client.ip.packed, self._seed)

    def _refresh(self) -> None:
        """Tell the policy who is usable: up before down, primaries before backups."""
        ready = [backend for backend in self.backends if backend.ready]
        primaries = [backend for backend in ready if not backend.settings.backup]
        backups = [backend for backend in ready if backend.settings.backup]
        usable = [b for b in primaries if b.up] or [b for b in backups if b.up]
        if not usable and self.settings.health.fail_open:
            usable = primaries or backups
        self._policy.usable_changed(usable)
