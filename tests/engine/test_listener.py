"""Listeners: what arrives, from whom, at which of our addresses; and what goes home."""

from __future__ import annotations

import socket
import struct
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.harness import Servers, SocketAddress, Udp, configuration, need_linux, proxy
from tests.namespaces import in_namespace, ip
from udplb.core.settings import FlowTerms

ANSWERED_ONCE = FlowTerms(responses=1)


def numbered(count: int, size: int = 40) -> list[bytes]:
    return [
        number.to_bytes(4, "big") + bytes([number % 251]) * (size - 4) for number in range(count)
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("backend", ["127.0.0.1", "::1"])
def test_forwards_and_brings_replies_home(host: str, backend: str) -> None:
    with Servers(host=backend) as servers, proxy(configuration(*servers.names, listen=host)) as p:
        client = Udp(host)
        for datagram in (b"one", b"two", b"x" * 1_400):
            assert client.ask(datagram, p.at) == datagram
        assert servers.received[0] == [b"one", b"two", b"x" * 1_400]
        p.until(lambda p: p.listener.replies == 3)
        picture = p.stop()
    assert picture.totals.dropped == 0
    assert picture.listeners[0].request_bytes == picture.listeners[0].reply_bytes == 1_406


def test_dual_stack_serves_both_families() -> None:
    with Servers() as servers, proxy(configuration(*servers.names, listen="::")) as p:
        assert Udp("::1").ask(b"six", ("::1", p.port)) == b"six"
        assert Udp("127.0.0.1").ask(b"four", ("127.0.0.1", p.port)) == b"four"


@pytest.mark.parametrize("gro", ["auto", "off"])
@pytest.mark.parametrize(
    ("listen", "asked"),
    [
        ("0.0.0.0", "127.0.0.2"),
        ("0.0.0.0", "127.0.0.1"),
        ("::", "::1"),
        ("::", "127.0.0.2"),
        ("::", "::ffff:127.0.0.3"),
    ],
)
def test_wildcard_answers_from_the_address_that_was_asked(
    listen: str, asked: str, gro: str
) -> None:
    need_linux()
    with (
        Servers() as servers,
        proxy(configuration(*servers.names, listen=listen, gro=gro)) as p,  # type: ignore[arg-type]
    ):
        client = Udp("::ffff:127.0.0.1" if asked.startswith("::ffff") else _family_of(asked))
        client.sendto(b"who?", (asked, p.port))
        reply, source = client.recvfrom(100)
        assert (reply, source[0]) == (b"who?", asked)


def _family_of(host: str) -> str:
    return "::1" if ":" in host else "127.0.0.1"


@pytest.mark.parametrize(
    ("listen", "asked"), [("0.0.0.0", "127.0.0.2"), ("::", "::1"), ("::", "127.0.0.2")]
)
def test_wildcard_answers_trains_from_the_address_that_was_asked(listen: str, asked: str) -> None:
    """Replies that go out as one run (UDP_SEGMENT) carry the address as well."""
    need_linux()
    backend = Udp()
    with proxy(configuration(backend.name, listen=listen)) as p:
        client = Udp(_family_of(asked))
        client.sendto(b"go", (asked, p.port))
        _, upstream = backend.recvfrom(100)
        for _ in range(3):  # the first switches UDP_GRO on, the others come as runs
            backend.send_run(b"".join(numbered(32, 1_200)), 1_200, upstream)
            for expected in numbered(32, 1_200):
                reply, source = client.recvfrom(65_535)
                assert (reply, source[0]) == (expected, asked)


@in_namespace
def test_wildcard_answers_from_a_second_ipv6_address() -> None:
    ip("addr add fd00::1/128 dev lo nodad")
    ip("addr add fd00::2/128 dev lo nodad")
    with Servers() as servers, proxy(configuration(*servers.names, listen="::")) as p:
        client = Udp("::1")
        for asked in ("fd00::2", "fd00::1", "::1"):
            client.sendto(b"who?", (asked, p.port))
            reply, source = client.recvfrom(100)
            assert (reply, source[0]) == (b"who?", asked)
        p.until(lambda p: p.listener.flows == 3, "one client, three local addresses: three flows")


@in_namespace
def test_link_local_clients_are_answered_over_their_link() -> None:
    ip("link add here type veth peer name there")
    for name in ("here", "there"):
        # Without duplicate address detection, which takes a second.
        Path(f"/proc/sys/net/ipv6/conf/{name}/accept_dad").write_text("0")
        ip(f"link set {name} up")
    ip("addr add fe80::aa/64 dev here nodad")
    with Servers() as servers, proxy(configuration(*servers.names, listen="::")) as p:
        client = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        client.settimeout(10)
        client.sendto(b"who?", ("fe80::aa%here", p.port))
        reply, source = client.recvfrom(100)
        assert (reply, source[0]) == (b"who?", "fe80::aa")
        client.close()


def test_two_sockets_of_one_host_are_two_flows() -> None:
    """Affinity decides about the backend alone, never about whose reply it is."""
    with (
        Servers(4) as servers,
        proxy(configuration(*servers.names, balance="hrw", source_affinity=True)) as p,
    ):
        clients = [Udp() for _ in range(8)]
        for turn in range(5):
            for number, client in enumerate(clients):
                client.sendto(b"%d/%d" % (number, turn), p.at)
        for number, client in enumerate(clients):
            assert client.gather(5) == [b"%d/%d" % (number, turn) for turn in range(5)]
            assert not client.waiting()
        assert sorted(map(len, servers.received)) == [0, 0, 0, 40]
        p.until(lambda p: p.listener.flows == 8)


@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0"])
def test_fifty_queries_in_flight_get_fifty_answers(listen: str) -> None:
    backend = Udp()
    with proxy(configuration(backend.name, terms=ANSWERED_ONCE, listen=listen)) as p:
        client = Udp()
        for turn in range(5):
            queries = [b"%d of %d" % (number, turn) for number in range(50)]
            for query in queries:
                client.sendto(query, ("127.0.0.1", p.port))
            arrived = [backend.recvfrom(100) for _ in queries]
            for query, upstream in arrived:
                backend.sendto(b"answer " + query, upstream)
            assert client.gather(50) == [b"answer " + query for query, _ in arrived]
            assert sorted(query for query, _ in arrived) == sorted(queries)
            replies = 50 * (turn + 1)
            p.until(lambda p: p.listener.replies == replies and p.listener.flows == 0)
        assert p.listener.closed == {"answered": p.listener.admitted}


@pytest.mark.parametrize("train", [1, 8, 40])
@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0"])
def test_one_request_a_flow_spreads_one_socket_over_all_backends(listen: str, train: int) -> None:
    terms = FlowTerms(requests=1, responses=1)
    with (
        Servers(4) as servers,
        proxy(configuration(*servers.names, terms=terms, listen=listen)) as p,
    ):
        client, at = Udp(), ("127.0.0.1", p.port)
        queries = numbered(400)
        for start in range(0, 400, train):
            if train == 1:
                client.sendto(queries[start], at)
            else:
                client.send_run(b"".join(queries[start : start + train]), 40, at)
        assert sorted(client.gather(400)) == queries
        assert [len(received) for received in servers.received] == [100] * 4
        p.until(lambda p: p.listener.replies == 400 and p.listener.flows == 0)
        assert not client.waiting()
        assert (p.listener.admitted, p.listener.closed) == (400, {"answered": 400})


# Sizes


@pytest.mark.parametrize("gro", ["auto", "off"])
@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0", "::1"])
def test_the_largest_datagram_passes_both_ways(listen: str, gro: str) -> None:
    largest = bytes(range(256)) * 255 + bytes(227)
    assert len(largest) == 65_507
    with Servers() as servers, proxy(configuration(*servers.names, listen=listen, gro=gro)) as p:  # type: ignore[arg-type]
        host = "127.0.0.1" if listen == "0.0.0.0" else listen
        client = Udp(host)
        assert client.ask(largest, (host, p.port)) == largest
        assert servers.received[0] == [largest]


@pytest.mark.parametrize("limit", [1, 512, 1_400, 65_506])
@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0"])
def test_max_datagram_size_and_one_more(listen: str, limit: int) -> None:
    settings = configuration
    with Servers() as servers:
        with proxy(settings(*servers.names, listen=listen, max_datagram_size=limit)) as p:
            at = ("127.0.0.1", p.port)
            stranger = Udp()
            stranger.sendto(b"x" * (limit + 1), at)  # opens no flow
            p.until(lambda p: p.listener.dropped == {"oversize": 1})
            assert p.listener.admitted == 0
            client = Udp()
            assert client.ask(b"x" * limit, at) == b"x" * limit
            client.sendto(b"x" * (limit + 1), at)  # nor does it pass on one
            if limit > 1:
                assert client.ask(b"x" * (limit - 1), at) == b"x" * (limit - 1)
            p.until(lambda p: p.listener.dropped == {"oversize": 2})
        assert [len(each) for each in servers.received[0]] == [limit, limit - 1][: 1 + (limit > 1)]


def test_replies_are_not_limited_by_max_datagram_size() -> None:
    with (
        Servers(answer=lambda datagram: [datagram * 100]) as servers,
        proxy(configuration(*servers.names, max_datagram_size=10)) as p,
    ):
        assert Udp().ask(b"x" * 10, p.at) == b"x" * 1_000


def test_in_a_run_only_what_is_too_large_is_dropped() -> None:
    """[1000, 1000, 1000, 400] as one buffer of UDP_GRO, where 500 are allowed."""
    with (
        Servers() as servers,
        proxy(configuration(*servers.names, listen="0.0.0.0", max_datagram_size=500)) as p,
    ):
        client, at = Udp(), ("127.0.0.1", p.port)
        client.send_run(b"x" * 3_000 + b"y" * 400, 1_000, at)
        assert client.recv(1_000) == b"y" * 400
        p.until(lambda p: p.listener.dropped == {"oversize": 3})


def test_an_empty_datagram_opens_no_flow() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        client = Udp()
        client.sendto(b"", p.at)
        p.until(lambda p: p.listener.dropped == {"empty": 1})
        assert p.listener.admitted == 0
        client.sendto(b"", p.at)
        assert client.ask(b"first", p.at) == b"first"
        assert servers.received[0] == [b"first"]


@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0"])
def test_empty_datagrams_pass_on_a_flow_both_ways(listen: str) -> None:
    with Servers() as servers, proxy(configuration(*servers.names, listen=listen)) as p:
        client, at = Udp(), ("127.0.0.1", p.port)
        assert client.ask(b"first", at) == b"first"
        sent = [b"", b"a", b"", b"", b"b" * 100, b"b" * 100, b"", b"c", b""]
        for datagram in sent:
            client.sendto(datagram, at)
        assert client.gather(len(sent)) == sent
        assert servers.received[0] == [b"first", *sent]


# Limits


def test_max_flows_sheds_the_next_client_and_keeps_the_others() -> None:
    with Servers() as servers, proxy(configuration(*servers.names, max_flows=3)) as p:
        clients = [Udp() for _ in range(3)]
        for number, client in enumerate(clients):
            client.ask(b"%d" % number, p.at)
            assert p.listener.shed == {}
        late = Udp()
        for _ in range(5):
            late.sendto(b"let me in", p.at)
        p.until(lambda p: p.listener.dropped == {"max_flows": 5})
        p.until(lambda p: 1 <= p.listener.shed["max_flows"] <= 5)
        for number, client in enumerate(clients):
            assert client.ask(b"still %d" % number, p.at) == b"still %d" % number
        assert not late.waiting()
        assert p.listener.flows == 3


def test_a_freed_place_is_taken_by_the_next_client() -> None:
    terms = FlowTerms(responses=1)
    with Servers() as servers, proxy(configuration(*servers.names, max_flows=1, terms=terms)) as p:
        for number in range(20):
            assert Udp().ask(b"%d" % number, p.at) == b"%d" % number
            p.until(lambda p: p.listener.replies == number + 1 and p.listener.flows == 0)
        assert p.listener.shed == {}


def test_new_flows_per_second_sheds_by_its_own_reason() -> None:
    with Servers() as servers, proxy(configuration(*servers.names, new_flows_per_second=5)) as p:
        clients = [Udp() for _ in range(30)]
        for client in clients:
            client.sendto(b"x", p.at)
        p.until(
            lambda p: p.listener.admitted + p.listener.dropped.get("new_flows_per_second", 0) == 30
        )
        assert 5 <= p.listener.admitted < 30


def test_a_round_that_admits_much_loses_nothing() -> None:
    """More new clients, and successors, than one round may admit: the rest comes in the next."""
    terms = FlowTerms(requests=1)
    with (
        Servers(2) as servers,
        proxy(configuration(*servers.names, terms=terms, listen="0.0.0.0")) as p,
    ):
        at = ("127.0.0.1", p.port)
        clients = [Udp() for _ in range(4)]
        queries = numbered(60, 100)
        for _ in range(3):
            for client in clients:
                client.send_run(b"".join(queries), 100, at)
        for client in clients:
            assert Counter(client.gather(180)) == Counter(queries * 3)
        p.until(lambda p: p.listener.admitted == 720)


# Bulk


@pytest.mark.parametrize(
    ("gso", "gro"), [("auto", "auto"), ("off", "off"), ("auto", "off"), ("off", "auto")]
)
@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_bulk_senders_lose_no_datagram_and_no_boundary(listen: str, gso: str, gro: str) -> None:
    """32 datagrams of 1,200 bytes a call from four clients, and the same back."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen, listen)
    backend = Udp()
    settings = configuration(backend.name, listen=listen, gso=gso, gro=gro)  # type: ignore[arg-type]
    with proxy(settings) as p:
        clients = [Udp(host) for _ in range(4)]
        expected = numbered(32 * 12, 1_200)
        owners: dict[SocketAddress, list[bytes]] = {}
        for turn in range(12):
            train = expected[32 * turn : 32 * turn + 32]
            for client in clients:
                client.send_run(b"".join(train), 1_200, (host, p.port))
            for _ in range(32 * len(clients)):
                datagram, upstream = backend.recvfrom(65_535)
                owners.setdefault(upstream, []).append(datagram)
            for upstream in owners:
                backend.send_run(b"".join(train), 1_200, upstream)
            for client in clients:
                assert client.gather(32) == train
        assert list(owners.values()) == [expected] * 4
        p.until(lambda p: p.listener.requests == 4 * 32 * 12, "a picture of it all")
        assert p.listener.coalesces is (gro == "auto")


def test_mixed_sizes_keep_order_and_boundaries() -> None:
    with Servers() as servers, proxy(configuration(*servers.names, listen="0.0.0.0")) as p:
        client, at = Udp(), ("127.0.0.1", p.port)
        client.ask(b"first", at)
        sent: list[bytes] = []
        for turn in range(40):
            run = [b"%03d" % turn + bytes([each]) * 697 for each in range(9)] + [b"tail%d" % turn]
            client.send_run(b"".join(run), 700, at)
            odd = [b"\x00" * (turn + 1), b"", b"z" * 1_400, b"q"]
            for each in odd:
                client.sendto(each, at)
            sent += run + odd
            assert client.gather(len(run) + len(odd)) == run + odd
        assert servers.received[0] == [b"first", *sent]


@pytest.mark.parametrize("requests", [1, 5, 7, 64])
def test_requests_end_flows_in_mid_train(requests: int) -> None:
    terms = FlowTerms(requests=requests)
    with (
        Servers(2) as servers,
        proxy(configuration(*servers.names, terms=terms, listen="0.0.0.0")) as p,
    ):
        client, at = Udp(), ("127.0.0.1", p.port)
        queries = numbered(192, 1_200)
        for start in range(0, 192, 32):
            client.send_run(b"".join(queries[start : start + 32]), 1_200, at)
        assert sorted(client.gather(192)) == queries
        by_turns = [queries[start : start + requests] for start in range(0, 192, requests)]
        for number in (0, 1):
            assert servers.received[number] == [d for turn in by_turns[number::2] for d in turn]
        p.until(lambda p: p.listener.admitted == len(by_turns))


def test_gro_goes_on_for_a_bulk_sender_only() -> None:
    """The ratchet of a listener that is bound to one address."""
    need_linux()
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        client = Udp()
        for _ in range(4):
            client.send_run(b"x" * 320, 10, p.at)  # small: not worth it
            client.gather(32)
        assert not p.listener.coalesces
        client.send_run(b"y" * 32_000, 1_000, p.at)
        assert client.gather(32) == [b"y" * 1_000] * 32
        p.until(lambda p: p.listener.coalesces)
        client.send_run(b"z" * 32_000, 1_000, p.at)
        assert client.gather(32) == [b"z" * 1_000] * 32
        client.send_run(b"x" * 320, 10, p.at)
        assert client.gather(32) == [b"x" * 10] * 32


# Sources that are no clients


def raw_datagram(source: tuple[str, int], target: tuple[str, int], payload: bytes) -> None:
    """Send a UDP datagram with any source."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        length = 8 + len(payload)
        addresses = socket.inet_aton(source[0]) + socket.inet_aton(target[0])
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, 17, 0) + addresses
        raw.sendto(head + struct.pack("!HHHH", source[1], target[1], length, 0) + payload, target)


