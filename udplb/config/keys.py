"""The one table of keys: everything that may stand in a file, and what it means.

Validation, the starter file and the reference are made from it. A key that is not here does not
exist; a default that is not here is no default (a test holds core's plain types to it).
A key whose feature is yet to come is `pending`: it is validated, and unless it is off or at its
default a warning says that it has no effect. Building the feature takes the mark away.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from udplb.config.endpoints import BackendAddress, ListenerAddress, OptionalAddress
from udplb.config.kinds import (
    Choice,
    DomainName,
    Duration,
    HashSeed,
    ListOf,
    Name,
    NetworkText,
    Payload,
    Ratio,
    Secret,
    Size,
    SocketPath,
    Switch,
    Whole,
)
from udplb.config.section import Key, Origin, Section
from udplb.core.address import PORT_MAX
from udplb.core.settings import (
    DATAGRAM_MAX,
    PROBE_BYTES_MAX,
    WEIGHT_MAX,
    Affinity,
    BackendState,
    Balance,
    LogFormat,
    LogLevel,
    Offload,
    OnBackendDown,
    Probe,
    Profile,
    ProxyProtocol,
)

FLOWS_MAX = 10_000_000
"""More flows than any machine has ports and descriptors for."""

COUNT_MAX = 1_000_000_000

RECORD_TYPES = ("A", "AAAA", "CNAME", "DNSKEY", "DS", "HTTPS", "MX", "NS", "PTR", "SOA", "SRV")

RCODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")

_OFFLOAD = Choice(get_args(Offload))
_FLOW_CAP = Whole(0, FLOWS_MAX)
_NETWORKS = ListOf(NetworkText())
_LIFETIME = Duration("1ms", "24h")
_COUNT = Whole(0, COUNT_MAX)

ENGINE = Section(
    name="engine",
    shape="table",
    sentence="The process as a whole.",
    keys=(
        Key("log_level", Choice(get_args(LogLevel)), "info", "How much is logged."),
        Key("log_format", Choice(get_args(LogFormat)), "text", "How log lines are written."),
        Key(
            "control_socket",
            SocketPath(),
            "auto",
            "The Unix socket through which console and command line reach the proxy; auto is the "
            "first writable of $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR, /run/udplb and /run.",
        ),
        Key(
            "metrics_address",
            OptionalAddress(),
            "127.0.0.1:9464",
            "Where Prometheus metrics, /healthz and /readyz are served over HTTP.",
            pending=True,
        ),
        Key(
            "drain_timeout",
            Duration("0s", "24h"),
            "30s",
            "How long flows may live on when their backend is removed or the process stops.",
        ),
        Key(
            "max_flows",
            _FLOW_CAP,
            0,
            "Most flows of all listeners together; 0: 70 % of the limit of open files.",
        ),
        Key(
            "upstream_port_rest",
            Duration("0s", "1h"),
            "1s",
            "How long the port of a closed flow rests before another flow takes it, so that "
            "late replies reach nobody else.",
        ),
        Key(
            "busy_poll",
            Duration("0s", "1ms"),
            "0s",
            "How long the engine looks for more datagrams before it sleeps: less latency for "
            "more processor time.",
        ),
        Key(
            "hash_seed",
            HashSeed(),
            0,
            "Keys the hash that chooses backends: machines with the same seed choose alike, "
            "and a secret text keeps clients from aiming at one backend.",
        ),
        Key(
            "gso",
            _OFFLOAD,
            "auto",
            "Sends many datagrams in one system call where the kernel can (UDP_SEGMENT).",
        ),
        Key(
            "gro",
            _OFFLOAD,
            "auto",
            "Receives many datagrams in one system call where the kernel can (UDP_GRO).",
        ),
    ),
)

LISTENERS = Section(
    name="listeners",
    shape="array",
    sentence="One bound socket and whom it serves.",
    required=True,
    keys=(
        Key(
            "name",
            Name(),
            Origin.REQUIRED,
            "The listener's identity: under the same name a reload keeps its flows.",
            example="example",
        ),
        Key(
            "address",
            ListenerAddress(),
            Origin.REQUIRED,
            "The address to listen on; 0.0.0.0 is all of IPv4, [::] is all of IPv4 and IPv6.",
            example="127.0.0.1:5300",
        ),
        Key(
            "cluster",
            Name(),
            Origin.REQUIRED,
            "The cluster whose backends serve this listener's clients.",
            example="example",
        ),
        Key(
            "max_datagram_size",
            Whole(1, DATAGRAM_MAX),
            DATAGRAM_MAX,
            "Client datagrams of more bytes are dropped; replies are not limited.",
        ),
        Key("max_flows", _FLOW_CAP, 0, "Most flows of this listener; 0: no cap of its own."),
        Key(
            "max_flows_per_source",
            _FLOW_CAP,
            0,
            "Most flows of one IPv4 address or IPv6 /64; 0: no cap.",
        ),
        Key("new_flows_per_second", _FLOW_CAP, 0, "Most flows admitted in a second; 0: no cap."),
        Key("allow", _NETWORKS, (), "Networks that may open flows; empty: everybody."),
        Key("deny", _NETWORKS, (), "Networks that may not; deny wins over allow."),
        Key(
            "receive_buffer",
            Size("4KiB", "1GiB"),
            "4MiB",
            "The kernel's queue for datagrams that wait to be read.",
        ),
    ),
)

BACKENDS = Section(
    name="backends",
    shape="array",
    sentence="One server of the cluster; its address is its identity.",
    required=True,
    keys=(
        Key(
            "name",
            Name(),
            Origin.ADDRESS,
            "What people call it; without one it is called by its address.",
            example="a",
        ),
        Key(
            "address",
            BackendAddress(),
            Origin.REQUIRED,
            "Where it receives datagrams; host names are not looked up.",
            example="127.0.0.1:5301",
        ),
        Key(
            "weight",
            Whole(0, WEIGHT_MAX),
            1,
            "Its share of the new flows, against the others' weights; 0: no new flows.",
        ),
        Key(
            "backup",
            Switch(),
            False,
            "Whether it serves only while all others are down, draining or of weight 0.",
        ),
        Key(
            "state",
            Choice(get_args(BackendState)),
            "active",
            "drain: it takes no new flows, those that exist live to their end.",
        ),
    ),
)

HEALTH = Section(
    name="health",
    shape="table",
    sentence="How the cluster learns whether its backends live.",
    keys=(
        Key(
            "probe",
            Choice(get_args(Probe)),
            "off",
            "What asks the backends whether they live: tcp connects, which cannot see a stopped "
            "process; udp sends a payload of your own; the others ask as clients of the service.",
        ),
        Key(
            "port",
            Whole(1, PORT_MAX),
            Origin.ADDRESS,
            "The port that probes go to; without one the backend's own.",
            example=5353,
        ),
        Key("send", Payload(PROBE_BYTES_MAX), "", "What a udp probe sends; it needs one."),
        Key(
            "expect",
            Payload(PROBE_BYTES_MAX),
            "",
            "What a udp probe's reply has to contain; empty: any reply counts.",
        ),
        Key(
            "secret",
            Secret(),
            "",
            "What a radius probe shares with the servers, as a client of theirs; it needs one.",
        ),
        Key("query_name", DomainName(), ".", "The name that a dns probe asks for."),
        Key(
            "query_type",
            Choice(RECORD_TYPES),
            "NS",
            "The record type that a dns probe asks for.",
        ),
        Key(
            "rcodes",
            ListOf(Choice(RCODES), empty=False),
            ("NOERROR",),
            "The response codes with which a dns probe counts as answered.",
        ),
        Key(
            "interval",
            Duration("100ms", "1h"),
            "5s",
            "Time between two probes; up to a fifth less.",
        ),
        Key(
            "timeout",
            Duration("10ms", "1m"),
            "2s",
            "How long a probe waits for its reply.",
        ),
        Key(
            "rise",
            Whole(1, 100),
            2,
            "Probes that must succeed in a row until a backend is up again.",
        ),
        Key(
            "fall",
            Whole(1, 100),
            3,
            "Probes that must fail in a row until a backend is down.",
        ),
        Key(
            "fail_open",
            Switch(),
            True,
            "When every backend is down: true balances over them all the same, false drops.",
        ),
        Key(
            "passive",
            Switch(),
            True,
            "Whether refusals (ICMP port unreachable, or no route) take a backend down.",
        ),
        Key(
            "refusals",
            Whole(1, 1000),
            3,
            "Refusals without a reply between them that eject a backend.",
        ),
        Key(
            "refusal_window",
            Duration("100ms", "1h"),
            "10s",
            "The time within which they must come.",
        ),
        Key(
            "eject_below",
            Ratio(),
            0,
            "Where responses is set: the answered share below which a backend is ejected; 0: off.",
        ),
    ),
)

CLUSTERS = Section(
    name="clusters",
    shape="named",
    sentence="A named set of backends with one balancing policy and one set of flow settings.",
    sections=(BACKENDS, HEALTH),
    keys=(
        Key(
            "profile",
            Choice(get_args(Profile)),
            "generic",
            "Sets the timeouts and counts of flows to what one kind of service needs "
            "(oneway: syslog, NetFlow; session: games, VoIP, VPN); a key that is written wins.",
        ),
        Key(
            "balance",
            Choice(get_args(Balance)),
            "hrw",
            "How a backend is chosen for a new flow; hrw and maglev send the same client to the "
            "same backend on every machine.",
        ),
        Key(
            "affinity",
            Choice(get_args(Affinity)),
            Origin.PROFILE,
            "What hrw and maglev hash: source_ip keeps all ports of a host on one backend, "
            "source_ip_port spreads them.",
            example="source_ip_port",
        ),
        Key(
            "proxy_protocol",
            Choice(get_args(ProxyProtocol)),
            "off",
            "Which datagrams carry a PROXY v2 header that names the client.",
        ),
        Key(
            "on_backend_down",
            Choice(get_args(OnBackendDown)),
            "keep",
            "When a backend goes down while another is up: keep leaves its flows where they are, "
            "move sends their clients' next datagrams elsewhere, close ends them.",
        ),
        Key(
            "resend",
            Switch(),
            True,
            "Whether what the backend's host refused is sent once more; to another backend, if "
            "it goes down and on_backend_down is move. A backend may see a datagram twice.",
        ),
        Key(
            "front_timeout",
            _LIFETIME,
            Origin.PROFILE,
            "How long a flow lives after its client's last datagram.",
            example="30s",
        ),
        Key(
            "back_timeout",
            _LIFETIME,
            Origin.PROFILE,
            "How long a flow lives after its backend's last reply.",
            example="30s",
        ),
        Key(
            "responses",
            _COUNT,
            Origin.PROFILE,
            "Replies expected per client datagram; the flow ends when all are in; 0: not counted.",
            example=0,
        ),
        Key(
            "requests",
            _COUNT,
            Origin.PROFILE,
            "Client datagrams after which the next one is balanced anew; 0: never.",
            example=0,
        ),
        Key(
            "max_age",
            Duration("0s", "8760h"),
            Origin.PROFILE,
            "Age of a flow after which its client's next datagram is balanced anew; 0: never.",
            example=0,
        ),
    ),
)

ROOT = Section(
    name="",
    shape="table",
    sentence="The file.",
    sections=(ENGINE, LISTENERS, CLUSTERS),
)


def sections(section: Section = ROOT, path: str = "") -> Iterator[tuple[str, Section]]:
    """Every section with its header, as `[clusters.NAME.health]`, in the file's order."""
    for child in section.sections:
        inner = f"{path}.{child.name}".lstrip(".")
        inner += ".NAME" if child.shape == "named" else ""
        yield (f"[[{inner}]]" if child.shape == "array" else f"[{inner}]"), child
        yield from sections(child, inner)
