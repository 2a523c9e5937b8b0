"""Ports: rested ones only, the longest-rested first, one pool per backend address."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.harness import Servers, Udp, configuration, need_linux, ports_of_linux, proxy, until
from tests.namespaces import in_namespace, set_port_range
from udplb.core.settings import Configuration, FlowTerms
from udplb.engine.ports import RESTED_CHOICE, Ports

A = ("127.0.0.1", 53)
B = ("127.0.0.1", 54)


def take_all(ports: Ports, backend: tuple[str, int], now: float) -> list[int]:
    taken = []
    while (port := ports.take(backend, now)) is not None:
        taken.append(port)
    return taken


def test_hands_every_port_out_once_per_backend_in_one_order() -> None:
    ports = Ports([5, 3, 9], 1.0)
    assert take_all(ports, A, 0.0) == [5, 3, 9]
    assert take_all(ports, B, 0.0) == [5, 3, 9], "another backend shares the ports"


@pytest.mark.parametrize(("after", "there"), [(0.999, False), (1.0, True), (1.001, True)])
def test_rests_for_its_time(after: float, there: bool) -> None:
    ports = Ports([5], 1.0)
    ports.take(A, 0.0)
    ports.give_back(A, 5, 100.0)
    assert (ports.take(A, 100.0 + after) == 5) is there


def test_the_longest_rested_come_first() -> None:
    count = RESTED_CHOICE * 4
    ports = Ports(range(count), 1.0)
    take_all(ports, A, 0.0)
    for port in range(count):
        ports.give_back(A, port, port / 1_000)
    taken = take_all(ports, A, 50.0)
    assert sorted(taken) == list(range(count))
    assert taken != sorted(taken), "and none can be foretold"
    for position, port in enumerate(taken):
        assert port < position + RESTED_CHOICE


def test_never_one_that_is_not_rested_among_those_that_are() -> None:
    ports = Ports(range(40), 1.0)
    take_all(ports, A, 0.0)
    for port in range(40):
        ports.give_back(A, port, 0.0 if port < 10 else 5.0)
    assert sorted(take_all(ports, A, 5.5)) == list(range(10))
    assert sorted(take_all(ports, A, 6.0)) == list(range(10, 40))


def test_a_port_that_was_never_used_needs_no_rest() -> None:
    ports = Ports([5], 60.0)
    ports.take(A, 0.0)
    ports.give_back_unused(A, 5)
    assert ports.take(A, 0.0) == 5
    assert ports.take(A, 0.0) is None


def test_knows_what_we_hold_by_family() -> None:
    ports = Ports([5], 1.0)
    assert not ports.holds(4, 5)
    ports.hold(4, 5)
    ports.hold(4, 5)
    assert ports.holds(4, 5)
    assert not ports.holds(6, 5)
    ports.release(4, 5)
    assert ports.holds(4, 5)
    ports.release(4, 5)
    assert not ports.holds(4, 5)


def test_the_kernel_chooses_where_there_is_no_order() -> None:
    assert Ports(None, 1.0).chosen_by_kernel
    assert Ports((), 1.0).take(("127.0.0.1", 9), 0.0) is None, "no port at all is no free choice"
    assert not Ports([1], 1.0).chosen_by_kernel


def test_usable_ports_are_most_of_the_range_in_no_order() -> None:
    need_linux()
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    ports = ports_of_linux([first + 1, first + 2])
    assert len(ports) == pytest.approx((last - first) * 0.8, rel=0.1)
    assert len(set(ports)) == len(ports)
    assert min(ports) >= first
    assert max(ports) <= last
    assert not {first + 1, first + 2} & set(ports)
    assert list(ports) != sorted(ports)
    assert list(ports) != list(ports_of_linux([first + 1, first + 2]))


LISTENER = 7_000
"""A listener's port, in no range from which others are taken."""


def narrow(servers: Servers, count: int) -> Servers:
    """Leave an ephemeral range of `count` ports, in which the servers are not.

    A fifth of them stays free: 25 are 20 for upstreams.
    """
    set_port_range(40_000, 40_000 + count - 1)
    assert all(not 40_000 <= port < 40_000 + count for _, port in servers.names)
    return servers


@in_namespace
def test_reserved_ports_and_listener_ports_are_left_out() -> None:
    set_port_range(40_000, 40_099)
    Path("/proc/sys/net/ipv4/ip_local_reserved_ports").write_text("40010-40019,40050,9")
    for _ in range(20):
        ports = ports_of_linux([40_001, 40_002])
        assert len(ports) == 70  # 100 - 10 - 1 - 2 = 87, less a fifth
        assert not {40_001, 40_002, 40_050, *range(40_010, 40_020)} & set(ports)
        assert set(ports) <= set(range(40_000, 40_100))