@in_namespace
def test_source_port_zero_is_dropped() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        raw_datagram(("127.0.0.1", 0), p.at, b"who am I?")
        p.until(lambda p: p.listener.dropped == {"bad_source": 1})
        assert Udp().ask(b"alive", p.at) == b"alive"
        assert servers.received[0] == [b"alive"]


@in_namespace
def test_our_own_listeners_are_no_clients() -> None:
    """Else a backend's reply to a forged source would go round and round."""
    with Servers() as servers:
        settings = configuration(*servers.names, listen=["127.0.0.1", "0.0.0.0"])
        with proxy(settings) as p:
            first, second = (int(each.address.rpartition(":")[2]) for each in p.snapshot.listeners)
            raw_datagram(("127.0.0.1", second), ("127.0.0.1", first), b"loop")
            raw_datagram(("127.0.0.9", second), ("127.0.0.1", first), b"loop")
            raw_datagram(("127.0.0.1", first), ("127.0.0.1", second), b"loop")
            raw_datagram(("127.0.0.1", first), ("127.0.0.1", first), b"loop")
            p.until(lambda p: p.snapshot.totals.dropped == 4)
            assert [each.dropped for each in p.snapshot.listeners] == [
                {"bad_source": 3},
                {"bad_source": 1},
            ]
            assert Udp().ask(b"alive", ("127.0.0.1", first)) == b"alive"
            assert servers.received[0] == [b"alive"]


