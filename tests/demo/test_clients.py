"""Clients know what they are owed, and see what is not their own."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.demo.ground import run, until
from udplb.demo import clients
from udplb.demo.cast import LOOPBACK, Place, bound_somewhere
from udplb.demo.clients import HABITS, Client, Players, Query, Resolvers
from udplb.demo.tally import Tally
from udplb.demo.zone import Zone


class Backend:
    """A socket by hand."""

    def __init__(self, bound: socket.socket) -> None:
        self.bound = bound
        self.place: Place = bound.getsockname()

    async def receive(self) -> tuple[bytes, Place]:
        """The next datagram, and whose it is."""
        while True:
            try:
                return self.bound.recvfrom(65_535)
            except BlockingIOError:
                await asyncio.sleep(0.001)

    def waiting(self) -> list[tuple[bytes, Place]]:
        """All that is there."""
        found = []
        try:
            while True:
                found.append(self.bound.recvfrom(65_535))
        except BlockingIOError:
            return found


@contextmanager
def backend() -> Iterator[Backend]:
    with bound_somewhere() as bound:
        yield Backend(bound)


def counted(tally: Tally) -> tuple[int, int, int, int]:
    return tally.sent, tally.answered, tally.twice, tally.wrong


def test_what_comes_back_is_counted_for_what_it_is() -> None:
    async def play() -> None:
        with backend() as server:
            tally = Tally()
            client = Client(asyncio.get_running_loop(), LOOPBACK, server.place, tally)
            client.send(b"one", b"ONE")
            client.send(b"two", b"TWO")
            _, home = await server.receive()
            assert not client.satisfied
            server.bound.sendto(b"ONE", home)
            await until(lambda: tally.answered)
            assert counted(tally) == (2, 1, 0, 0)
            server.bound.sendto(b"ONE", home)
            await until(lambda: tally.twice)
            server.bound.sendto(b"two", home)
            await until(lambda: tally.wrong)
            server.bound.sendto(b"TWO", home)
            await until(lambda: client.satisfied)
            assert counted(tally) == (2, 2, 1, 1)
            client.close()
            client.close()

    run(play())


def test_a_refused_send_is_made_once_more() -> None:
    async def play() -> None:
        with bound_somewhere() as gone:
            place = gone.getsockname()
        tally = Tally()
        client = Client(asyncio.get_running_loop(), LOOPBACK, place, tally)
        for number in range(5):
            client.send(bytes([number]), bytes([number]))
        assert tally.sent == 5
        client.close()

    run(play())


def test_what_did_not_leave_is_not_owed() -> None:
    async def play() -> None:
        with backend() as server:
            tally = Tally()
            client = Client(asyncio.get_running_loop(), LOOPBACK, server.place, tally)
            client.send(bytes(70_000), b"never")
            assert client.satisfied
            assert not tally.sent
            client.close()

    run(play())


@pytest.mark.parametrize("more", [0, 1])
def test_what_is_owed_is_bounded(monkeypatch: pytest.MonkeyPatch, more: int) -> None:
    monkeypatch.setattr(clients, "OWED_MAX", 8)

    async def play() -> None:
        with backend() as server:
            tally = Tally()
            client = Client(asyncio.get_running_loop(), LOOPBACK, server.place, tally)
            for number in range(8 + more):
                client.send(bytes([number]), bytes([number]))
            _, home = await server.receive()
            server.bound.sendto(bytes([0]), home)
            await until(lambda: tally.answered or tally.wrong)
            assert (tally.answered, tally.wrong) == ((1, 0), (0, 1))[more]
            assert tally.missing == 7 + 2 * more
            client.close()

    run(play())


def test_a_query_ends_with_its_last_answer() -> None:
    async def play() -> None:
        with backend() as server:
            tally, chance, zone = Tally(), random.Random(1), Zone()
            query = Query(asyncio.get_running_loop(), LOOPBACK, server.place, tally)
            for _ in range(2):
                query.send(*zone.query(chance))
            for _ in range(2):
                assert query._open
                asked, home = await server.receive()
                server.bound.sendto(zone.answer(asked) or b"", home)
                before = tally.answered
                await until(lambda: tally.answered > before)
            assert not query._open

    run(play())


def test_resolvers_ask_at_their_rate_and_give_up() -> None:
    async def play() -> None:
        with backend() as server:
            tally = Tally()
            loop, chance = asyncio.get_running_loop(), random.Random(1)
            resolvers = Resolvers(loop, server.place, tally, Zone(), chance)
            for tick in range(50):
                resolvers.tick(tick * 0.02, 0.02, 1.0)
            flows = {home for _, home in server.waiting()}
            assert len(flows) == pytest.approx(clients.QUERIES_PER_S, rel=0.15)
            assert tally.sent > len(flows)  # some ask more than one thing
            assert not resolvers.satisfied
            resolvers.tick(10.0, 0.0, 1.0)
            assert resolvers.satisfied  # nobody waits any more
            assert tally.missing == tally.sent
            resolvers.close()

    run(play())


def test_twice_the_factor_is_twice_the_queries() -> None:
    async def play() -> None:
        sent = []
        for factor in (1.0, 2.0):
            with backend() as server:
                tally = Tally()
                loop, chance = asyncio.get_running_loop(), random.Random(1)
                resolvers = Resolvers(loop, server.place, tally, Zone(), chance)
                for tick in range(25):
                    resolvers.tick(tick * 0.02, 0.02, factor)
                sent.append(tally.sent)
                resolvers.close()
        assert sent[1] == pytest.approx(2 * sent[0], rel=0.3)

    run(play())


def test_players_come_a_few_at_a_time_and_play_in_different_shapes() -> None:
    async def play() -> None:
        with backend() as server:
            tally = Tally()
            players = Players(asyncio.get_running_loop(), server.place, tally, random.Random(1))
            homes = set()
            sizes: list[int] = []
            for tick in range(150):
                players.tick(tick * 0.02, 1.0)
                arrived = server.waiting()
                homes |= {home for _, home in arrived}
                sizes += [len(datagram) for datagram, _ in arrived]
                assert len(homes) <= clients.NEW_PLAYERS_PER_TICK * (tick + 1)
            assert len(homes) == clients.PLAYERS
            assert min(sizes) == min(habit.size[0] for habit in HABITS)
            assert max(sizes) > 900
            assert len(sizes) == tally.sent
            players.close()

    run(play())


def test_no_two_datagrams_of_players_are_alike() -> None:
    async def play() -> None:
        with backend() as server:
            loop, chance = asyncio.get_running_loop(), random.Random(2)
            players = Players(loop, server.place, Tally(), chance)
            seen: list[bytes] = []
            for tick in range(100):
                players.tick(tick * 0.02, 1.0)
                seen += [datagram for datagram, _ in server.waiting()]
            assert len(set(seen)) == len(seen) > 100
            players.close()

    run(play())


def test_players_leave_when_they_have_their_replies() -> None:
    async def play() -> None:
        with backend() as server:
            tally = Tally()
            players = Players(
                asyncio.get_running_loop(), server.place, tally, random.Random(3), speed=60.0
            )
            players.tick(0.0, 1.0)
            assert not players.satisfied
            for datagram, home in server.waiting():
                server.bound.sendto(datagram, home)
            await until(lambda: players.satisfied)
            players.tick(3.0, 1.0)  # all that came first are over their time
            assert len(players._leaving) == clients.NEW_PLAYERS_PER_TICK
            players.tick(3.1, 1.0)
            assert not players._leaving
            players.close()

    run(play())
