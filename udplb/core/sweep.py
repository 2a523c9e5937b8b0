"""A sweep: something done to many flows at once, in slices, so that no datagram waits for it."""

from __future__ import annotations

from collections.abc import Callable

from udplb.core.flow import Flow
from udplb.core.reasons import CloseReason
from udplb.core.slab import Slab

VISITS_PER_SLICE = 2_048


class Sweep:
    """Closes the flows that `which` holds for or, with `leave_by`, lets them leave.

    Flows that are admitted behind the walk are not visited: what starts a sweep sees to it that
    they do not come.
    """

    __slots__ = ("_index", "_which", "leave_by", "reason")

    def __init__(
        self, which: Callable[[Flow], bool], reason: CloseReason, leave_by: float | None
    ) -> None:
        self._which = which
        self._index = 0
        self.reason = reason
        self.leave_by = leave_by

    def slice(self, slab: Slab, flows_max: int) -> tuple[list[Flow], bool]:
        """The next at most `flows_max` flows, and whether that was the end of the walk."""
        found: list[Flow] = []
        end = min(self._index + VISITS_PER_SLICE, len(slab.places))
        while self._index < end and len(found) < flows_max:
            flow = slab.places[self._index]
            self._index += 1
            if flow is not None and self._which(flow):
                found.append(flow)
        return found, self._index >= len(slab.places)
