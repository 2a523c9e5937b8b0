"""Clients that do not behave: so much of it, a little at a time."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from udplb.demo.acts import Empty, Flood, Hoard, Knock, Oversize
from udplb.demo.cast import (
    DENIED,
    DNS,
    FLOODER,
    GAME,
    HOARDER,
    LOOPBACK,
    STRANGER,
    bound_somewhere,
    has_many_hosts,
)
from udplb.demo.file import DATAGRAM_SIZE_MAX, FLOWS_PER_SOURCE, NEW_FLOWS_PER_SECOND
from udplb.demo.intruders import PER_TICK, WAITING_MAX, Intruders, Intrusion
from udplb.demo.tally import Tally


@pytest.fixture
def listeners() -> Iterator[dict[str, socket.socket]]:
    with bound_somewhere() as dns, bound_somewhere() as game:
        yield {DNS: dns, GAME: game}


def received(bound: socket.socket) -> list[tuple[bytes, tuple[str, int]]]:
    found = []
    try:
        while True:
            found.append(bound.recvfrom(65_535))
    except BlockingIOError:
        return found


@pytest.mark.parametrize(
    ("intrusion", "cluster", "host", "size"),
    [
        (Flood(7), DNS, FLOODER, 5),
        (Hoard(7), GAME, HOARDER, 5),
        (Knock(7), GAME, DENIED, 5),
        (Oversize(7), GAME, STRANGER, 2 * DATAGRAM_SIZE_MAX),
        (Empty(7), DNS, STRANGER, 0),
    ],
)
def test_each_kind(
    listeners: dict[str, socket.socket],
    intrusion: Intrusion,
    cluster: str,
    host: str,
    size: int,
) -> None:
    tally = Tally()
    intruders = Intruders({each: bound.getsockname() for each, bound in listeners.items()}, tally)
    intruders.order(intrusion)
    intruders.tick()
    seen = received(listeners[cluster])
    assert len(seen) == tally.intrusions == 7
    assert {len(datagram) for datagram, _ in seen} == {size}
    assert {client[0] for _, client in seen} == {host if has_many_hosts() else LOOPBACK}
    assert tally.sent == 0


@pytest.mark.parametrize("count", [PER_TICK - 1, PER_TICK, PER_TICK + 1])
def test_a_flood_is_sent_tick_by_tick(listeners: dict[str, socket.socket], count: int) -> None:
    tally = Tally()
    intruders = Intruders({each: bound.getsockname() for each, bound in listeners.items()}, tally)
    intruders.order(Flood(count))
    intruders.tick()
    assert tally.intrusions == min(count, PER_TICK)
    intruders.tick()
    assert tally.intrusions == count
    intruders.tick()
    assert tally.intrusions == count


def test_what_waits_is_bounded() -> None:
    intruders = Intruders({DNS: (LOOPBACK, 9), GAME: (LOOPBACK, 9)}, Tally())
    for _ in range(3):
        intruders.order(Flood(WAITING_MAX))
    assert len(intruders._waiting) == WAITING_MAX


def test_limits_are_met_by_what_the_acts_send() -> None:
    from udplb.demo.acts import ACTS

    floods = [act.deed.flows for act in ACTS if isinstance(act.deed, Flood)]
    hoards = [act.deed.flows for act in ACTS if isinstance(act.deed, Hoard)]
    assert min(floods) > 2 * NEW_FLOWS_PER_SECOND
    assert min(hoards) > FLOWS_PER_SOURCE
