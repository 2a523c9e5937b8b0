"""What a cluster tells those who watch it: its managers, which move flows, and the shell.

All in the past tense. A notice comes once for each change, never once for each datagram. (No named
tuples: two without fields would be equal.)
"""

from __future__ import annotations

from dataclasses import dataclass

from udplb.core.backend import Backend
from udplb.core.settings import AtDeadline


@dataclass(frozen=True, slots=True)
class BackendWentDown:
    """New flows avoid it; `backend.health` says why."""

    backend: Backend
    another_up: bool
    """Somebody could take its flows."""


@dataclass(frozen=True, slots=True)
class BackendCameUp:
    """It takes new flows again; those that moved away stay where they are."""

    backend: Backend


@dataclass(frozen=True, slots=True)
class AllBackendsWentDown:
    """No backend is up any more that takes new flows."""


@dataclass(frozen=True, slots=True)
class SomeBackendCameUp:
    """After all had been down, one is up again."""


@dataclass(frozen=True, slots=True)
class BackendDrainBegan:
    """No new flows on it from now on; or its drain, which goes on, has another deadline."""

    backend: Backend
    deadline_s: float
    """Seconds from now; infinity: as long as it takes."""


@dataclass(frozen=True, slots=True)
class DrainDeadlinePassed:
    """The backend still has flows, and its drain's time is over: they move or close."""

    backend: Backend
    way: AtDeadline


@dataclass(frozen=True, slots=True)
class BackendDrained:
    """The last flow of a draining backend is gone, `took_s` seconds after the drain began."""

    backend: Backend
    took_s: float


@dataclass(frozen=True, slots=True)
class BackendDrainEnded:
    """The operator wants new flows on it again."""

    backend: Backend


@dataclass(frozen=True, slots=True)
class BackendsRemoved:
    """They are no longer configured; their flows are leaving, and end by `end_by`."""

    backends: tuple[Backend, ...]
    end_by: float


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    """The cluster's settings are others now."""


Notice = (
    BackendWentDown
    | BackendCameUp
    | AllBackendsWentDown
    | SomeBackendCameUp
    | BackendDrainBegan
    | DrainDeadlinePassed
    | BackendDrained
    | BackendDrainEnded
    | BackendsRemoved
    | SettingsChanged
)
