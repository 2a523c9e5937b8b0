"""Hosts and ports of the demo."""

from __future__ import annotations

import random
import socket
from ipaddress import ip_address, ip_network

import pytest

from udplb.demo import cast
from udplb.demo.cast import (
    DENIED,
    DENIED_NETWORK,
    LOOPBACK,
    PORTS,
    RESOLVERS,
    bound_somewhere,
    free_place,
    has_many_hosts,
    open_client,
    player_host,
)


def test_only_the_denied_host_is_denied() -> None:
    network = ip_network(DENIED_NETWORK)
    assert ip_address(DENIED) in network
    chance = random.Random(1)
    for host in (*RESOLVERS, *(player_host(chance) for _ in range(100))):
        assert ip_address(host).is_loopback
        assert ip_address(host) not in network


def test_what_is_bound_is_out_of_the_way_of_clients() -> None:
    with bound_somewhere() as one, bound_somewhere() as other:
        assert one.getsockname() != other.getsockname()
        assert one.getsockname()[1] in PORTS
        assert not one.getblocking()


def test_a_free_place_can_be_bound() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(free_place())


def test_with_all_ports_taken_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with bound_somewhere() as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(cast, "PORTS", range(port, port + 1))
        with pytest.raises(OSError, match="in use"):
            bound_somewhere()


def test_a_client_comes_from_its_host_or_from_127_0_0_1() -> None:
    with bound_somewhere() as server:
        target = server.getsockname()
        with open_client("127.53.0.1", target) as client:
            assert client.getpeername() == target
            assert client.getsockname()[0] == ("127.53.0.1" if has_many_hosts() else LOOPBACK)
        with open_client("192.0.2.1", target) as client:  # never ours
            assert client.getsockname()[0] == LOOPBACK
