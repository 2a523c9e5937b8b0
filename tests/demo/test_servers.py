"""Backends that slow down, fall silent, die and return."""

from __future__ import annotations

import asyncio
import random
import socket

import pytest

from tests.demo.ground import ask, run, until
from udplb.demo.cast import LOOPBACK
from udplb.demo.servers import Server


def server(usual_s: float = 0.0) -> Server:
    return Server(
        asyncio.get_running_loop(),
        lambda datagram: datagram[::-1] or None,
        random.Random(1),
        usual_s,
    )


def test_it_answers() -> None:
    async def play() -> None:
        one = server()
        assert await ask(one.port, b"abc") == b"cba"
        one.die()

    run(play())


@pytest.mark.parametrize("usual_s", [0.0, 0.001])
def test_a_slow_one_takes_its_time(usual_s: float) -> None:
    """Not before 80 % of it: a loop may be late, but not early."""

    async def play() -> None:
        loop, one = asyncio.get_running_loop(), server(usual_s)
        one.delay_s = 0.05
        began = loop.time()
        assert await ask(one.port, b"ab") == b"ba"
        assert loop.time() - began >= 0.035
        one.die()

    run(play())


def test_a_dead_one_refuses_and_returns_to_its_place() -> None:
    async def play() -> None:
        one = server()
        one.die()
        one.die()
        assert not one.alive
        with pytest.raises(ConnectionRefusedError):
            await ask(one.port, b"ab")
        one.come_back()
        assert await ask(one.port, b"ab") == b"ba"
        one.die()

    run(play())


def test_one_whose_port_is_taken_waits_for_it() -> None:
    async def play() -> None:
        one = server()
        one.die()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((LOOPBACK, one.port))
            one.come_back()
            assert not one.alive
        await until(lambda: one.alive)
        assert await ask(one.port, b"ab") == b"ba"
        one.die()

    run(play())


def test_one_that_dies_again_while_it_waits_stays_dead() -> None:
    async def play() -> None:
        one = server()
        one.die()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((LOOPBACK, one.port))
            one.come_back()
            one.die()
        one._try_to_come_back()
        assert not one.alive

    run(play())


def test_a_silent_one_forgets_what_came_meanwhile() -> None:
    async def play() -> None:
        one = server()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.setblocking(False)
            asker.connect((LOOPBACK, one.port))
            one.silent = True
            asker.send(b"unheard")
            one._read()
            one.silent = False
            asker.send(b"ab")
            assert await asyncio.get_running_loop().sock_recv(asker, 100) == b"ba"
        one.die()

    run(play())


def test_what_it_still_had_to_say_dies_with_it() -> None:
    async def play() -> None:
        one = server()
        one.delay_s = 0.01
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.setblocking(False)
            asker.connect((LOOPBACK, one.port))
            asker.send(b"ab")
            one._read()
            one.die()
            one.come_back()
            one.delay_s = 0.0
            asker.send(b"cd")
            # Sent later, and yet the first to come.
            assert await asyncio.get_running_loop().sock_recv(asker, 100) == b"dc"
            with pytest.raises(BlockingIOError):
                asker.recv(100)
        one.die()

    run(play())
