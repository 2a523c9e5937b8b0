"""The datapath: commands carried out over real sockets, and what the kernel makes of them."""

from __future__ import annotations

import errno
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.harness import (
    Servers,
    Udp,
    configuration,
    need,
    need_linux,
    open_descriptors,
    proxy,
    until,
)
from tests.namespaces import HERE, THERE, in_namespace, ip, neighbour
from udplb.core.settings import FlowTerms
from udplb.engine import datapath as datapath_module
from udplb.engine import egress
from udplb.engine.control.requests import CloseFlows
from udplb.engine.outlet import BackendOutlet, ClientOutlet

PORT = 7_000


# Refusals


def dead_port() -> tuple[str, int]:
    """A port at which nobody listens, and nobody will while the test runs."""
    with Udp() as gone:
        return gone.name


def test_a_dead_backend_is_counted_and_nothing_else_happens() -> None:
    """Every datagram is refused, sent once more, refused again, and then given up."""
    with proxy(configuration(dead_port())) as p:
        client = Udp()
        for number in range(1, 11):
            client.sendto(b"x", p.at)
            p.until(lambda p: p.backends[0].refusals == 2 * number, f"{2 * number} refusals")
        assert (p.listener.requests, p.listener.dropped, p.listener.flows) == (10, {}, 1)
        assert (p.listener.resent, p.backends[0].resent) == (10, 10)


def test_without_resends_a_refusal_is_the_end_of_it() -> None:
    with proxy(configuration(dead_port(), resend=False)) as p:
        client = Udp()
        for number in range(1, 11):
            client.sendto(b"x", p.at)
            p.until(lambda p: p.backends[0].refusals == number, f"{number} refusals")
        assert (p.listener.requests, p.listener.dropped, p.listener.flows) == (10, {}, 1)
        assert (p.listener.resent, p.backends[0].resent) == (0, 0)


@pytest.mark.parametrize("resend", [True, False])
@pytest.mark.parametrize("pieces", [3, 10])
def test_every_refusal_of_a_train_is_counted(pieces: int, resend: bool) -> None:
    """Mixed sizes: as many sends; each is refused, and each errno is news about the one before.

    Those that come out while the train is being sent are about itself: it is not sent again in
    the middle of that, but once the last one was read, whole, and once.
    """
    backend = dead_port()
    times = 2 if resend else 1
    with proxy(configuration(backend, listen="0.0.0.0", resend=resend)) as p:
        client, at = Udp(), ("127.0.0.1", p.port)
        client.sendto(b"first", at)
        p.until(lambda p: p.backends[0].refusals == times)
        blocked = p.look_away()  # all of them in one round
        for number in range(pieces):
            client.sendto(b"x" * (10 + number), at)
        blocked.set()
        p.until(lambda p: p.listener.requests == 1 + pieces)
        p.until(lambda p: p.backends[0].refusals == times * (1 + pieces))
        assert p.listener.resent == (1 + pieces if resend else 0)
        assert p.listener.dropped == {}


def test_replies_that_came_before_the_error_are_delivered() -> None:
    """The backend answers and dies: recv tells the death first, and the answers are still there."""
    backend = Udp()
    with proxy(configuration(backend.name, listen="0.0.0.0")) as p:
        client, at = Udp(), ("127.0.0.1", p.port)
        client.sendto(b"query", at)
        _, upstream = backend.recvfrom(100)
        blocked = p.look_away()  # while the engine looks away ...
        for number in range(5):
            backend.sendto(b"answer %d" % number, upstream)
        backend.close()
        # ... a datagram of ours is refused: the socket has an error before the answers are read.
        sock = next(iter(p.engine.forwarding.datapath._upstreams.values())).sock
        sock.send(b"to the dead")
        blocked.set()
        assert client.gather(5) == [b"answer %d" % number for number in range(5)]
        p.until(lambda p: p.backends[0].refusals == 1)


def test_an_answer_and_an_error_in_one_reading_close_once() -> None:
    backend = Udp()
    with proxy(configuration(backend.name, terms=FlowTerms(responses=1))) as p:
        client = Udp()
        client.sendto(b"query", p.at)
        _, upstream = backend.recvfrom(100)
        blocked = p.look_away()
        backend.sendto(b"answer", upstream)
        backend.close()
        next(iter(p.engine.forwarding.datapath._upstreams.values())).sock.send(b"to the dead")
        blocked.set()
        assert client.recv(100) == b"answer"
        p.until(lambda p: p.listener.closed == {"answered": 1} and p.backends[0].refusals == 1)


