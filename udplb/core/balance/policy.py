"""What every balancing policy can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from udplb.core.backend import Backend


class Policy(ABC):
    """Chooses a backend for a new flow among the usable ones, each of weight 1 or more.

    `configured` are all backends of the cluster; the usable ones change with health, drains and
    weights, and are told by `usable_changed`.
    """

    hashes: ClassVar[bool] = False
    """Whether the choice depends on the client's hash."""

    def __init__(self, configured: Sequence[Backend], chance_seed: int) -> None:
        self.configured = configured
        self.chance_seed = chance_seed
        self.usable: Sequence[Backend] = ()

    def usable_changed(self, usable: Sequence[Backend]) -> None:
        """From now on choose among these, in the order of the configuration."""
        self.usable = usable

    @abstractmethod
    def select(self, client_hash: int, without: Backend | None = None) -> Backend | None:
        """The backend for a client; never `without`. None if there is none."""

    def select_undone(self, backend: Backend) -> None:  # noqa: B027 - most policies forget nothing
        """The flow that `backend` was last selected for could not be opened."""

    def build(self, steps: int) -> bool:
        """Do at most `steps` steps of preparing work; True when none is left."""
        return True
