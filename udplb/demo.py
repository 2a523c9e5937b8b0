"""`udplb demo`: echo backends, synthetic clients and a proxy between them, in one process.

The engine runs in its own thread as always; backends and clients share the main thread's loop.
Every reply is checked against what its client sent.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from udplb.core.address import Address
from udplb.core.settings import (
    BackendSettings,
    ClusterSettings,
    Configuration,
    EngineSettings,
    FlowTerms,
    ListenerSettings,
)
from udplb.engine.binding import StartError
from udplb.engine.engine import Engine
from udplb.engine.snapshot import Snapshot

LOOPBACK = IPv4Address("127.0.0.1")
BACKENDS = ("alder", "birch", "cedar")
CLIENTS = 24
TRAIN_MAX = 12
PAUSE_S = 0.12
NEW_PORT_EVERY = 25
"""Trains after which a client comes back from another port, as a new flow."""
REPLY_TIME_S = 2.0


class Echo(asyncio.DatagramProtocol):
    """A backend: sends everything back."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)


class Client(asyncio.DatagramProtocol):
    """A client: knows what it is owed, and sees what is not its own."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._owed: set[bytes] = set()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def send_train(self, count: int) -> None:
        """Send `count` datagrams that no other client ever sends."""
        for _ in range(count):
            datagram = random.randbytes(random.randrange(16, 256))
            self._owed.add(datagram)
            self._tally.sent += 1
            self.transport.sendto(datagram)

    def satisfied(self) -> bool:
        """Whether nothing is owed to it."""
        return not self._owed

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if data in self._owed:
            self._owed.discard(data)
            self._tally.answered += 1
        else:
            self._tally.wrong += 1


class Tally:
    """What all clients together sent and got."""

    def __init__(self) -> None:
        self.sent = 0
        self.answered = 0
        self.wrong = 0

    @property
    def complete(self) -> bool:
        """Whether every client got every reply, and nothing else."""
        return self.sent > 0 and self.answered == self.sent and self.wrong == 0


def run_demo(duration: float | None) -> int:
    """Run for `duration` seconds, or until Ctrl-C; 0 only if every client got every reply."""
    # A place of its own: never that of a proxy that works on this machine.
    with TemporaryDirectory(prefix="udplb-demo-") as private:
        return asyncio.run(_demo(duration, Path(private) / "udplb.sock"))


async def _demo(duration: float | None, control_socket: Path) -> int:
    loop = asyncio.get_running_loop()
    backends = [
        await loop.create_datagram_endpoint(Echo, local_addr=(str(LOOPBACK), 0)) for _ in BACKENDS
    ]
    ports = [transport.get_extra_info("sockname")[1] for transport, _ in backends]
    engine = Engine(_configuration(ports), control_socket=control_socket)
    try:
        snapshot = engine.start()
    except StartError as error:
        print(f"udplb: {error}", file=sys.stderr)
        return 1
    listener = snapshot.listeners[0].address
    print(f"proxy on {listener}; backends:", *(f"{LOOPBACK}:{port}" for port in ports))
    print(f"look in from another shell: udplb flows --watch --socket {control_socket}")
    tally = Tally()
    enough = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, enough.set)
    if duration is not None:
        loop.call_later(duration, enough.set)
    target = (str(LOOPBACK), int(listener.rpartition(":")[2]))
    clients = [asyncio.create_task(_client(target, tally, enough)) for _ in range(CLIENTS)]
    report = asyncio.create_task(_report(engine, tally))
    await asyncio.gather(*clients)
    report.cancel()
    engine.stop()
    for transport, _ in backends:
        transport.close()
    print(_verdict(tally, engine.snapshot))
    return 0 if tally.complete else 1


def _configuration(ports: list[int]) -> Configuration:
    cluster = ClusterSettings(
        name="demo",
        balance="least_flows",
        terms=FlowTerms(front_timeout=2.0, back_timeout=2.0),
        backends=tuple(
            BackendSettings(address=Address(LOOPBACK, port), name=name)
            for name, port in zip(BACKENDS, ports, strict=True)
        ),
    )
    listener = ListenerSettings(name="demo", address=Address(LOOPBACK, 0), cluster="demo")
    return Configuration(engine=EngineSettings(), listeners=(listener,), clusters=(cluster,))


async def _client(target: tuple[str, int], tally: Tally, enough: asyncio.Event) -> None:
    """Trains of random length from one port after the other, then wait for what is owed."""
    loop = asyncio.get_running_loop()
    while not enough.is_set():
        transport, client = await loop.create_datagram_endpoint(
            lambda: Client(tally), remote_addr=target
        )
        for _ in range(NEW_PORT_EVERY):
            client.send_train(random.randrange(1, TRAIN_MAX))
            await asyncio.sleep(random.uniform(0.2, 1.8) * PAUSE_S)
            if enough.is_set():
                break
        await _until(client.satisfied, REPLY_TIME_S)
        transport.close()


async def _until(done: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not done() and time.monotonic() < deadline:
        await asyncio.sleep(0.01)


async def _report(engine: Engine, tally: Tally) -> None:
    """A line a second."""
    sent = answered = 0
    while True:
        await asyncio.sleep(1.0)
        snapshot = engine.snapshot
        assert snapshot is not None
        shares = "  ".join(
            f"{backend.name} {backend.flows} flows" for backend in snapshot.clusters[0].backends
        )
        print(
            f"{time.strftime('%H:%M:%S')}  sent {tally.sent - sent:,}/s"
            f"  answered {tally.answered - answered:,}/s  owed {tally.sent - tally.answered:,}"
            f"  |  {shares}  dropped {snapshot.totals.dropped}",
            flush=True,
        )
        sent, answered = tally.sent, tally.answered


def _verdict(tally: Tally, snapshot: Snapshot | None) -> str:
    assert snapshot is not None
    totals = snapshot.totals
    missing = tally.sent - tally.answered
    return (
        f"{tally.answered:,} of {tally.sent:,} datagrams answered, {missing:,} missing,"
        f" {tally.wrong:,} wrong; {totals.admitted:,} flows, {totals.dropped:,} dropped"
    )