def test_a_backend_that_comes_back_serves_the_same_flow() -> None:
    backend = Udp()
    name = backend.name
    with proxy(configuration(name)) as p:
        client = Udp()
        client.sendto(b"1", p.at)
        backend.recv(10)
        backend.close()
        client.sendto(b"2", p.at)
        p.until(lambda p: p.backends[0].refusals == 2, "2 was refused, and so was its resend")
        again = Udp(*name)
        client.sendto(b"3", p.at)
        assert again.recv(10) == b"3", "the errno of 2 did not cost 3"


# The end of sockets


def test_sockets_are_closed_when_their_round_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number of a closed socket must not mean another flow's socket in the same round."""
    closes: list[tuple[str, int]] = []
    rounds: list[int] = []

    class Watched(datapath_module.Datapath):
        def _close(self, *arguments: Any) -> None:
            upstream = self._upstreams[arguments[2].upstream]
            super()._close(*arguments)
            closes.append(("taken out", upstream.sock.fileno()))

        def _close_sockets(self, now: float) -> None:
            rounds.append(len(self._closing))
            assert all(upstream.sock.fileno() >= 0 for upstream in self._closing)
            super()._close_sockets(now)

    from udplb.engine import forwarding

    monkeypatch.setattr(forwarding, "Datapath", Watched)
    terms = FlowTerms(responses=1)
    with Servers(2) as servers, proxy(configuration(*servers.names, terms=terms)) as p:
        for turn in range(20):
            clients = [Udp() for _ in range(10)]
            for number, client in enumerate(clients):
                client.sendto(b"%d %d" % (turn, number), p.at)
            for number, client in enumerate(clients):
                assert client.recv(100) == b"%d %d" % (turn, number)
        p.until(lambda p: p.listener.closed.get("answered") == 200)
    assert len(closes) == 200 == sum(rounds)
    assert all(number >= 0 for _, number in closes), "closed before the round's end"


def test_descriptors_come_back() -> None:
    with proxy(configuration(Udp().name)):
        pass  # the first engine of a process opens some for good
    before = open_descriptors()
    terms = FlowTerms(responses=1)
    with Servers() as servers, proxy(configuration(*servers.names, terms=terms)) as p:
        client = Udp()
        client.ask(b"x", p.at)
        p.until(lambda p: p.listener.replies == 1 and p.listener.flows == 0)
        at_rest = open_descriptors()
        for number in range(200):
            assert client.ask(b"%d" % number, p.at) == b"%d" % number
        p.until(lambda p: p.listener.closed.get("answered") == 201)
        assert open_descriptors() == at_rest
        del client
    assert open_descriptors() <= before


def test_idle_flows_end_and_late_replies_reach_nobody() -> None:
    terms = FlowTerms(front_timeout=0.2, back_timeout=0.2)
    backend = Udp()
    with proxy(configuration(backend.name, terms=terms)) as p:
        client = Udp()
        client.sendto(b"query", p.at)
        _, upstream = backend.recvfrom(100)
        p.until(lambda p: p.listener.closed == {"idle": 1})
        backend.sendto(b"late", upstream)
        client.sendto(b"again", p.at)
        _, second = backend.recvfrom(100)
        assert second != upstream
        backend.sendto(b"answer", second)
        assert client.recv(100) == b"answer"
        assert not client.waiting()


def test_what_a_closed_upstream_lost_is_counted() -> None:
    """Its backend had sent more than its receive queue holds."""
    need_linux()
    backend = Udp()
    terms = FlowTerms(front_timeout=0.3, back_timeout=0.3)
    with proxy(configuration(backend.name, terms=terms)) as p:
        client = Udp()
        client.sendto(b"x", p.at)
        _, upstream = backend.recvfrom(100)
        looking_away = p.look_away()
        room = int(Path("/proc/sys/net/core/rmem_default").read_text())
        sent = room // 1_000 + 100
        for _ in range(sent):
            backend.sendto(b"x" * 1_000, upstream)
        looking_away.set()
        p.until(lambda p: p.listener.closed == {"idle": 1})
        totals = p.snapshot.totals
        assert totals.kernel_drops > 0
        assert totals.kernel_drops + totals.replies == sent


