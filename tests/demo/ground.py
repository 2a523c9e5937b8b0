"""What the tests of the demo share: a loop of their own, and servers and a play on it."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tests.harness import PATIENCE_S
from udplb.demo.cast import DNS, GAME, LOOPBACK
from udplb.demo.play import Answer, Play, open_servers
from udplb.demo.servers import Server
from udplb.demo.zone import Zone

Result = TypeVar("Result")


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run it in a loop of its own."""

    async def bounded() -> Result:
        return await asyncio.wait_for(coroutine, PATIENCE_S)

    return asyncio.run(bounded())


async def until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds; `run` bounds the wait."""
    while not condition():
        await asyncio.sleep(0.002)


async def ask(port: int, datagram: bytes) -> bytes:
    """The reply of whoever has this port. Raises ConnectionRefusedError."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.setblocking(False)
        asker.connect((LOOPBACK, port))
        asker.send(datagram)
        return await loop.sock_recv(asker, 65_535)


def play_without_proxy(
    chance: random.Random, spoil: Callable[[Answer], Answer] = lambda answer: answer
) -> tuple[Play, dict[str, Server]]:
    """A play whose clients ask the first server of each cluster directly. In a running loop."""
    loop, zone = asyncio.get_running_loop(), Zone()
    servers = open_servers(loop, zone, chance, spoil)
    targets = {
        DNS: (LOOPBACK, servers["dns/alder"].port),
        GAME: (LOOPBACK, servers["game/oak"].port),
    }
    return Play(loop, servers, targets, zone, chance), servers