def test_every_length_of_noise_is_survived() -> None:
    """All lengths up to 2,000, and some beyond; every datagram comes back as it was."""
    import random

    noise = random.Random(1)
    with Servers() as servers, proxy(configuration(*servers.names, listen="0.0.0.0")) as p:
        client, at = Udp(), ("127.0.0.1", p.port)
        for length in [*range(1, 2_000, 7), 8_191, 8_192, 16_384, 32_768, 65_506, 65_507]:
            datagram = noise.randbytes(length)
            assert client.ask(datagram, at) == datagram


# What changes


def test_other_settings_of_a_listener_that_stays() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        settings = configuration(*servers.names)
        (listener,) = settings.listeners
        (here,) = p.engine.forwarding.listeners
        p.change(replace(settings, listeners=(replace(listener, receive_buffer=1 << 16),)))
        assert p.engine.forwarding.listeners == [here]
        p.until(lambda p: p.listener.receive_buffer == 1 << 16)
        p.change(replace(settings, listeners=(replace(listener, max_datagram_size=10),)))
        assert here.settings.max_datagram_size == here.manager.settings.max_datagram_size == 10
        assert p.engine.forwarding.listener("l0") is here
        assert p.engine.forwarding.listener("l1") is None


def test_who_takes_a_socket_over_has_its_backlog_and_its_losses() -> None:
    need_linux()
    with Servers() as servers:
        settings = configuration(*servers.names)
        second = replace(settings.clusters[0], name="d")
        settings = replace(settings, clusters=(*settings.clusters, second))
        wanted = replace(settings, listeners=(replace(settings.listeners[0], cluster="d"),))
        with proxy(settings) as p:
            Udp().ask(b"x", p.at)
            (old,) = p.engine.forwarding.listeners
            p.change(wanted)
            (new,) = p.engine.forwarding.listeners
            assert new is not old
            assert (old.reads, new.reads) == (False, True)
            looking_away = p.look_away()
            Udp().sendto(b"waits", p.at)
            assert old.receive_queue == (0, 0)
            assert not old.has_waiting
            assert new.receive_queue.queued > 0
            assert new.has_waiting
            looking_away.set()
            assert new.bound == (new.sock, new.address, new.receive_buffer)