def test_what_waits_in_the_socket_of_an_idle_flow_is_activity() -> None:
    """The deadline passes while a reply waits unread: it is delivered, and the flow lives on."""
    terms = FlowTerms(front_timeout=0.3, back_timeout=60.0)
    backend = Udp()
    with proxy(configuration(backend.name, terms=terms)) as p:
        client = Udp()
        client.sendto(b"query", p.at)
        _, upstream = backend.recvfrom(100)
        (up,) = p.engine.forwarding.datapath._upstreams.values()
        muted = threading.Event()

        def mute() -> None:
            p.engine.forwarding.datapath._poller._epoll.modify(up.fd, 0)  # type: ignore[attr-defined]
            backend.sendto(b"answer", upstream)
            muted.set()

        p.engine._post(mute)
        muted.wait()
        assert client.recv(100) == b"answer"
        p.until(lambda p: p.listener.replies == 1)
        assert p.listener.flows == 1


# Bulk from backends


@pytest.mark.parametrize("gro", ["auto", "off"])
def test_downloads_switch_gro_on_and_arrive_whole(gro: str) -> None:
    backend = Udp()
    with proxy(configuration(backend.name, gro=gro)) as p:  # type: ignore[arg-type]
        client = Udp()
        client.sendto(b"send me much", p.at)
        _, upstream = backend.recvfrom(100)
        for turn in range(30):
            run = [bytes([turn, number]) * 600 for number in range(32)]
            tail = b"t" * (turn + 1)
            backend.send_run(b"".join([*run, tail]), 1_200, upstream)
            backend.sendto(b"", upstream)
            backend.sendto(b"odd" * (turn + 1), upstream)
            assert client.gather(35) == [*run, tail, b"", b"odd" * (turn + 1)]
        (up,) = p.engine.forwarding.datapath._upstreams.values()
        assert up.coalesces is (gro == "auto")
        assert up.sock.getsockopt(17, 104) == int(gro == "auto")


# A full buffer


class Gate:
    """Makes an outlet's socket full for as long as it is shut."""

    def __init__(self) -> None:
        self.shut = False
        self.sends = 0

    def __call__(self) -> None:
        self.sends += 1
        if self.shut:
            raise BlockingIOError(errno.EAGAIN, "the gate is shut")


@contextmanager
def gate_before(outlet: type[BackendOutlet | ClientOutlet]) -> Iterator[Gate]:
    gate = Gate()
    patch = pytest.MonkeyPatch()
    for name in ("send_one", "send_run"):
        original = getattr(outlet, name)

        def gated(self: Any, what: Any, original: Any = original) -> Any:
            gate()
            return original(self, what)

        patch.setattr(outlet, name, gated)
    try:
        yield gate
    finally:
        patch.undo()


def test_what_the_backends_buffer_does_not_take_waits_in_order() -> None:
    with (
        gate_before(BackendOutlet) as gate,
        Servers() as servers,
        proxy(configuration(*servers.names)) as p,
    ):
        client = Udp()
        client.ask(b"first", p.at)
        gate.shut = True
        sent = [b"%d" % number * (number % 5 + 1) for number in range(egress.FLOW_TRAINS_MAX)]
        for number, datagram in enumerate(sent):
            client.sendto(datagram, p.at)
            p.until(lambda p: p.listener.requests == number + 2)
        gate.shut = False
        assert client.gather(len(sent)) == sent
        assert servers.received[0] == [b"first", *sent]
        assert p.listener.dropped == {}
        gate.sends = 0
        assert client.ask(b"last", p.at) == b"last"
        (up,) = p.engine.forwarding.datapath._upstreams.values()
        until(lambda: up.egress is None)


def test_beyond_the_bound_the_newest_are_dropped_as_queue_full() -> None:
    with (
        gate_before(BackendOutlet) as gate,
        Servers() as servers,
        proxy(configuration(*servers.names)) as p,
    ):
        client = Udp()
        client.ask(b"first", p.at)
        gate.shut = True
        size = egress.FLOW_BYTES_MAX // 8
        kept = [bytes([number]) * size for number in range(8)]
        for number, datagram in enumerate([*kept, b"too much"]):
            client.sendto(datagram, p.at)
            p.until(
                lambda p: (
                    p.listener.requests + p.listener.dropped.get("queue_full", 0) == number + 2
                )
            )
        assert p.listener.dropped == {"queue_full": 1}
        gate.shut = False
        # Not at the client: the echoes are more than an upstream's receive buffer holds.
        until(lambda: servers.received[0] == [b"first", *kept])
        client.sendto(b"after", p.at)
        until(lambda: servers.received[0][-1] == b"after")


