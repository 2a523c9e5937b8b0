"""What a cluster tells those who watch it: its managers, which move flows, and the shell.

All in the past tense. A notice comes once for each change, never once for each datagram.
"""

from __future__ import annotations

from typing import NamedTuple

from udplb.core.backend import Backend
from udplb.core.settings import AtDeadline


class BackendWentDown(NamedTuple):
    """New flows avoid it; `backend.health` says why."""

    backend: Backend
    another_up: bool
    """Somebody could take its flows."""


class BackendCameUp(NamedTuple):
    """It takes new flows again; those that moved away stay where they are."""

    backend: Backend


class AllBackendsWentDown(NamedTuple):
    """No backend is up any more that takes new flows."""


class SomeBackendCameUp(NamedTuple):
    """After all had been down, one is up again."""


class DrainDeadlinePassed(NamedTuple):
    """The backend still has flows, and its drain's time is over: they move or close."""

    backend: Backend
    way: AtDeadline


class BackendDrained(NamedTuple):
    """The last flow of a draining backend is gone, `took_s` seconds after the drain began."""

    backend: Backend
    took_s: float


Notice = (
    BackendWentDown
    | BackendCameUp
    | AllBackendsWentDown
    | SomeBackendCameUp
    | DrainDeadlinePassed
    | BackendDrained
)
