"""A backend as it runs: its settings, whether it takes new flows, and its counters."""

from __future__ import annotations

from udplb.core.address import Address
from udplb.core.drain import Drain
from udplb.core.hashing import keyed_hash
from udplb.core.health import Health
from udplb.core.settings import BackendSettings, HealthSettings


class Backend:
    """One address of a cluster. Counters are plain integers that only grow, `flows` aside."""

    __slots__ = (
        "admitted",
        "answered",
        "drain",
        "draining",
        "first_replies",
        "first_reply_s",
        "flows",
        "health",
        "number",
        "owed",
        "refusals",
        "removed",
        "replies",
        "reply_bytes",
        "request_bytes",
        "requests",
        "resent",
        "settings",
        "socket_address",
        "suspect",
        "turn",
        "unreachable",
        "unsent",
        "up",
        "weight",
    )

    def __init__(self, settings: BackendSettings, health: HealthSettings, seed: bytes) -> None:
        self.settings = settings
        self.socket_address = (settings.address.host, settings.address.port)
        """Its address as sockets want it."""
        self.weight = settings.weight
        self.draining = settings.state == "drain"
        self.health = Health(health)
        self.up = True
        """What its health comes to."""
        self.suspect = False
        """A reply would be news for its health."""
        self.drain: Drain | None = None
        """The operator's drain, if there is one; also one that has ended."""
        self.removed = False
        self.number = keyed_hash(settings.address.affinity_key, seed)
        """What hashing mixes with a client's hash: of the address, never of the name."""
        self.turn = 0
        """When it was last chosen, for policies that break ties by it."""
        self.flows = 0
        """Live flows, current and leaving."""
        self.admitted = 0
        self.requests = 0
        self.request_bytes = 0
        self.replies = 0
        self.reply_bytes = 0
        self.owed = 0
        """Replies that its flows wait for or had, where their `responses` is set."""
        self.answered = 0
        """Replies that were owed and came; what comes beyond is not counted."""
        self.first_replies = 0
        """Flows that had a reply."""
        self.first_reply_s = 0.0
        """How long they waited for the first one, all together."""
        self.resent = 0
        """Client datagrams sent once more, as one had been refused."""
        self.refusals = 0
        """Port-unreachables that its sockets reported."""
        self.unreachable = 0
        self.unsent = 0
        """Client datagrams that did not go out after all, or for which no socket was opened."""

    @property
    def address(self) -> Address:
        """Its identity within the cluster."""
        return self.settings.address

    @property
    def name(self) -> str:
        """For people; the address where none was given."""
        return self.settings.name

    @property
    def ready(self) -> bool:
        """Whether the operator lets it have new flows, be it up or down."""
        return self.weight > 0 and not self.draining and not self.removed

    def is_called(self, word: str) -> bool:
        """Whether `word` is its name or its address."""
        return self.settings.is_called(word)

    def settings_changed(self, settings: BackendSettings) -> None:
        """The operator calls it or weighs it otherwise; its address stays."""
        assert settings.address == self.settings.address
        self.settings = settings
        self.weight = settings.weight

    def __repr__(self) -> str:
        return f"Backend({self.name})"
