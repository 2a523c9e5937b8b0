"""Inlets: the same trains, whether a call brings many datagrams or one."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from itertools import chain

import pytest

from tests.harness import Servers, Udp, configuration, need_linux, proxy
from udplb.engine import inlet as inlet_module
from udplb.engine.batch import Batch
from udplb.engine.inlet import (
    CALL_BUFFERS,
    ROUND_DATAGRAMS,
    BatchInlet,
    Inlet,
    Inlets,
    SingleInlet,
)
from udplb.engine.kernel import IPV6_RECVPKTINFO

Make = Callable[..., Inlet]


@pytest.fixture(params=[BatchInlet, SingleInlet])
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Make:
    need_linux()
    if request.param is SingleInlet:
        monkeypatch.setattr(inlet_module, "has_batches", lambda: False)

    def made(sock: socket.socket, *, wildcard: bool = False, coalescing: bool = False) -> Inlet:
        sock.setblocking(False)
        inlet = Inlets(coalescing=coalescing).inlet(sock, wildcard=wildcard)
        assert type(inlet) is request.param
        return inlet

    return made


def seen(inlet: Inlet) -> list[tuple[object, object, list[bytes]]]:
    return [(client, local, list(train.datagrams())) for client, local, train in inlet.receive()]


def test_nothing_is_no_train(make: Make) -> None:
    assert seen(make(Udp())) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_trains_by_client_in_order(make: Make, host: str) -> None:
    here, a, b = Udp(host), Udp(host), Udp(host)
    inlet = make(here)
    for datagram, client in ((b"a1", a), (b"b1", b), (b"", a), (b"a3" * 500, a), (b"b2", b)):
        client.sendto(datagram, here.name)
    assert seen(inlet) == [
        (a.getsockname(), None, [b"a1", b"", b"a3" * 500]),
        (b.getsockname(), None, [b"b1", b"b2"]),
    ]
    assert seen(inlet) == []


def test_a_round_is_bounded(make: Make) -> None:
    here, there = Udp(), Udp()
    inlet = make(here)
    sent = [b"%03d" % number for number in range(2 * ROUND_DATAGRAMS + 1)]
    for datagram in sent:
        there.sendto(datagram, here.name)
    rounds = [datagrams for _ in range(4) for _, _, datagrams in seen(inlet)]
    assert [len(each) for each in rounds] == [ROUND_DATAGRAMS, ROUND_DATAGRAMS, 1]
    assert list(chain.from_iterable(rounds)) == sent


@pytest.mark.parametrize("coalescing", [False, True])
def test_a_round_of_a_wildcard_socket_is_bounded(make: Make, coalescing: bool) -> None:
    here, at, inlet = wildcard(make, "0.0.0.0", coalescing)
    there = Udp()
    sent = [b"%03d" % number for number in range(ROUND_DATAGRAMS + 5)]
    for datagram in sent:
        there.sendto(datagram, at)
    rounds = [datagrams for _ in range(2) for _, _, datagrams in seen(inlet)]
    assert [len(each) for each in rounds] == [ROUND_DATAGRAMS, 5]
    assert list(chain.from_iterable(rounds)) == sent
    here.close()


def wildcard(make: Make, host: str, coalescing: bool) -> tuple[Udp, tuple[str, int], Inlet]:
    here = Udp(host)
    if here.family == socket.AF_INET:
        here.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
    else:
        here.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
    inlet = make(here, wildcard=True, coalescing=coalescing)
    assert inlet.coalesces is coalescing
    return here, (host.replace("0.0.0.0", "127.0.0.1").replace("::", "::1"), here.name[1]), inlet


@pytest.mark.parametrize("coalescing", [False, True])
def test_a_client_at_two_local_addresses_is_two_arrivals(make: Make, coalescing: bool) -> None:
    here, (_, port), inlet = wildcard(make, "0.0.0.0", coalescing)
    there = Udp("0.0.0.0")
    for host in ("127.0.0.1", "127.0.0.2", "127.0.0.1"):
        there.sendto(host.encode(), (host, port))
    client = ("127.0.0.1", there.getsockname()[1])
    (first, second, *rest) = seen(inlet)
    assert not rest
    assert first == (client, (bytes([127, 0, 0, 1]), 0), [b"127.0.0.1", b"127.0.0.1"])
    assert second[1:] == ((bytes([127, 0, 0, 2]), 0), [b"127.0.0.2"])
    here.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_merged_buffers_are_taken_apart(make: Make, host: str) -> None:
    here, at, inlet = wildcard(make, host, coalescing=True)
    there = Udp(at[0])
    for size in (700, 900):  # the second call must not see the first one's segment size
        there.sendto(b"before", at)
        there.send_run(b"x" * (size * 3 + 10), size, at)
        there.sendto(b"behind", at)
        ((_, _, datagrams),) = seen(inlet)
        assert datagrams == [b"before", *[b"x" * size] * 3, b"x" * 10, b"behind"]
    here.close()


def test_a_round_of_merged_buffers_ends_with_the_call_that_fills_it(make: Make) -> None:
    here, at, inlet = wildcard(make, "0.0.0.0", coalescing=True)
    here.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
    there = Udp()
    runs = 2 * CALL_BUFFERS
    for _ in range(runs):
        there.send_run(b"x" * 16_000, 500, at)
    ((_, _, first),) = seen(inlet)
    assert ROUND_DATAGRAMS <= len(first) <= CALL_BUFFERS * 32
    total = len(first)
    while arrivals := seen(inlet):
        total += len(arrivals[0][2])
    assert total == runs * 32
    here.close()


def test_an_error_behind_datagrams_loses_none(make: Make) -> None:
    """An unconnected socket has no errors of its own, but the rule must hold for what comes."""
    here, gone = Udp(), Udp()
    inlet = make(here)
    here.connect(gone.name)
    gone.sendto(b"last words", here.name)
    name = gone.getsockname()
    gone.close()
    here.send(b"is anybody there?")
    with pytest.raises(ConnectionRefusedError):
        seen(inlet)
    assert seen(inlet) == [(name, None, [b"last words"])]


def test_an_error_between_two_calls_of_a_round_loses_none() -> None:
    class Failing(Batch):
        calls = 0

        def receive(self, fd: int, datagrams_max: int) -> int:
            self.calls += 1
            if self.calls == 2:
                raise OSError("scripted")
            return super().receive(fd, datagrams_max)

    need_linux()
    batch = Failing()
    here, at, inlet = wildcard(
        lambda sock, **how: BatchInlet(batch, sock, **how), "0.0.0.0", coalescing=True
    )
    there = Udp()
    for number in range(CALL_BUFFERS + 1):
        there.sendto(b"%02d" % number, at)
    ((_, _, datagrams),) = seen(inlet)
    assert (len(datagrams), batch.calls) == (CALL_BUFFERS, 2)
    ((_, _, datagrams),) = seen(inlet)
    assert datagrams == [b"%02d" % CALL_BUFFERS]
    here.close()


@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0", "::"])
def test_a_proxy_forwards_without_batches(listen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inlet_module, "has_batches", lambda: False)
    with Servers() as servers, proxy(configuration(*servers.names, listen=listen)) as p:
        clients = [Udp("::1" if listen == "::" else "127.0.0.1") for _ in range(3)]
        at = (clients[0].getsockname()[0], p.port)
        for number in range(50):
            for client in clients:
                assert client.ask(b"%d" % number, at) == b"%d" % number


def test_a_second_inlet_of_a_socket_goes_on_where_the_first_was(make: Make) -> None:
    """The ratchet of UDP_GRO: merged buffers come apart, whoever reads them."""
    here, there = Udp(), Udp()
    here.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
    first = make(here, coalescing=True)
    there.send_run(b"x" * 32_000, 1_000, here.name)
    assert [len(each) for _, _, each in seen(first)] == [32]
    assert first.coalesces
    again = socket.socket(fileno=os.dup(here.fileno()))
    for coalescing in (True, False):
        second = make(again, coalescing=coalescing)
        assert not second.coalesces
        second.inherit(first)
        assert second.coalesces
        there.send_run(b"y" * 5_000, 1_000, here.name)
        assert seen(second) == [(there.getsockname(), None, [b"y" * 1_000] * 5)]
    again.close()


def test_one_that_inherits_nothing_still_may_begin_to_coalesce(make: Make) -> None:
    here, there = Udp(), Udp()
    second = make(here, coalescing=True)
    second.inherit(make(here, coalescing=True))
    assert not second.coalesces
    there.send_run(b"x" * 32_000, 1_000, here.name)
    seen(second)
    assert second.coalesces
