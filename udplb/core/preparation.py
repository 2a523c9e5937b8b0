"""A preparation: a change of a cluster's settings in the making, in slices.

New backends are made and tables built beside the cluster, of which nothing changes meanwhile. What
is complete is adopted in one step that cannot fail (`Cluster.settings_changed`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from udplb.core.backend import Backend
from udplb.core.balance import POLICIES, Policy
from udplb.core.hashing import keyed_hash
from udplb.core.settings import BackendSettings, ClusterSettings

NEW_BACKEND_STEPS = 8
"""What making a backend costs, counted in claims of a slot in a maglev table."""
_CLAIMS_AT_A_TIME = 64


class Preparation:
    """What a cluster will be made of. It is good for the state that it was made for, alone."""

    __slots__ = (
        "_before",
        "_seed",
        "_work",
        "backends",
        "changed",
        "complete",
        "policy",
        "removed",
        "running",
        "settings",
    )

    def __init__(
        self,
        before: ClusterSettings,
        running: Sequence[Backend],
        settings: ClusterSettings,
        seed: bytes,
    ) -> None:
        self.running = running
        """The cluster's backends for which it is made: it is good while they are these."""
        self.settings = settings
        self.backends: list[Backend] = []
        """All that there will be, in the order of the settings; those that stay are the same."""
        self.changed: list[tuple[Backend, BackendSettings]] = []
        """Those that stay with other settings."""
        self.removed: tuple[Backend, ...] = ()
        self.policy: Policy | None = None
        """None: the one in force goes on."""
        self.complete = False
        self._before = before
        self._seed = seed
        self._work = self._steps()

    def build(self, steps: int) -> bool:
        """Do about `steps` steps of the work at most; True when none is left."""
        while steps > 0 and not self.complete:
            done = next(self._work, None)
            if done is None:
                self.complete = True
            else:
                steps -= done
        return self.complete

    def _steps(self) -> Iterator[int]:
        """The work; yields what each piece of it cost."""
        leaving = {}
        for backend in self.running:
            leaving[backend.address] = backend
            yield 1
        weights: dict[Backend, int] = {}
        reweighted = False
        for settings in self.settings.backends:
            backend_or_none = leaving.pop(settings.address, None)
            if backend_or_none is None:
                backend = Backend(settings, self.settings.health, self._seed)
                yield NEW_BACKEND_STEPS
                reweighted = True
            else:
                backend = backend_or_none
                yield 1
                if backend.settings != settings:
                    self.changed.append((backend, settings))
                    reweighted |= backend.weight != settings.weight
            self.backends.append(backend)
            weights[backend] = settings.weight
        self.removed = tuple(leaving.values())
        yield from self._policy_steps(weights, reweighted or bool(leaving))

    def _policy_steps(self, weights: dict[Backend, int], reweighted: bool) -> Iterator[int]:
        """Another policy, or the same with another table; any other keeps what it remembers."""
        balance = self.settings.balance
        if balance == self._before.balance and not (balance == "maglev" and reweighted):
            return
        policy = new_policy(self.settings, weights, self._seed)
        yield 1 + len(weights)
        while not policy.build(_CLAIMS_AT_A_TIME):
            yield _CLAIMS_AT_A_TIME
        self.policy = policy


def new_policy(settings: ClusterSettings, weights: dict[Backend, int], seed: bytes) -> Policy:
    """The policy that these settings ask for, not built yet."""
    return POLICIES[settings.balance](weights, keyed_hash(settings.name.encode(), seed))
