"""A backend goes away on loopback: who notices, what its flows do, and what is lost of them."""

from __future__ import annotations

import logging
import socket
import struct
import time
from typing import Any

import pytest

from tests.harness import Events, Proxy, Servers, Udp, configuration, need_root, proxy, until
from tests.traffic import Traffic
from udplb.core import health
from udplb.core.manager import FlowManager
from udplb.core.reasons import DropReason
from udplb.core.settings import FlowTerms, HealthSettings
from udplb.engine import datapath
from udplb.engine.datapath import Datapath
from udplb.engine.events import (
    BackendCameUp,
    BackendWentDown,
    ClusterCameUp,
    ClusterWentDown,
)
from udplb.engine.upstream import OpenError

REFUSALS = 3


@pytest.fixture
def refused_at(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When refusals were read, on the clock of the tests."""
    times: list[float] = []
    original = FlowManager.upstream_refused

    def noting(self: FlowManager, *arguments: Any, **named: Any) -> Any:
        times.append(time.monotonic())
        return original(self, *arguments, **named)

    monkeypatch.setattr(FlowManager, "upstream_refused", noting)
    return times


def has_gone_down(p: Proxy, number: int = 0) -> bool:
    return not p.backends[number].up


def serving_one(p: Proxy) -> int:
    """Which backend has the first flow."""
    p.until(lambda p: any(backend.admitted for backend in p.backends))
    return [backend.admitted for backend in p.backends].index(1)


def take_down(p: Proxy, client: Udp, number: int = 0) -> None:
    """Send to a dead backend until it is down."""
    while not has_gone_down(p, number):
        before = p.backends[number].refusals
        client.sendto(b"in vain", p.at)
        p.until(lambda p: p.backends[number].refusals > before, "a refusal")


# Move


@pytest.mark.parametrize("responses", [0, 1])
def test_move_with_a_client_for_each_query(responses: int, refused_at: list[float]) -> None:
    terms = FlowTerms(responses=responses)
    with (
        Servers(2) as servers,
        proxy(configuration(*servers.names, terms=terms, on_backend_down="move")) as p,
        Traffic(p.at, rate=400, fresh=True) as traffic,
    ):
        traffic.go_on(100)
        servers.kill(0)
        p.until(has_gone_down)
        traffic.go_on(200)
        traffic.hush()
        print(traffic.told(f"move, responses = {responses}", refused_at[0]))
        assert traffic.lost_since(refused_at[0]) == []
        assert len(traffic.lost) <= 2, "what was in the dead server's socket"
        assert not traffic.strange
        assert p.listener.dropped == {}
        assert p.backends[0].ejections == 1
        assert "refused" not in p.listener.closed


def test_move_with_sessions(refused_at: list[float]) -> None:
    terms = FlowTerms(back_timeout=0.3)
    with (
        Servers(2) as servers,
        proxy(configuration(*servers.names, terms=terms, on_backend_down="move")) as p,
        Traffic(p.at, rate=400, clients=40) as traffic,
    ):
        traffic.go_on(120)
        assert [backend.flows for backend in p.backends] == [20, 20]
        servers.kill(0)
        p.until(has_gone_down)
        traffic.go_on(200)
        p.until(lambda p: p.listener.closed == {"moved": 20}, "the old flows end when they are due")
        traffic.hush()
        print(traffic.told("move, 40 sessions", refused_at[0]), f"{p.listener.resent} resent")
        assert traffic.lost_since(refused_at[0]) == []
        assert len(traffic.lost) <= 2
        assert not traffic.strange
        assert [backend.flows for backend in p.backends] == [0, 40]
        assert p.listener.dropped == {}


def test_move_with_one_quiet_session(refused_at: list[float]) -> None:
    """Its first query meets two refusals, the second one the third: then both are answered."""
    with (
        Servers(2) as servers,
        proxy(configuration(*servers.names, on_backend_down="move")) as p,
    ):
        client = Udp()
        assert client.ask(b"before", p.at) == b"before"
        serving = serving_one(p)
        servers.kill(serving)
        client.sendto(b"first", p.at)
        p.until(lambda p: p.backends[serving].refusals == 2)
        assert p.backends[serving].up
        client.sendto(b"second", p.at)
        assert client.gather(2) == [b"first", b"second"], "in order, and each once"
        p.until(lambda p: has_gone_down(p, serving))
        assert client.ask(b"after", p.at) == b"after"
        assert servers.received[1 - serving] == [b"first", b"second", b"after"]
        assert (p.listener.admitted, p.listener.dropped) == (2, {})
        assert p.backends[1 - serving].flows == 1


def test_one_refusal_is_enough_where_the_operator_says_so(refused_at: list[float]) -> None:
    settings = HealthSettings(refusals=1)
    with (
        Servers(2) as servers,
        proxy(configuration(*servers.names, on_backend_down="move", health=settings)) as p,
    ):
        clients = [Udp() for _ in range(10)]
        for client in clients:
            client.ask(b"before", p.at)
        servers.kill(0)
        for number, client in enumerate(clients):
            assert client.ask(b"%d" % number, p.at) == b"%d" % number
        assert len(refused_at) == 1
        p.until(lambda p: p.backends[0].reason == "1 refusal, ejected for 5 s")


def test_move_concerns_all_listeners_of_the_cluster(refused_at: list[float]) -> None:
    listen = ["127.0.0.1", "127.0.0.1"]
    with Servers(2) as servers:
        settings = configuration(*servers.names, listen=listen, on_backend_down="move")
        with proxy(settings) as p:
            second = int(p.snapshot.listeners[1].address.rpartition(":")[2])
            with (
                Traffic(p.at, rate=200, clients=20) as one,
                Traffic(("127.0.0.1", second), rate=200, clients=20) as two,
            ):
                one.go_on(40)
                two.go_on(40)
                servers.kill(0)
                p.until(has_gone_down)
                one.go_on(100)
                two.go_on(100)
                for number, traffic in enumerate((one, two)):
                    traffic.hush()
                    print(traffic.told(f"move, listener {number}", refused_at[0]))
                    assert traffic.lost_since(refused_at[0]) == []
                    assert len(traffic.lost) <= 2
                for listener in p.engine.forwarding.all_listeners:
                    current = [each for each in listener.manager.slab.places if each and each.left]
                    assert {each.backend.name for each in current} == {"b1"}
                    assert len(current) == 20


def test_moved_flows_stay_where_they_are_and_new_ones_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "EJECTION_S", 0.3)
    terms = FlowTerms(back_timeout=0.2)
    with (
        Servers(2) as servers,
        proxy(configuration(*servers.names, terms=terms, on_backend_down="move")) as p,
    ):
        clients = [Udp() for _ in range(10)]
        for client in clients:
            client.ask(b"before", p.at)
        servers.kill(0)
        for number, client in enumerate(clients):
            client.sendto(b"%d" % number, p.at)
        p.until(has_gone_down)
        servers.revive(0)
        for number, client in enumerate(clients):
            assert client.recv(100) == b"%d" % number
        p.until(lambda p: p.backends[0].up)
        assert p.backends[0].standing == "on_trial"
        for client in clients:
            client.ask(b"after", p.at)
        p.until(lambda p: p.listener.closed.get("moved") == 5)
        assert [backend.flows for backend in p.backends] == [0, 10]
        for _ in range(10):
            Udp().ask(b"new", p.at)
        p.until(lambda p: [backend.flows for backend in p.backends] == [5, 15])
        p.until(lambda p: p.backends[0].standing == "trusted", "a reply acquits")


def test_moved_flows_that_are_due_and_find_no_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """One deadline moves a flow and would read it once more; what is between ends it."""
    terms = FlowTerms(front_timeout=30.0, back_timeout=0.05)

    def no_answers(datagram: bytes) -> tuple[bytes, ...]:
        return ()

    with (
        Servers(2, answer=no_answers) as servers,
        proxy(configuration(*servers.names, terms=terms, on_backend_down="move")) as p,
    ):
        clients = [Udp() for _ in range(4)]
        for client in clients:
            client.sendto(b"before", p.at)
        p.until(lambda p: [backend.flows for backend in p.backends] == [2, 2])
        servers.kill(0)
        clients[0].sendto(b"in vain", p.at)
        p.until(lambda p: p.backends[0].refusals == 2)
        sent_at = time.monotonic()
        until(lambda: time.monotonic() > sent_at + 0.1, "its flow would be due, if it left")

        def full(*_: object) -> None:
            raise OpenError(DropReason.NO_DESCRIPTOR)

        monkeypatch.setattr(datapath, "open_socket", full)
        clients[2].sendto(b"the third refusal", p.at)
        p.until(lambda p: sum(p.listener.closed.values()) == 2)
        assert p.listener.closed.keys() <= {"moved", "refused"}
        assert p.engine.failure is None
        monkeypatch.undo()
        p.until(lambda p: p.listener.shed == {"no_descriptor": 2})
        assert p.listener.dropped.keys() == {"no_descriptor"}
        for client in clients:
            client.sendto(b"after", p.at)
        until(lambda: servers.received[1].count(b"after") == 4)


# Keep and close


def test_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Old flows stay and recover with their backend; new ones avoid it meanwhile."""
    with Servers(2) as servers, proxy(configuration(*servers.names)) as p:
        clients = [Udp() for _ in range(10)]
        for client in clients:
            client.ask(b"before", p.at)
        ours = [client for number, client in enumerate(clients) if number % 2 == 0]
        servers.kill(0)
        take_down(p, ours[0])
        for number in range(20):
            assert Udp().ask(b"%d" % number, p.at) == b"%d" % number
        p.until(lambda p: [backend.flows for backend in p.backends] == [5, 25])
        for client in ours:
            client.sendto(b"in vain", p.at)
        p.until(lambda p: p.listener.requests == 30 + 5 + p.backends[0].requests - 10)
        assert (p.listener.closed, p.listener.dropped) == ({}, {})
        servers.revive(0)
        for number, client in enumerate(ours):
            client.waiting()
            client.sendto(b"back %d" % number, p.at)
            until(lambda: b"back %d" % number in client.waiting())
        assert (p.listener.admitted, p.listener.closed) == (30, {})
        assert [backend.admitted for backend in p.backends] == [5, 25]
        assert not p.backends[0].up, "that a flow has a reply does not end an ejection"


def test_close() -> None:
    with (
        Servers(2) as servers,
        proxy(configuration(*servers.names, on_backend_down="close")) as p,
    ):
        clients = [Udp() for _ in range(300)]  # several slices of closes
        for client in clients:
            client.ask(b"before", p.at)
        servers.kill(0)
        take_down(p, clients[0])
        p.until(lambda p: p.listener.closed == {"backend_down": 150})
        p.until(lambda p: [backend.flows for backend in p.backends] == [0, 150])
        for number, client in enumerate(clients):
            assert client.ask(b"%d" % number, p.at) == b"%d" % number
        p.until(lambda p: p.backends[1].flows == 300)
        assert p.listener.dropped == {}


def test_with_one_backend_flows_stay_whatever_the_operator_chose() -> None:
    for way in ("move", "close"):
        with (
            Servers(1) as servers,
            proxy(configuration(*servers.names, on_backend_down=way)) as p,
        ):
            client = Udp()
            client.ask(b"before", p.at)
            servers.kill(0)
            take_down(p, client)
            servers.revive(0)
            client.sendto(b"after", p.at)
            until(lambda: b"after" in client.waiting())
            assert (p.listener.admitted, p.listener.closed) == (1, {})


# Ejections


def test_three_refusals_eject_and_everybody_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(health, "EJECTION_S", 0.4)
    with (
        caplog.at_level(logging.INFO, logger="udplb"),
        Servers(2) as servers,
        proxy(configuration(*servers.names)) as p,
    ):
        events = Events(p.engine)
        client = Udp()
        client.ask(b"before", p.at)
        servers.kill(0)
        before = time.time()
        client.sendto(b"one and its resend", p.at)
        p.until(lambda p: p.backends[0].refusals == 2)
        assert not events.of(BackendWentDown)
        client.sendto(b"two", p.at)
        down = events.first(BackendWentDown)
        assert (down.cluster, down.backend, down.reason) == (
            "c",
            "b0",
            "3 refusals, ejected for 0.4 s",
        )
        assert down.address == "{}:{}".format(*servers.names[0])
        assert before <= down.at <= time.time()
        up = events.first(BackendCameUp)
        assert up.reason == "0.4 s of ejection over, on trial"
        lasted = up.at - down.at
        print(f"an ejection of 0.4 s lasted {lasted:.3f} s")
        assert 0.39 < lasted < 5
        p.until(lambda p: p.backends[0].standing == "on_trial")
        # One refusal on trial is enough, and the next ejection lasts twice as long.
        client.sendto(b"three", p.at)
        until(lambda: len(events.of(BackendWentDown)) == 2)
        assert events.of(BackendWentDown)[1].reason == "refused on trial, ejected for 0.8 s"
        p.until(lambda p: p.backends[0].ejections == 2 and p.backends[0].up)
        servers.revive(0)
        client.waiting()
        client.sendto(b"four", p.at)
        p.until(lambda p: p.backends[0].standing == "trusted", "a reply acquits")
        changed_at = p.backends[0].changed_at
        assert changed_at is not None
        assert abs(changed_at - events.of(BackendCameUp)[1].at) < 0.1
    name = "cluster c: backend b0 ({}:{})".format(*servers.names[0])
    told = [(each.levelname, each.getMessage()) for each in caplog.records]
    assert ("WARNING", f"{name} is down: 3 refusals, ejected for 0.4 s") in told
    assert ("INFO", f"{name} is up: 0.4 s of ejection over, on trial") in told
    assert sum("is down" in line for _, line in told) == 2


def test_a_reply_sets_the_count_to_zero(refused_at: list[float]) -> None:
    """Refusals now and then, and replies between them, eject nobody."""
    with Servers(1) as servers, proxy(configuration(*servers.names, resend=False)) as p:
        client = Udp()
        for turn in range(5):
            assert client.ask(b"%d" % turn, p.at) == b"%d" % turn
            servers.kill(0)
            for _ in range(REFUSALS - 1):
                before = p.backends[0].refusals
                client.sendto(b"in vain", p.at)
                p.until(lambda p: p.backends[0].refusals == before + 1)
            servers.revive(0)
        assert len(refused_at) == 5 * (REFUSALS - 1)
        assert (p.backends[0].up, p.backends[0].ejections) == (True, 0)


def test_passive_health_can_be_switched_off(refused_at: list[float]) -> None:
    settings = HealthSettings(passive=False)
    with (
        Servers(2) as servers,
        proxy(configuration(*servers.names, on_backend_down="move", health=settings)) as p,
    ):
        events = Events(p.engine)
        client = Udp()
        client.ask(b"before", p.at)
        servers.kill(0)
        for number in range(1, 11):
            client.sendto(b"in vain", p.at)
            p.until(lambda p: p.backends[0].refusals == 2 * number)
        assert (p.backends[0].up, p.backends[0].standing) == (True, "trusted")
        assert not events.of(BackendWentDown)
        assert p.listener.closed == {}


# All down


@pytest.mark.parametrize("fail_open", [True, False])
def test_all_down_is_told_once(
    fail_open: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(health, "EJECTION_S", 2.0)
    settings = HealthSettings(fail_open=fail_open)
    with (
        caplog.at_level(logging.INFO, logger="udplb"),
        Servers(2) as servers,
        proxy(configuration(*servers.names, health=settings)) as p,
    ):
        events = Events(p.engine)
        clients = [Udp(), Udp()]
        for client in clients:
            client.ask(b"before", p.at)
        for number, client in enumerate(clients):
            servers.kill(number)
            take_down(p, client, number)
        for _ in range(50):
            Udp().sendto(b"a new client", p.at)
        if fail_open:
            p.until(lambda p: p.listener.admitted == 52)
            assert p.listener.dropped == {}
            assert all(backend.admitted > 20 for backend in p.backends)
        else:
            p.until(lambda p: p.listener.dropped == {"no_backend": 50})
            assert p.listener.admitted == 2
        assert p.snapshot.clusters[0].all_down
        (down,) = events.of(ClusterWentDown)
        assert (down.cluster, down.fail_open) == ("c", fail_open)
        for number in range(2):
            servers.revive(number)
        assert events.first(ClusterCameUp).cluster == "c"
        assert Udp().ask(b"after", p.at) == b"after"
        p.until(lambda p: not p.snapshot.clusters[0].all_down)
        assert len(events.of(ClusterWentDown)) == 1
    lines = [each for each in caplog.records if "all backends are down" in each.getMessage()]
    assert [each.levelname for each in lines] == ["ERROR"]


# Forged


def checksum(packet: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    packet += bytes(len(packet) % 2)
    total: int = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def port_unreachable(source: tuple[str, int], destination: tuple[str, int]) -> bytes:
    """ICMP type 3, code 3 about a datagram from here to there (RFC 792)."""
    ends = socket.inet_aton(source[0]) + socket.inet_aton(destination[0])
    quoted = struct.pack("!BBHHHBBH", 0x45, 0, 29, 1, 0, 64, socket.IPPROTO_UDP, 0) + ends
    quoted += struct.pack("!HHHH", source[1], destination[1], 9, 0)
    head = struct.pack("!BBHI", 3, 3, 0, 0)
    return head[:2] + struct.pack("!H", checksum(head + quoted)) + head[4:] + quoted


def test_forged_port_unreachables_take_nobody_out_of_service() -> None:
    need_root()
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    with (
        raw,
        Servers(2) as servers,
        proxy(configuration(*servers.names, on_backend_down="move")) as p,
    ):
        client = Udp()
        client.ask(b"before", p.at)
        (up,) = p.engine.forwarding.datapath._upstreams.values()
        serving = serving_one(p)
        ours = ("127.0.0.1", up.sock.getsockname()[1])
        forged = port_unreachable(ours, servers.names[serving])
        for number in range(1, 21):
            raw.sendto(forged, ("127.0.0.1", 0))
            p.until(lambda p: p.backends[serving].refusals == number)
        assert p.backends[serving].up, "nothing was sent in between: it counts once"
        for turn in range(10):
            assert client.ask(b"%d" % turn, p.at) == b"%d" % turn
            raw.sendto(forged, ("127.0.0.1", 0))
            p.until(lambda p: p.backends[serving].refusals == 21 + turn)
        assert p.backends[serving].up, "a reply proves that it lives"
        assert p.backends[serving].ejections == 0
        assert (p.listener.resent, p.listener.admitted) == (0, 1)
        # Real ones.
        servers.kill(serving)
        take_down(p, client, serving)
        print(p.backends[serving].reason)


def test_a_forged_port_unreachable_sends_a_query_twice_at_most() -> None:
    need_root()
    backend = Udp()
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    with raw, proxy(configuration(backend.name)) as p:
        client = Udp()
        client.sendto(b"query", p.at)
        datagram, upstream = backend.recvfrom(100)
        forged = port_unreachable(("127.0.0.1", upstream[1]), backend.name)
        for number in range(1, 6):
            raw.sendto(forged, ("127.0.0.1", 0))
            p.until(lambda p: p.backends[0].refusals == number)
        assert p.listener.resent == 1
        assert backend.recvfrom(100) == (datagram, upstream)
        assert not backend.waiting()
        assert p.backends[0].up, "the first of them and that after the resend"


# Resends


def test_a_resend_goes_on_the_same_flow_and_the_reply_to_the_right_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The backend is gone for a moment only: nobody notices."""
    with Servers(1) as servers, proxy(configuration(*servers.names)) as p:
        clients = [Udp() for _ in range(10)]
        for client in clients:
            client.ask(b"before", p.at)
        original = Datapath._resend

        def back_in_time(self: Datapath, *arguments: Any) -> None:
            servers.revive(0)
            original(self, *arguments)

        monkeypatch.setattr(Datapath, "_resend", back_in_time)
        for number, client in enumerate(clients):
            servers.kill(0)
            assert client.ask(b"query of %d" % number, p.at) == b"query of %d" % number
        p.until(lambda p: p.backends[0].replies == 20)
        assert not any(client.waiting() for client in clients)
        assert (p.listener.admitted, p.listener.closed) == (10, {})
        assert (p.listener.requests, p.listener.resent) == (20, 10)
        assert (p.backends[0].refusals, p.backends[0].resent) == (10, 10)
        assert len(servers.received[0]) == 20


def test_an_errno_that_comes_out_on_a_send_is_not_about_what_is_sent() -> None:
    """It is sent at once (KERNEL.md 5), and so not sent again."""
    with Servers(1) as servers, proxy(configuration(*servers.names)) as p:
        client = Udp()
        client.ask(b"before", p.at)
        (up,) = p.engine.forwarding.datapath._upstreams.values()
        servers.kill(0)
        blocked = p.look_away()
        # Nobody reads the errno before the send meets it.
        p.engine.forwarding.datapath._poller._epoll.unregister(up.fd)  # type: ignore[attr-defined]
        up.sock.send(b"to the dead")
        servers.revive(0)
        client.sendto(b"query", p.at)
        blocked.set()
        p.until(lambda p: p.backends[0].refusals == 1)
        until(lambda: servers.received[0][1:] == [b"query"])
        p.engine.forwarding.datapath._poller.watch(up.fd)
        assert client.recv(100) == b"query"
        assert client.ask(b"after", p.at) == b"after"
        assert servers.received[0][1:] == [b"query", b"after"]
        p.until(lambda p: p.listener.requests == 3)
        assert p.listener.resent == 0


def test_a_whole_train_is_resent_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    with Servers(1) as servers, proxy(configuration(*servers.names, listen="0.0.0.0")) as p:
        client, at = Udp(), ("127.0.0.1", p.port)
        client.ask(b"before", at)
        original = Datapath._resend

        def back_in_time(self: Datapath, *arguments: Any) -> None:
            servers.revive(0)
            original(self, *arguments)

        monkeypatch.setattr(Datapath, "_resend", back_in_time)
        servers.kill(0)
        train = [b"%02d" % number * 20 for number in range(20)]
        client.send_run(b"".join(train), 40, at)
        assert client.gather(20) == train
        assert servers.received[0][1:] == train
        assert p.listener.dropped == {}