@in_namespace
def test_a_port_comes_back_only_after_its_rest() -> None:
    """Twenty ports, one query each: the next one finds none, and one after the rest does."""
    terms = FlowTerms(responses=1)
    seen: list[bytes] = []
    with (
        narrow(Servers(), 25) as servers,
        proxy(configuration(*servers.names, terms=terms, rest=2.0, port=LISTENER)) as p,
    ):
        client = Udp("127.0.0.1", 9_000)
        for number in range(20):
            assert client.ask(b"%d" % number, p.at) == b"%d" % number
            p.until(lambda p: p.listener.closed.get("answered") == number + 1)
        client.sendto(b"one more", p.at)
        p.until(lambda p: p.listener.dropped == {"no_port": 1})
        assert p.listener.shed == {"no_port": 1}
        assert p.listener.flows == 0

        def served() -> bool:
            client.sendto(b"and now?", p.at)
            seen.extend(client.waiting())
            return b"and now?" in seen

        until(served)
        assert set(seen) == {b"and now?"}


@in_namespace
def test_backends_share_ports() -> None:
    """20 usable ports, 4 backends: 80 flows at once, and none gets another's replies."""
    with (
        narrow(Servers(4), 25) as servers,
        proxy(configuration(*servers.names, port=LISTENER)) as p,
    ):
        clients = [Udp("127.0.0.1", 9_000 + number) for number in range(80)]
        for turn in range(3):
            for number, client in enumerate(clients):
                client.sendto(b"%d %d" % (turn, number), p.at)
            for number, client in enumerate(clients):
                assert client.recv(100) == b"%d %d" % (turn, number)
        assert all(not client.waiting() for client in clients)
        Udp("127.0.0.1", 8_999).sendto(b"too many", p.at)
        p.until(lambda p: p.listener.dropped == {"no_port": 1})
        assert [backend.flows for backend in p.backends] == [20] * 4


@in_namespace
def test_ports_of_other_programs_are_passed_over() -> None:
    """A third of the range is somebody else's: every flow still gets one of the others."""
    with narrow(Servers(), 100) as servers:
        others = [Udp("0.0.0.0", port) for port in range(40_000, 40_100, 3)]
        settings = configuration(*servers.names)
        _clients_pass(settings)
        assert all(not other.waiting() for other in others)


def _clients_pass(settings: Configuration) -> None:
    with proxy(settings) as p:
        for number in range(20):
            client = Udp("127.0.0.1", 9_000 + number)
            assert client.ask(b"%d" % number, p.at) == b"%d" % number
        assert p.listener.shed == {}


@in_namespace
def test_nothing_is_shared_with_other_programs() -> None:
    """All ports are held by others, even with SO_REUSEPORT and SO_REUSEADDR: shed, not shared."""
    others = []
    set_port_range(40_000, 40_029)
    for port in range(40_000, 40_029):
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("0.0.0.0", port))
        others.append(other)
    backend = Udp("127.0.0.1", 9_999)
    settings = configuration(backend.name)
    with proxy(settings) as p:
        Udp("127.0.0.1", 9_000).sendto(b"x", p.at)
        p.until(lambda p: p.listener.dropped.get("no_port") == 1)
        assert p.listener.flows == 0
    for other in others:
        other.close()


# Listeners and backends come and go


def test_listeners_ports_are_passed_over() -> None:
    ports = Ports([5, 3, 9], 1.0)
    ports.reserve([3])
    assert take_all(ports, A, 0.0) == [5, 9]
    for port in (5, 9):
        ports.give_back(A, port, 0.0)
    ports.reserve([5])
    assert take_all(ports, A, 10.0) == [9]
    ports.reserve([])
    assert take_all(ports, A, 10.5) == [], "it was passed over at 10, and rests anew"
    assert take_all(ports, A, 11.0) == [5]


@pytest.mark.parametrize("rest_s", [0.0, 1.0])
def test_where_only_listeners_ports_are_left_there_is_none(rest_s: float) -> None:
    """Without a rest, too: what is passed over must not come up again and again."""
    ports = Ports([5, 3], rest_s)
    for port in take_all(ports, A, 0.0):
        ports.give_back(A, port, 0.0)
    ports.reserve([5, 3])
    assert ports.take(A, 100.0) is None
    ports.reserve([5])
    assert ports.take(A, 200.0) == 3
    assert ports.take(A, 200.0) is None


def test_another_rest_holds_for_those_that_rest_already() -> None:
    ports = Ports([5], 1.0)
    ports.take(A, 0.0)
    ports.give_back(A, 5, 100.0)
    ports.rest_changed(10.0)
    assert ports.take(A, 102.0) is None
    ports.rest_changed(0.5)
    assert ports.take(A, 102.0) == 5


def test_a_backend_that_is_forgotten_begins_anew() -> None:
    ports = Ports([5, 3], 60.0)
    for port in take_all(ports, A, 0.0):
        ports.give_back(A, port, 0.0)
    take_all(ports, B, 0.0)
    ports.forget(A)
    ports.forget(A)
    assert take_all(ports, A, 0.0) == [5, 3]
    assert ports.take(B, 0.0) is None, "others keep theirs"
