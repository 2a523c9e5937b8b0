from __future__ import annotations

import pytest

from udplb.config.load import parse
from udplb.core.address import parse_address
from udplb.core.settings import (
    PROFILES,
    BackendSettings,
    ClusterSettings,
    Configuration,
    EngineSettings,
    FlowTerms,
    HealthSettings,
    ListenerSettings,
    Profile,
)

MINIMAL = """\
[[listeners]]
name = "l"
address = "192.0.2.1:53"
cluster = "c"
[[clusters.c.backends]]
address = "10.0.0.1:53"
"""


def test_what_is_not_written_is_the_default() -> None:
    address = parse_address("10.0.0.1:53")
    assert parse(MINIMAL, "f").configuration == Configuration(
        engine=EngineSettings(metrics_address=parse_address("127.0.0.1:9464")),
        listeners=(ListenerSettings(name="l", address=parse_address("192.0.2.1:53"), cluster="c"),),
        clusters=(
            ClusterSettings(
                name="c", backends=(BackendSettings(address=address, name="10.0.0.1:53"),)
            ),
        ),
    )


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_sets_the_knobs_that_are_not_written(profile: Profile) -> None:
    text = f'{MINIMAL}[clusters.c]\nprofile = "{profile}"\nback_timeout = "7s"\n'
    (cluster,) = parse(text, "f").configuration.clusters
    expected = PROFILES[profile]
    assert cluster.affinity == expected.affinity
    assert cluster.terms.front_timeout == expected.terms.front_timeout
    assert cluster.terms.responses == expected.terms.responses
    assert cluster.terms.max_age == expected.terms.max_age
    assert cluster.terms.back_timeout == 7.0


def test_everything_that_is_written_arrives() -> None:
    text = """\
[engine]
log_level = "debug"
log_format = "json"
control_socket = "/run/u.sock"
metrics_address = "off"
drain_timeout = 1
max_flows = 2
upstream_port_rest = "500ms"
busy_poll = "50us"
hash_seed = "secret"
gso = "off"
gro = "off"
[[listeners]]
name = "l"
address = "[::]:53"
cluster = "c d"
max_datagram_size = 512
max_flows = 3
max_flows_per_source = 4
new_flows_per_second = 5
allow = ["10.0.0.0/8"]
deny = ["10.1.0.0/16"]
receive_buffer = "1MiB"
[clusters."c d"]
profile = "session"
balance = "random"
affinity = "source_ip_port"
proxy_protocol = "every"
on_backend_down = "move"
resend = false
front_timeout = 1
back_timeout = 2
responses = 3
requests = 4
max_age = 5
backends = [{name = "b", address = "10.0.0.1:53", weight = 7, backup = true, state = "drain"}]
[clusters."c d".health]
probe = "udp"
port = 54
send = "hex:00"
expect = "x"
secret = "hunter2"
query_name = "a.b"
query_type = "A"
rcodes = ["NOERROR", "NXDOMAIN"]
interval = 6
timeout = 7
rise = 8
fall = 9
fail_open = false
passive = false
refusals = 10
refusal_window = 11
eject_below = 0.5
"""
    configuration = parse(text, "f").configuration
    assert configuration.engine == EngineSettings(
        log_level="debug",
        log_format="json",
        control_socket="/run/u.sock",
        metrics_address=None,
        drain_timeout=1.0,
        max_flows=2,
        upstream_port_rest=0.5,
        busy_poll=0.00005,
        hash_seed=b"secret",
        gso="off",
        gro="off",
    )
    (listener,) = configuration.listeners
    assert (str(listener.address), listener.cluster) == ("[::]:53", "c d")
    assert (listener.max_datagram_size, listener.max_flows) == (512, 3)
    assert (listener.max_flows_per_source, listener.new_flows_per_second) == (4, 5)
    assert (list(map(str, listener.allow)), list(map(str, listener.deny))) == (
        ["10.0.0.0/8"],
        ["10.1.0.0/16"],
    )
    assert listener.receive_buffer == 1 << 20
    (cluster,) = configuration.clusters
    assert cluster == ClusterSettings(
        name="c d",
        backends=(
            BackendSettings(
                address=parse_address("10.0.0.1:53"),
                name="b",
                weight=7,
                backup=True,
                state="drain",
            ),
        ),
        profile="session",
        balance="random",
        affinity="source_ip_port",
        on_backend_down="move",
        resend=False,
        terms=FlowTerms(
            front_timeout=1.0,
            back_timeout=2.0,
            responses=3,
            requests=4,
            max_age=5.0,
            proxy_protocol="every",
        ),
        health=HealthSettings(
            probe="udp",
            port=54,
            send=b"\0",
            expect=b"x",
            secret=b"hunter2",
            query_name="a.b",
            query_type="A",
            rcodes=("NOERROR", "NXDOMAIN"),
            interval=6.0,
            timeout=7.0,
            rise=8,
            fall=9,
            fail_open=False,
            passive=False,
            refusals=10,
            refusal_window=11.0,
            eject_below=0.5,
        ),
    )
