"""A listener's counters: plain integers, read by snapshots and metrics.

They only grow, but for what the kernel refused in the same step: that is taken back.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from udplb.core.flow import ClientAddress
from udplb.core.reasons import CloseReason, DropReason

RECENT_DROPS_MAX = 1_024


class Drop(NamedTuple):
    """A client's datagrams that were dropped, and when."""

    at: float
    client_address: ClientAddress
    reason: DropReason


class RecentDrops(deque[Drop]):
    """The latest drops of all listeners; the oldest make room."""

    def __init__(self) -> None:
        super().__init__(maxlen=RECENT_DROPS_MAX)


class Counters:
    """What one listener has done since it started."""

    __slots__ = (
        "admitted",
        "closed",
        "dropped",
        "replies",
        "reply_bytes",
        "request_bytes",
        "requests",
        "resent",
        "shed",
        "succession_refused",
    )

    def __init__(self) -> None:
        self.requests = 0
        """Client datagrams handed to a backend."""
        self.request_bytes = 0
        self.replies = 0
        """Backend datagrams handed to a client."""
        self.reply_bytes = 0
        self.resent = 0
        """Client datagrams sent once more, to the same or another backend, as one had refused."""
        self.admitted = 0
        self.closed = dict.fromkeys(CloseReason, 0)
        """Flows by the reason of their close."""
        self.dropped = dict.fromkeys(DropReason, 0)
        """Datagrams, of clients and of backends, by the reason of their drop."""
        self.shed = dict.fromkeys(DropReason, 0)
        """Flows that were refused, by reason."""
        self.succession_refused = 0
        """Client datagrams that a leaving flow carried on because its successor was refused."""

    def add(self, other: Counters) -> None:
        """Count what another listener has done as well."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for reason, count in other.closed.items():
            self.closed[reason] += count
        for reason_of_drop, count in other.dropped.items():
            self.dropped[reason_of_drop] += count
        for reason_of_drop, count in other.shed.items():
            self.shed[reason_of_drop] += count


_SUMS = tuple(name for name in Counters.__slots__ if name not in ("closed", "dropped", "shed"))