def test_what_the_clients_buffer_does_not_take_waits_in_order() -> None:
    backend = Udp()
    with gate_before(ClientOutlet) as gate, proxy(configuration(backend.name)) as p:
        client = Udp()
        client.sendto(b"query", p.at)
        _, upstream = backend.recvfrom(100)
        gate.shut = True
        sent = [b"%d" % number * (number % 7 + 1) for number in range(200)]
        for number, datagram in enumerate(sent):
            backend.sendto(datagram, upstream)
            if number % 10 == 9:
                p.until(lambda p: p.listener.replies == number + 1)
        gate.shut = False
        assert client.gather(len(sent)) == sent
        assert p.listener.dropped == {}


def test_the_listeners_queue_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from udplb.engine import listener as listener_module

    monkeypatch.setattr(listener_module, "LISTENER_TRAINS_MAX", 10)
    backend = Udp()
    with gate_before(ClientOutlet) as gate, proxy(configuration(backend.name)) as p:
        client = Udp()
        client.sendto(b"query", p.at)
        _, upstream = backend.recvfrom(100)
        gate.shut = True
        for number in range(15):
            backend.sendto(b"%d" % number, upstream)
            p.until(lambda p: p.listener.replies == number + 1)
        p.until(lambda p: p.listener.dropped == {"queue_full": 5})
        gate.shut = False
        assert client.gather(10) == [b"%d" % number for number in range(10)]


def test_a_flow_that_closes_with_trains_waiting_accounts_for_them() -> None:
    terms = FlowTerms(front_timeout=0.3)
    with (
        gate_before(BackendOutlet) as gate,
        Servers() as servers,
        proxy(configuration(*servers.names, terms=terms)) as p,
    ):
        gate.shut = True
        client = Udp()
        client.sendto(b"one", p.at)
        client.sendto(b"two", p.at)
        p.until(lambda p: p.listener.closed == {"idle": 1})
        p.until(lambda p: p.listener.dropped == {"queue_full": 2})
        assert p.listener.requests == 0
        gate.shut = False
        assert client.ask(b"three", p.at) == b"three"


def test_a_full_socket_is_waited_for() -> None:
    """A real one: no flow is lost while the other side of a slow cable takes its time."""
    _slow_cable()


@in_namespace
def _slow_cable() -> None:
    need("ip")
    with neighbour(_echo):
        slow = "qdisc add dev here root tbf rate 20mbit burst 16kb latency 2s"
        subprocess.run(["tc", *slow.split(" ")], check=True, capture_output=True)
        with proxy(configuration((THERE, PORT), listen="127.0.0.1", gso="off")) as p:
            client = Udp()
            client.ask(b"first", p.at)
            (up,) = p.engine.forwarding.datapath._upstreams.values()
            up.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_608)
            sent = [b"%03d" % number + bytes(1_000) for number in range(60)]
            for start in range(0, 60, 12):
                for datagram in sent[start : start + 12]:
                    client.sendto(datagram, p.at)
                assert client.gather(12) == sent[start : start + 12]
            assert p.listener.dropped == {}


# The errno table in a network of its own


def _echo() -> None:
    server = Udp(THERE, PORT)
    server.settimeout(None)
    while True:
        datagram, client = server.recvfrom(65_535)
        server.sendto(datagram, client)


