"""What the tests of differences and overlays share: valid configurations, and their text.

Names and addresses come from small pools, so that two configurations have much in common.
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from ipaddress import ip_network

from hypothesis import strategies as st

from udplb.config.load import parse
from udplb.core.address import Address, parse_address
from udplb.core.settings import (
    BackendSettings,
    ClusterSettings,
    Configuration,
    EngineSettings,
    FlowTerms,
    HealthSettings,
    ListenerSettings,
)

NAMES = ("a", "b", "edge-3", "ü", 'say "x"', "10.0.0.1:53")
CLUSTERS = ("dns", "c d", "x.y")
BACKENDS = (
    *(parse_address(f"10.0.0.{n}:53") for n in range(1, 5)),
    parse_address("[2001:db8::1]:53"),
    parse_address("127.0.0.1:53"),
)
LISTENING = tuple(
    map(parse_address, ("192.0.2.1:53", "192.0.2.2:53", "10.0.0.4:53", "127.0.0.1:53", "[::]:53"))
)


def text_of(configuration: Configuration) -> str:
    """A file that says the same, every key written."""
    lines = ["[engine]"]
    for field in fields(EngineSettings):
        value = getattr(configuration.engine, field.name)
        if field.name == "metrics_address":
            value = "off" if value is None else value
        lines.append(f"{field.name} = {_spelled(value)}")
    for listener in configuration.listeners:
        lines += ["[[listeners]]", *_written(listener)]
    for cluster in configuration.clusters:
        header = f"clusters.{json.dumps(cluster.name, ensure_ascii=False)}"
        lines += [f"[{header}]", *_written(cluster, "name", "backends", "terms", "health")]
        lines += _written(cluster.terms)
        for backend in cluster.backends:
            lines += [f"[[{header}.backends]]", *_written(backend)]
        health = _written(cluster.health, *(["port"] if not cluster.health.port else []))
        lines += [f"[{header}.health]", *health]
    return "\n".join(lines) + "\n"


def is_valid(configuration: Configuration) -> bool:
    """Whether a file could say it: it is written down and read."""
    return parse(text_of(configuration), "f").configuration == configuration


def _written(settings: object, *without: str) -> list[str]:
    names = [field.name for field in fields(settings) if field.name not in without]  # type: ignore[arg-type]
    return [f"{name} = {_spelled(getattr(settings, name))}" for name in names]


def _spelled(value: object) -> str:
    match value:
        case Address():
            return json.dumps(str(value))
        case bytes():
            return json.dumps(value.decode(), ensure_ascii=False)
        case tuple():
            return f"[{', '.join(json.dumps(str(each)) for each in value)}]"
        case _:
            return json.dumps(value, ensure_ascii=False)


ENGINES = st.builds(
    EngineSettings,
    log_level=st.sampled_from(["info", "debug"]),
    log_format=st.sampled_from(["text", "json"]),
    control_socket=st.sampled_from(["auto", "off", "/run/x"]),
    metrics_address=st.sampled_from([None, parse_address("127.0.0.1:9464")]),
    drain_timeout=st.sampled_from([0.0, 0.5, 30.0, 86400.0]),
    max_flows=st.sampled_from([0, 7]),
    upstream_port_rest=st.sampled_from([0.0, 1.0]),
    busy_poll=st.sampled_from([0.0, 0.00005]),
    hash_seed=st.sampled_from([b"0", b"hunter2"]),
    gso=st.sampled_from(["auto", "off"]),
    gro=st.sampled_from(["auto", "off"]),
)

_NETWORKS = st.lists(
    st.sampled_from([ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")]), max_size=2
).map(tuple)

_TERMS = st.builds(
    FlowTerms,
    front_timeout=st.sampled_from([30.0, 0.001]),
    back_timeout=st.sampled_from([30.0, 90.0]),
    responses=st.sampled_from([0, 1]),
    requests=st.sampled_from([0, 1]),
    max_age=st.sampled_from([0.0, 300.0]),
    proxy_protocol=st.sampled_from(["off", "first"]),
)

_HEALTH = st.builds(
    HealthSettings,
    probe=st.sampled_from(["off", "udp", "radius"]),
    port=st.sampled_from([0, 54]),
    send=st.sampled_from([b"ping", b"\t\x1b"]),
    expect=st.sampled_from([b"", b"pong"]),
    secret=st.sampled_from([b"hunter2", b"hunter3"]),
    rcodes=st.sampled_from([("NOERROR",), ("NOERROR", "REFUSED")]),
    interval=st.sampled_from([5.0, 0.1]),
    timeout=st.sampled_from([2.0, 0.01]),
    fail_open=st.booleans(),
    eject_below=st.sampled_from([0.0, 0.5]),
)


@st.composite
def _backends(draw: st.DrawFn, barred: frozenset[Address]) -> tuple[BackendSettings, ...]:
    allowed = [address for address in BACKENDS if address not in barred]
    addresses = draw(st.lists(st.sampled_from(allowed), min_size=1, unique=True))
    words = set(map(str, addresses))
    found = []
    for address in addresses:
        name = draw(st.sampled_from((str(address), *NAMES)))
        if name != str(address) and name in words:
            name = str(address)
        words.add(name)
        found.append(
            BackendSettings(
                address=address,
                name=name,
                weight=draw(st.sampled_from([1, 0, 5])),
                backup=draw(st.booleans()),
                state=draw(st.sampled_from(["active", "drain"])),
            )
        )
    return tuple(found)


@st.composite
def _clusters(draw: st.DrawFn, name: str, barred: frozenset[Address]) -> ClusterSettings:
    return ClusterSettings(
        name=name,
        backends=draw(_backends(barred)),
        profile=draw(st.sampled_from(["generic", "dns"])),
        balance=draw(st.sampled_from(["hrw", "maglev"])),
        affinity=draw(st.sampled_from(["source_ip", "source_ip_port"])),
        on_backend_down=draw(st.sampled_from(["keep", "move"])),
        resend=draw(st.booleans()),
        terms=draw(_TERMS),
        health=draw(_HEALTH),
    )


@st.composite
def configurations(draw: st.DrawFn) -> Configuration:
    """Any valid configuration of small pools."""
    wildcard = draw(st.booleans())
    places = LISTENING[-1:] if wildcard else LISTENING[:-1]
    addresses = draw(st.lists(st.sampled_from(places), min_size=1, unique=True))
    barred = frozenset(addresses) | (frozenset(LISTENING) if wildcard else frozenset())
    names = draw(st.lists(st.sampled_from(CLUSTERS), min_size=1, unique=True))
    called = draw(
        st.lists(
            st.sampled_from(NAMES),
            min_size=len(addresses),
            max_size=len(addresses),
            unique=True,
        )
    )
    listeners = tuple(
        ListenerSettings(
            name=name,
            address=address,
            cluster=draw(st.sampled_from(names)),
            max_flows=draw(st.sampled_from([0, 9])),
            allow=draw(_NETWORKS),
            receive_buffer=draw(st.sampled_from([4 << 20, 5000])),
        )
        for name, address in zip(called, addresses, strict=True)
    )
    return Configuration(
        engine=draw(ENGINES),
        listeners=listeners,
        clusters=tuple(draw(_clusters(name, barred)) for name in names),
    )


def large(backends: int = 2_000) -> Configuration:
    """One cluster with many named backends, and a small one."""
    many = tuple(
        BackendSettings(
            address=parse_address(f"10.1.{index >> 8}.{index & 255}:53"),
            name=f"edge-{index}",
            weight=index % 7 + 1,
        )
        for index in range(backends)
    )
    one = ListenerSettings(name="dns", address=parse_address("192.0.2.1:53"), cluster="many")
    return Configuration(
        engine=EngineSettings(metrics_address=None),
        listeners=(one, replace(one, name="web", address=parse_address("192.0.2.1:80"))),
        clusters=(
            ClusterSettings(name="many", backends=many, balance="maglev"),
            ClusterSettings(name="few", backends=many[:2]),
        ),
    )
