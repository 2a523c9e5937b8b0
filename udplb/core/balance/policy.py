"""What every balancing policy can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

from udplb.core.backend import Backend


class Ranked(NamedTuple):
    """One place of a ranking: the backend, and what put it there."""

    backend: Backend
    note: str


class Policy(ABC):
    """Chooses a backend for a new flow among the usable ones, each of weight 1 or more.

    The usable ones change with health, drains and settings, and are told by `usable_changed`.
    """

    hashes: ClassVar[bool] = False
    """Whether the choice depends on the client's hash."""

    by_chance: ClassVar[bool] = False
    """Whether chance has a say in the choice."""

    def __init__(self, weights: Mapping[Backend, int], chance_seed: int) -> None:
        """`weights` of all configured backends as they will be: the backends may not know yet."""
        self.usable: Sequence[Backend] = ()

    def usable_changed(self, usable: Sequence[Backend]) -> None:
        """From now on choose among these, in the order of the configuration."""
        self.usable = usable

    @abstractmethod
    def select(self, client_hash: int, without: Backend | None = None) -> Backend | None:
        """The backend for a client; never `without`. None if there is none."""

    @abstractmethod
    def ranked(self, client_hash: int, usable: Sequence[Backend]) -> list[Ranked]:
        """These backends, the first choice for a client first, if they were the usable ones.

        Changes nothing: no turn is taken and no number drawn.
        """

    def select_undone(self, backend: Backend) -> None:  # noqa: B027 - most policies forget nothing
        """The flow that `backend` was last selected for could not be opened."""

    def build(self, steps: int) -> bool:
        """Do at most `steps` steps of preparing work; True when none is left."""
        return True