@in_namespace
def test_a_cable_with_a_small_mtu() -> None:
    """Trains whose segments do not fit go singly, as fragments; smaller ones go as runs again."""
    with neighbour(_echo, mtu=1_280), proxy(configuration((THERE, PORT), listen=HERE)) as p:
        client = Udp()
        at = (HERE, p.port)
        for size in (1_400, 1_400, 1_200, 1_253, 1_252, 3_000, 9_000):
            count = min(20, 60_000 // size)
            run = [bytes([number]) * size for number in range(count)]
            client.send_run(b"".join(run), size, at)
            assert client.gather(count) == run
        assert p.listener.dropped == {}
        assert client.ask(b"x" * 65_507, at) == b"x" * 65_507


@in_namespace
def test_a_local_address_that_goes_away() -> None:
    """Rule 7: the old socket says ENETUNREACH for ever; a new one has a route."""
    with neighbour(_echo):
        ip("addr add 10.99.0.9/24 dev here")
        # The route's source: the address that is going to go.
        ip("route replace 10.99.0.0/24 dev here src 10.99.0.9")
        with proxy(configuration((THERE, PORT), listen="127.0.0.1")) as p:
            client = Udp()
            assert client.ask(b"before", p.at) == b"before"
            (up,) = p.engine.forwarding.datapath._upstreams.values()
            assert up.sock.getsockname()[0] == "10.99.0.9"
            ip("addr del 10.99.0.9/24 dev here")
            ip("route replace 10.99.0.0/24 dev here src " + HERE)
            assert client.ask(b"after", p.at) == b"after"
            assert client.ask(b"and on", p.at) == b"and on"
            (up,) = p.engine.forwarding.datapath._upstreams.values()
            assert up.sock.getsockname()[0] == HERE
            p.until(lambda p: p.listener.replies == 3)
            assert (p.listener.flows, p.listener.admitted, p.listener.dropped) == (1, 1, {})


@in_namespace
def test_a_local_address_that_goes_away_while_the_client_sends_on() -> None:
    """What is sent in the gap finds no route; that must not be the end of the flow's luck."""
    with neighbour(_echo):
        ip("addr del " + HERE + "/24 dev here")
        ip("addr add 10.99.0.9/24 dev here")
        with proxy(configuration((THERE, PORT), listen="127.0.0.1")) as p:
            client = Udp()
            assert client.ask(b"before", p.at) == b"before"
            ip("addr del 10.99.0.9/24 dev here")
            client.sendto(b"lost", p.at)
            p.until(lambda p: p.listener.dropped.get("unreachable") == 1)
            ip("addr add 10.99.0.10/24 dev here")

            def answered() -> bool:
                client.sendto(b"again", p.at)
                return bool(client.waiting())

            until(answered, "the flow finds the new address")
            assert p.listener.admitted == 1, "by the flow that it has"


@in_namespace
def test_link_local_listeners_and_backends() -> None:
    """Their addresses mean something only with the zone, at both ends."""
    ip("link add d0 type veth peer name d1")
    ip("link set d1 up")
    ip("link set d0 up")
    ip("addr add fe80::1234/64 dev d0 nodad")
    zone = socket.if_nametoindex("d0")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as backend:
        backend.bind(("fe80::1234", 0, 0, zone))
        backend.settimeout(10)
        at = ("fe80::1234%d0", backend.getsockname()[1])
        client = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        with client, proxy(configuration(at, listen="fe80::1234%d0")) as p:
            client.settimeout(10)
            client.connect(("fe80::1234", p.port, 0, zone))
            client.send(b"ask")
            datagram, upstream = backend.recvfrom(100)
            backend.sendto(datagram + b"ed", upstream)
            assert client.recv(100) == b"asked"


@in_namespace
def test_no_route_at_all_is_counted_and_heals() -> None:
    with neighbour(_echo), proxy(configuration((THERE, PORT), listen="127.0.0.1")) as p:
        client = Udp()
        assert client.ask(b"before", p.at) == b"before"
        ip("link set here down")
        for number in range(1, 4):
            client.sendto(b"lost", p.at)
            p.until(lambda p: p.listener.dropped == {"unreachable": number})
        stranger = Udp()
        stranger.sendto(b"lost", p.at)
        p.until(lambda p: p.listener.shed == {"unreachable": 1})
        ip("link set here up")
        assert client.ask(b"healed", p.at) == b"healed"
        assert stranger.ask(b"too", p.at) == b"too"


@in_namespace
def test_an_unreachable_backend_is_replaced_by_another() -> None:
    with Servers() as servers:
        settings = configuration(("203.0.113.1", 9), *servers.names)
        with proxy(settings) as p:
            for number in range(10):
                assert Udp().ask(b"%d" % number, p.at) == b"%d" % number
            p.until(lambda p: p.listener.replies == 10)
            assert [backend.flows for backend in p.backends] == [0, 10]
            assert p.backends[0].unreachable > 0
            assert p.listener.dropped == {}


@in_namespace
def test_a_firewall_that_drops_on_output_is_send_failed() -> None:
    need("nft")
    with Servers(2) as servers, proxy(configuration(*servers.names)) as p:
        first, second = Udp(), Udp()
        first.ask(b"1", p.at)
        second.ask(b"2", p.at)
        blocked = servers.names[0][1]
        rules = (
            "add table inet t; add chain inet t out { type filter hook output priority 0; };"
            f" add rule inet t out udp dport {blocked} drop"
        )
        subprocess.run(["nft", rules], check=True)
        for number in range(1, 4):
            first.sendto(b"eaten", p.at)
            p.until(lambda p: p.listener.dropped == {"send_failed": number})
        assert second.ask(b"passes", p.at) == b"passes"
        first.send_run(b"x" * 100, 10, p.at)
        p.until(lambda p: p.listener.dropped == {"send_failed": 13})
        subprocess.run(["nft", "flush ruleset"], check=True)
        assert first.ask(b"passes", p.at) == b"passes"
        p.until(lambda p: p.listener.requests == 4, "what was eaten is no request")


@in_namespace
def test_a_firewall_before_the_client_is_send_failed() -> None:
    need("nft")
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        client = Udp()
        client.ask(b"1", p.at)
        rules = (
            "add table inet t; add chain inet t out { type filter hook output priority 0; };"
            f" add rule inet t out udp dport {client.name[1]} drop"
        )
        subprocess.run(["nft", rules], check=True)
        client.sendto(b"answer me", p.at)
        p.until(lambda p: p.listener.dropped == {"send_failed": 1})
        subprocess.run(["nft", "flush ruleset"], check=True)
        assert client.ask(b"2", p.at) == b"2"


# A socket that loses its route in the middle of things


@contextmanager
def scripted_sends() -> Iterator[list[int]]:
    """The errnos that the next sends to backends meet; 0 and the end of the list: none."""
    script: list[int] = []
    original = BackendOutlet.send_one

    def send_one(self: BackendOutlet, datagram: bytes) -> object:
        if script and (number := script.pop(0)):
            raise OSError(number, "as told")
        return original(self, datagram)

    patch = pytest.MonkeyPatch()
    patch.setattr(BackendOutlet, "send_one", send_one)
    try:
        yield script
    finally:
        patch.undo()


UNREACHABLE, FULL = errno.ENETUNREACH, errno.EAGAIN


@pytest.mark.parametrize(
    "errnos",
    [
        pytest.param([UNREACHABLE] * 7, id="no route for any"),
        pytest.param([UNREACHABLE] * 3 + [FULL], id="the rest finds no room"),
        pytest.param([UNREACHABLE] * 3 + [FULL] * 3, id="nor does the new socket"),
        pytest.param([FULL] * 2 + [UNREACHABLE] * 7, id="from the queue"),
        pytest.param([FULL] * 2 + [0] + [UNREACHABLE] * 5, id="in the middle of the queue"),
    ],
)
def test_a_reopened_flow_loses_nothing_of_the_train(errnos: list[int]) -> None:
    with (
        scripted_sends() as script,
        Servers() as servers,
        proxy(configuration(*servers.names, listen="0.0.0.0")) as p,
    ):
        client, at = Udp(), ("127.0.0.1", p.port)
        client.ask(b"first", at)
        recorded: list[bytes] = []
        p.engine.forwarding.datapath.record = lambda now, flow, out, train: (
            recorded.extend(train.datagrams()) if out else None
        )
        blocked = p.look_away()  # all three as one train
        script.extend(errnos)
        for datagram in (b"a", b"bb", b"ccc"):
            client.sendto(datagram, at)
        blocked.set()
        until(lambda: servers.received[0] == [b"first", b"a", b"bb", b"ccc"])
        p.until(lambda p: p.listener.requests == 4)
        assert p.listener.dropped == {}
        assert recorded == [b"a", b"bb", b"ccc"], "a tap shows each once"
        client.waiting()
        client.sendto(b"last", at)
        until(lambda: b"last" in client.waiting())


def test_flows_are_found_by_their_numbers_as_long_as_they_live() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        datapath = p.engine.forwarding.datapath
        clients = [Udp() for _ in range(3)]
        for client in clients:
            client.ask(b"x", p.at)
        for number, client in enumerate(clients, start=1):
            found = p.do(lambda number=number: datapath.flow(number))  # type: ignore[misc]
            assert found is not None
            listener, flow = found
            assert (listener.name, flow.id, flow.client.port) == ("l0", number, client.name[1])
        p.ask(CloseFlows(flows=(2,)))
        p.until(lambda p: p.listener.flows == 2)
        assert [n for n in range(5) if p.do(lambda n=n: datapath.flow(n))] == [1, 3]  # type: ignore[misc]
