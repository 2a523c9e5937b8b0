"""A flow: one client on one listener, pinned to one backend, and the states of its life.

`TRANSITIONS` is the whole life. LIFECYCLE.md's table and diagram are made from it, and the code
moves through it alone (`Flow.turn`).
"""

from __future__ import annotations

from math import inf

from udplb.core.address import Address, normal_ip
from udplb.core.backend import Backend
from udplb.core.reasons import CloseReason, Explained
from udplb.core.settings import FlowTerms
from udplb.core.train import Train

UNLIMITED = 1 << 60
"""Client datagrams left where `requests` is 0: no traffic ever uses it up."""

ClientAddress = tuple[str, int] | tuple[str, int, int, int]
"""A client as the socket names it: host, port and, for IPv6, flow information and scope."""

LocalAddress = tuple[bytes, int]
"""Where a client's datagram was sent to: packed IP address, and the interface's index where the
address means something on that link alone, else 0."""

FlowKey = ClientAddress | tuple[ClientAddress, LocalAddress]

NO_UPSTREAM = -1

SAMPLE_MIN_S = 1.0
"""Seconds over which a flow's rate is taken at least."""


class State(Explained):
    """Where a flow is in its life."""

    CURRENT = "current", "its client's next datagram takes it"
    LEAVING = "leaving", "it takes no more datagrams of its client, but still relays replies"
    CLOSED = "closed", "it is gone, and its upstream socket with it"
    UNDONE = "undone", "its upstream could not be opened: the admission is taken back"


class Step(Explained):
    """What moves a flow from one state to the next."""

    LEFT = (
        "left",
        "`requests` are used up, `max_age` has come, or its backend is down, drained or removed",
    )
    ENDED = "ended", "a close reason holds"
    FAILED = "failed", "the shell could not open its upstream"


TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.CURRENT, Step.FAILED): State.UNDONE,
    (State.CURRENT, Step.LEFT): State.LEAVING,
    (State.CURRENT, Step.ENDED): State.CLOSED,
    (State.LEAVING, Step.ENDED): State.CLOSED,
}


class Flow:
    """One virtual connection. Times are the core's `now` in seconds, counters only grow."""

    __slots__ = (
        "_rate",
        "_sampled",
        "_sampled_at",
        "admitted_at",
        "backend",
        "client",
        "client_address",
        "end_by",
        "first_reply_at",
        "id",
        "index",
        "kept",
        "kept_bytes",
        "kept_since",
        "key",
        "last_reply_at",
        "last_request_at",
        "leave_reason",
        "left",
        "local",
        "opening",
        "predecessor",
        "refused",
        "reopened_at",
        "replies",
        "reply_bytes",
        "request_bytes",
        "requests",
        "resent",
        "second_choice",
        "state",
        "terms",
        "tick",
        "upstream",
    )

    def __init__(
        self,
        *,
        serial: int,
        key: FlowKey,
        client: Address,
        client_address: ClientAddress,
        local: LocalAddress | None,
        backend: Backend,
        terms: FlowTerms,
        now: float,
    ) -> None:
        self.id = serial
        self.key = key
        self.client = client
        self.client_address = client_address
        """The client as the listener's socket wants it for replies."""
        self.local = local
        """Where the client had sent to; None on a listener that is bound to one address."""
        self.backend = backend
        self.terms = terms
        self.state = State.CURRENT
        self.left = terms.requests or UNLIMITED
        """Client datagrams that it may still take."""
        self.leave_reason: CloseReason | None = None
        self.end_by = inf
        """When a leaving flow ends even if datagrams still come."""
        self.predecessor: Flow | None = None
        """Its client's leaving flow, which carries on should this one's upstream fail to open."""
        self.opening = True
        """Its upstream was asked for, and the shell has not answered yet."""
        self.second_choice = False
        """Its first backend could not be reached; there is no third."""
        self.reopened_at = -inf
        """When its upstream was opened anew, or that was tried, and no reply came since."""
        self.kept: tuple[Train, ...] = ()
        """What may have to be sent again: the last train, or all since a refusal was met."""
        self.kept_bytes = 0
        self.kept_since = now
        """When the oldest of it was sent."""
        self.refused = False
        """A refusal was met, and no reply came since."""
        self.resent = False
        """The last kept train was sent again already."""
        self.admitted_at = now
        self.last_request_at = now
        self.last_reply_at = now
        self.first_reply_at: float | None = None
        self.requests = 0
        """Client datagrams handed to the backend; those that the kernel refused are taken back."""
        self.request_bytes = 0
        self.replies = 0
        self.reply_bytes = 0
        self.index = 0
        """Its place in the slab."""
        self.tick = 0
        """Its place in the line of deadlines."""
        self.upstream = NO_UPSTREAM
        """The shell's number for its upstream socket."""
        self._sampled_at, self._sampled, self._rate = now, 0, 0.0

    def turn(self, step: Step) -> None:
        """Go to the next state of its life. A step that the life does not have is a bug."""
        self.state = TRANSITIONS[self.state, step]

    @property
    def live(self) -> bool:
        """Whether it still has an upstream, current or leaving."""
        return self.state is State.CURRENT or self.state is State.LEAVING

    @property
    def given_up(self) -> bool:
        """Whether it left because its backend is down, or had to be empty by now."""
        if self.leave_reason is CloseReason.MOVED:
            return not self.backend.up
        return self.leave_reason is CloseReason.DRAINED

    @property
    def answered(self) -> bool:
        """Whether every client datagram has had its replies; never where they are not counted."""
        owed = self.requests * self.terms.responses
        return 0 < owed <= self.replies

    def due(self) -> float:
        """When it has to be looked at: idle, too old, or its time for last replies over."""
        terms = self.terms
        if self.state is State.LEAVING:
            last = max(self.last_request_at, self.last_reply_at)
            return min(last + terms.back_timeout, self.end_by)
        idle = self.last_request_at + terms.front_timeout
        if self.replies:
            idle = max(idle, self.last_reply_at + terms.back_timeout)
        return min(idle, self.admitted_at + terms.max_age) if terms.max_age else idle

    def sampled(self, now: float) -> float:
        """Datagrams per second, both ways, since somebody asked last.

        If that is less than SAMPLE_MIN_S ago: what was found then. The first time it is the mean
        since admission, of a young flow as if it were a second old.
        """
        datagrams = self.requests + self.replies
        elapsed = now - self._sampled_at
        if elapsed >= SAMPLE_MIN_S:
            # Requests that the kernel refused were taken back.
            self._rate = max(0, datagrams - self._sampled) / elapsed
            self._sampled = datagrams
            self._sampled_at = now
        elif self._sampled_at == self.admitted_at:
            return datagrams / SAMPLE_MIN_S
        return self._rate

    def outlived(self, now: float) -> bool:
        """Whether it is older than `max_age`."""
        max_age = self.terms.max_age
        # The same sum as in `due`: a difference could round to the other side of max_age.
        return max_age > 0 and self.admitted_at + max_age <= now

    def __repr__(self) -> str:
        return f"Flow({self.id} {self.client} -> {self.backend.name}, {self.state})"


def client_of(client_address: ClientAddress) -> Address:
    """The client that a socket address names, normalised."""
    return Address(normal_ip(client_address[0]), client_address[1])
