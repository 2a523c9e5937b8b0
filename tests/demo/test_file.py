"""The demo's file is a good one, for every place and speed."""

from __future__ import annotations

from pathlib import Path

import pytest

from udplb.config.load import parse
from udplb.core.settings import Configuration
from udplb.demo.cast import CLUSTERS, DENIED_NETWORK
from udplb.demo.file import FLOWS_PER_SOURCE, configuration_text

PORTS = {f"{cluster}/{name}": 0 for cluster, names in CLUSTERS.items() for name in names}
PORTS.update({name: 20_000 + number for number, name in enumerate(PORTS)})
LISTENERS = {cluster: 21_000 + number for number, cluster in enumerate(CLUSTERS)}


def configuration(
    control_socket: str = "/tmp/udplb.sock", *, many_hosts: bool = True, speed: float = 1.0
) -> Configuration:
    text = configuration_text(
        LISTENERS, PORTS, Path(control_socket), many_hosts=many_hosts, speed=speed
    )
    loaded = parse(text, "udplb.toml")
    assert not loaded.warnings
    return loaded.configuration


def test_every_backend_and_listener_is_where_it_is() -> None:
    found = configuration()
    assert {
        f"{cluster.name}/{backend.name}": backend.address.port
        for cluster in found.clusters
        for backend in cluster.backends
    } == PORTS
    assert {each.cluster: each.address.port for each in found.listeners} == LISTENERS
    assert [each.name for each in found.listeners] == list(CLUSTERS)


@pytest.mark.parametrize("speed", [0.5, 1.0, 7.0, 20.0, 1_000.0])
def test_spans_shrink_with_the_speed(speed: float) -> None:
    game = configuration(speed=speed).clusters[1]
    assert game.terms.front_timeout == pytest.approx(8 / speed, abs=0.001)
    assert game.health.interval == pytest.approx(max(0.1, 1 / speed), abs=0.001)
    assert game.health.timeout <= game.health.interval


def test_limits_by_source_need_many_hosts() -> None:
    game = configuration().listeners[1]
    assert (game.max_flows_per_source, str(game.deny[0])) == (FLOWS_PER_SOURCE, DENIED_NETWORK)
    alone = configuration(many_hosts=False).listeners[1]
    assert (alone.max_flows_per_source, alone.deny) == (0, ())


@pytest.mark.parametrize("path", ["/tmp/x/udplb.sock", '/tmp/a "b"/\\c.sock', "/tmp/ö.sock"])
def test_the_control_socket_is_the_one_that_is_served(path: str) -> None:
    assert configuration(path).engine.control_socket == path
