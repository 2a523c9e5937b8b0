"""Pollers: both keep the same promises."""

from __future__ import annotations

import select
import socket
import sys

import pytest

from tests.harness import Servers, Udp, configuration, proxy
from udplb.core.settings import FlowTerms
from udplb.engine import datapath
from udplb.engine.poller import READABLE, WRITABLE, EpollPoller, Poller, SelectorPoller, new_poller

POLLERS = [SelectorPoller, EpollPoller] if hasattr(select, "epoll") else [SelectorPoller]

both = pytest.mark.parametrize("kind", POLLERS)


def pair() -> tuple[socket.socket, socket.socket]:
    here, there = Udp(), Udp()
    here.connect(there.name)
    there.connect(here.name)
    return here, there


@both
def test_tells_who_is_readable(kind: type[Poller]) -> None:
    poller = kind()
    pairs = [pair() for _ in range(3)]
    for here, _ in pairs:
        poller.watch(here.fileno())
    assert list(poller.poll(10)) == []
    pairs[1][1].send(b"x")
    assert list(poller.poll(10)) == [(pairs[1][0].fileno(), READABLE)]
    assert list(poller.poll(10)) == [(pairs[1][0].fileno(), READABLE)], "level-triggered"
    pairs[1][0].recv(10)
    assert list(poller.poll(10)) == []
    poller.close()


@both
def test_its_descriptor_is_readable_when_one_is(kind: type[Poller]) -> None:
    poller = kind()
    here, there = pair()
    poller.watch(here.fileno())
    assert not select.select([poller.fileno()], [], [], 0)[0]
    there.send(b"x")
    assert select.select([poller.fileno()], [], [], 5)[0]
    poller.close()


@both
def test_an_error_is_something_to_read(kind: type[Poller]) -> None:
    poller = kind()
    here, there = pair()
    there.close()
    poller.watch(here.fileno())
    here.send(b"to nobody")
    ((fd, events),) = poller.poll(10)
    assert fd == here.fileno()
    assert events & ~WRITABLE
    poller.close()


@both
def test_watches_for_room_only_while_asked_to(kind: type[Poller]) -> None:
    poller = kind()
    here, there = pair()
    poller.watch(here.fileno())
    poller.watch_writable(here.fileno(), True)
    assert list(poller.poll(10)) == [(here.fileno(), WRITABLE)]
    there.send(b"x")
    assert list(poller.poll(10)) == [(here.fileno(), READABLE | WRITABLE)]
    poller.watch_writable(here.fileno(), False)
    assert list(poller.poll(10)) == [(here.fileno(), READABLE)]
    poller.close()


@both
def test_hands_out_a_bounded_number_and_all_in_the_end(kind: type[Poller]) -> None:
    poller = kind()
    pairs = [pair() for _ in range(10)]
    for here, there in pairs:
        poller.watch(here.fileno())
        there.send(b"x")
    seen = []
    while ready := poller.poll(4):
        assert len(ready) <= 4
        for fd, _ in ready:
            next(here for here, _ in pairs if here.fileno() == fd).recv(1)
            seen.append(fd)
    assert sorted(seen) == sorted(here.fileno() for here, _ in pairs)
    poller.close()


@both
def test_a_forgotten_number_may_come_again(kind: type[Poller]) -> None:
    poller = kind()
    here, _there = pair()
    number = here.fileno()
    poller.watch(number)
    poller.forget(number)
    here.close()
    again, peer = pair()
    poller.watch(again.fileno())
    peer.send(b"x")
    assert list(poller.poll(10)) == [(again.fileno(), READABLE)]
    poller.close()


@both
def test_an_engine_works_on_it(kind: type[Poller], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datapath, "new_poller", kind)
    terms = FlowTerms(responses=1)
    with Servers(2) as servers, proxy(configuration(*servers.names, terms=terms)) as p:
        clients = [Udp() for _ in range(100)]
        for turn in range(5):
            for number, client in enumerate(clients):
                client.sendto(b"%d in turn %d" % (number, turn), p.at)
            for number, client in enumerate(clients):
                assert client.recv(100) == b"%d in turn %d" % (number, turn)
        p.until(lambda p: p.listener.replies == 500 and p.listener.flows == 0)


@pytest.mark.skipif(sys.platform != "linux", reason="epoll is Linux's")
def test_linux_has_an_epoll_of_its_own() -> None:
    poller = new_poller()
    assert isinstance(poller, EpollPoller)
    poller.close()
