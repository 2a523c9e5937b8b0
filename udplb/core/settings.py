"""What an operator can set, as plain immutable values: the config room makes them, core obeys.

Times are seconds as float, sizes bytes, counts plain integers; 0 means "no limit" or "not
counted" where the field says so. A live flow keeps the `FlowTerms` that it was admitted with;
every other change applies at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Literal

from udplb.core.address import Address

Profile = Literal["generic", "dns", "oneway", "session"]
Balance = Literal["hrw", "maglev", "round_robin", "random", "least_flows"]
Affinity = Literal["source_ip", "source_ip_port"]
ProxyProtocol = Literal["off", "first", "until_reply", "every"]
OnBackendDown = Literal["keep", "move", "close"]
AtDeadline = Literal["move", "close"]
BackendState = Literal["active", "drain"]
Probe = Literal["off", "tcp", "udp", "dns", "ntp", "stun", "sip", "radius"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]
Offload = Literal["auto", "off"]
Network = IPv4Network | IPv6Network

DATAGRAM_MAX = 65_507
"""The largest UDP payload over IPv4, in bytes (RFC 768: 65,535 less 20 and 8 of headers)."""

WEIGHT_MAX = 1_000

PROBE_BYTES_MAX = 4_096
"""Bytes that a probe sends at most, and that a reply to it may have."""

SERVICE_PROBES: frozenset[Probe] = frozenset({"udp", "dns", "ntp", "stun", "sip", "radius"})
"""Probes that see the service itself at work. A tcp probe does not: the kernel completes the
handshake for a process that is stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowTerms:
    """When a flow ends. Fixed for a flow's life at its admission."""

    front_timeout: float = 30.0
    back_timeout: float = 30.0
    responses: int = 0
    """Replies expected per client datagram; 0: not counted."""
    requests: int = 0
    """Client datagrams after which the flow is leaving; 0: unlimited."""
    max_age: float = 0.0
    """Age after which the flow is leaving; 0: never."""
    proxy_protocol: ProxyProtocol = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSettings:
    """One backend; its address is its identity within the cluster, its name is for people."""

    address: Address
    name: str
    weight: int = 1
    backup: bool = False
    state: BackendState = "active"

    def is_called(self, word: str) -> bool:
        """Whether `word` is its name or its address."""
        return word == self.name or word == str(self.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSettings:
    """How a cluster learns whether its backends live."""

    probe: Probe = "off"
    port: int = 0
    """Port of the probe; 0: the backend's own."""
    send: bytes = b""
    expect: bytes = b""
    """What a udp probe's reply has to contain; empty: any reply counts."""
    secret: bytes = field(default=b"", repr=False)
    """What a radius probe shares with the servers; it never shows up in messages."""
    query_name: str = "."
    query_type: str = "NS"
    rcodes: tuple[str, ...] = ("NOERROR",)
    interval: float = 5.0
    timeout: float = 2.0
    rise: int = 2
    fall: int = 3
    fail_open: bool = True
    passive: bool = True
    refusals: int = 3
    refusal_window: float = 10.0
    eject_below: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """A named set of backends with one balancing policy and one set of flow terms."""

    name: str
    backends: tuple[BackendSettings, ...]
    profile: Profile = "generic"
    balance: Balance = "hrw"
    affinity: Affinity = "source_ip_port"
    on_backend_down: OnBackendDown = "keep"
    resend: bool = True
    terms: FlowTerms = field(default_factory=FlowTerms)
    health: HealthSettings = field(default_factory=HealthSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """One bound socket and whom it serves."""

    name: str
    address: Address
    cluster: str
    max_datagram_size: int = DATAGRAM_MAX
    """Client datagrams above it are dropped, in bytes; replies are not limited by it."""
    max_flows: int = 0
    max_flows_per_source: int = 0
    new_flows_per_second: int = 0
    allow: tuple[Network, ...] = ()
    """Networks that may open flows; empty: everybody. `deny` wins."""
    deny: tuple[Network, ...] = ()
    receive_buffer: int = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """What concerns the process as a whole."""

    log_level: LogLevel = "info"
    log_format: LogFormat = "text"
    control_socket: str = "auto"
    metrics_address: Address | None = None
    """None: off."""
    drain_timeout: float = 30.0
    max_flows: int = 0
    """All listeners together; 0: 70 % of the descriptor limit."""
    upstream_port_rest: float = 1.0
    busy_poll: float = 0.0
    """How long the engine looks for more before it sleeps, in seconds; 0: not at all."""
    hash_seed: bytes = field(default=b"0", repr=False)
    """Secret: it never shows up in messages."""
    gso: Offload = "auto"
    gro: Offload = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A whole valid file. Every listener's cluster is among the clusters."""

    engine: EngineSettings
    listeners: tuple[ListenerSettings, ...]
    clusters: tuple[ClusterSettings, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileDefaults:
    """What one profile word stands for; an explicit key wins over it."""

    terms: FlowTerms
    affinity: Affinity


PROFILES: dict[Profile, ProfileDefaults] = {
    "generic": ProfileDefaults(terms=FlowTerms(), affinity="source_ip_port"),
    "dns": ProfileDefaults(
        terms=FlowTerms(front_timeout=5.0, back_timeout=5.0, responses=1),
        affinity="source_ip_port",
    ),
    "oneway": ProfileDefaults(
        terms=FlowTerms(front_timeout=30.0, back_timeout=1.0, max_age=300.0),
        affinity="source_ip_port",
    ),
    "session": ProfileDefaults(
        terms=FlowTerms(front_timeout=180.0, back_timeout=180.0),
        affinity="source_ip",
    ),
}
"""Sources: what the protocols need; DNS resolvers give up after 5 s, NAT mappings for voice and
games live 2 to 3 minutes (RFC 4787, REQ-5)."""
