"""A backend as it runs: its settings, whether it takes new flows, and its counters."""

from __future__ import annotations

from udplb.core.address import Address
from udplb.core.hashing import keyed_hash
from udplb.core.settings import BackendSettings


class Backend:
    """One address of a cluster. Counters are plain integers that only grow, `flows` aside."""

    __slots__ = (
        "admitted",
        "draining",
        "flows",
        "number",
        "refusals",
        "removed",
        "replies",
        "reply_bytes",
        "request_bytes",
        "requests",
        "settings",
        "socket_address",
        "turn",
        "unreachable",
        "up",
        "weight",
    )

    def __init__(self, settings: BackendSettings, seed: bytes) -> None:
        self.settings = settings
        self.socket_address = (settings.address.host, settings.address.port)
        """Its address as sockets want it."""
        self.weight = settings.weight
        self.draining = settings.state == "drain"
        self.up = True
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
        self.refusals = 0
        """Port-unreachables that its sockets reported."""
        self.unreachable = 0

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

    def __repr__(self) -> str:
        return f"Backend({self.name})"
