"""A drain of one backend: no new flows, those that exist live to their end, or to a deadline."""

from __future__ import annotations

from udplb.core.settings import AtDeadline


class Drain:
    """When it began, when it has to be over, and what happens to the flows that are left then."""

    __slots__ = ("began_at", "deadline", "drained", "expired", "way")

    def __init__(self, began_at: float, deadline: float, way: AtDeadline) -> None:
        self.began_at = began_at
        self.deadline = deadline
        """Infinity: as long as it takes."""
        self.way = way
        self.expired = False
        """The deadline has passed, and what is left was told to go."""
        self.drained = False
        """The last flow is gone."""
