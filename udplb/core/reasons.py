"""Why a flow ended, why a datagram was dropped: each reason has a name, a meaning and a counter.

LIFECYCLE.md's tables are generated from the meanings that stand here.
"""

from __future__ import annotations

from enum import StrEnum


class Explained(StrEnum):
    """A word for machines with a sentence for people. Hashes as fast as the plain string."""

    meaning: str

    def __new__(cls, word: str, meaning: str) -> Explained:
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member

    __hash__ = str.__hash__


class CloseReason(Explained):
    """Why a flow ended. Every flow that was admitted closes exactly once, with one of these."""

    IDLE = "idle", "neither side sent anything within its timeout"
    ANSWERED = "answered", "every client datagram has had its `responses` replies"
    REQUESTS = "requests", "`requests` client datagrams were taken, and the last replies had time"
    MAX_AGE = "max_age", "older than `max_age`, and the last replies had time"
    MOVED = "moved", "its backend went down, and its client's datagrams go to another"
    DRAINED = "drained", "its backend's drain had lasted as long as it may"
    BACKEND_DOWN = "backend_down", 'its backend went down (`on_backend_down = "close"`)'
    REFUSED = "refused", "its backend refused, and no other could take its datagrams"
    BACKEND_REMOVED = "backend_removed", "its backend left the configuration"
    DENIED = "denied", "allow and deny no longer admit its client"
    OPERATOR = "operator", "an operator closed it"
    LISTENER_REMOVED = "listener_removed", "its listener left the configuration"
    SHUTDOWN = "shutdown", "the process ended before the flow did"


class DropReason(Explained):
    """Why a datagram went nowhere. Dropped datagrams are counted and never answered."""

    OVERSIZE = "oversize", "larger than `max_datagram_size`, or than the way out can carry"
    DENIED = "denied", "allow and deny do not admit the client"
    BAD_SOURCE = "bad_source", "source port 0, or a source that is one of our own listeners"
    EMPTY = "empty", "an empty datagram opens no flow"
    DRAINING = "draining", "shed: the listener takes no new flows"
    MAX_FLOWS = "max_flows", "shed: the listener or the engine has all the flows it may have"
    MAX_FLOWS_PER_SOURCE = "max_flows_per_source", "shed: this source has all it may have"
    NEW_FLOWS_PER_SECOND = "new_flows_per_second", "shed: flows are opened too fast"
    NO_BACKEND = "no_backend", "no backend takes new flows"
    NO_DESCRIPTOR = "no_descriptor", "shed: the process has no descriptor or memory left"
    NO_PORT = "no_port", "shed: no rested port is left towards the backend"
    UNREACHABLE = "unreachable", "shed, or lost on the way: no route to the backend"
    SEND_FAILED = "send_failed", "the kernel refused to send it, and not for its size"
    QUEUE_FULL = "queue_full", "the socket's buffer and our bounded queue before it are full"
    STRAY = "stray", "it reached an upstream socket before that was connected to its backend"


SHED_REASONS = frozenset(
    {
        DropReason.DRAINING,
        DropReason.MAX_FLOWS,
        DropReason.MAX_FLOWS_PER_SOURCE,
        DropReason.NEW_FLOWS_PER_SECOND,
        DropReason.NO_DESCRIPTOR,
        DropReason.NO_PORT,
        DropReason.UNREACHABLE,
    }
)
"""The drops of a client that was refused a flow because a limit is reached."""
