"""Somebody looks for the busiest of very many flows: he finds them, and no datagram waits."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.control import (
    FIFO_PROXY,
    Pinger,
    backend,
    cluster,
    command,
    engine,
    has_priorities,
    listener,
    pinger,
    running,
    text_of,
)
from tests.harness import missing, need_linux, until
from tests.namespaces import in_namespace
from tests.programs import free_port, load_path, process
from udplb.config.load import load
from udplb.core.train import Train
from udplb.engine import datapath
from udplb.engine.engine import Engine
from udplb.engine.garbage import spare_the_datapath
from udplb.engine.poller import EpollPoller
from udplb.engine.upstream import open_socket

pytestmark = pytest.mark.e2e

FLOWS, FAKE_FLOWS = 18_000, 200_000
BUSY, LOOKED_AT = 25, 20
RATES = [20 * 1.12**rank for rank in range(BUSY)]
"""Datagrams a second that the busy clients send; each has an answer, which counts as well."""
RATE_ERROR_MAX = 0.3
WANTED_S = 0.005
SANE_S = 0.050 if has_priorities() else 0.5
"""A walk over so many flows in one go would take more."""
ONCE_BUSY = 600
"""Datagrams that some others sent before: who counts them is wrong about who is busy."""
FULL = bool(os.environ.get("UDPLB_FULL"))
QUIET_S = 1.0
TERMS = 'front_timeout = "600s"\nback_timeout = "600s"\nbalance = "round_robin"'

CLIENTS = """
import json, resource, select, socket, sys, time
port, count, once = (int(word) for word in sys.argv[1:4])
rates = json.loads(sys.argv[4])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
poll, clients, waiting, opened, answered = select.epoll(), {}, {}, 0, 0
while answered < count:
    while opened < count and len(waiting) < 100:
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # Loopback addresses of their own: clients take no port away from the proxy's upstreams.
        client.bind((f"127.1.{opened // 250}.{opened % 250 + 1}", 9000))
        client.connect(("127.0.0.1", port))
        client.send(b"%d" % opened)
        poll.register(client, select.EPOLLIN)
        clients[client.fileno()] = waiting[client.fileno()] = client
        opened += 1
    ready = poll.poll(1)
    for descriptor, _ in ready:
        clients[descriptor].recv(100)
        answered += waiting.pop(descriptor, None) is not None
    if not ready:
        for client in waiting.values():
            client.send(b"again")
order = list(clients.values())
busy = {}
for rank, rate in enumerate(rates):
    client = order[rank * (count // len(rates)) + 11]
    busy["%s:%d" % client.getsockname()] = rate
for rank in range(len(rates)):
    client = order[rank * (count // len(rates)) + 12]
    for _ in range(once):
        client.send(b"once")
        client.recv(100)
print("ready", json.dumps(busy), flush=True)
for client in order:  # nobody listens any more
    poll.unregister(client)
began = time.monotonic()
sent = [0] * len(rates)
while True:
    for rank, (name, rate) in enumerate(busy.items()):
        if sent[rank] < (time.monotonic() - began) * rate:
            sent[rank] += 1
            client = order[rank * (count // len(rates)) + 11]
            client.send(b"busy")
            try:
                while True:
                    client.recv(100, socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
    time.sleep(0.0005)
"""


def judge(said: dict[str, Any], rates: dict[str, float], flows: int) -> str:
    """Assert that the busiest flows were found, in order; what they were said to be."""
    rows = said["rows"]
    assert said["matched"] == flows
    assert len(rows) == LOOKED_AT
    truth = sorted(rates, key=lambda client: -rates[client])[:LOOKED_AT]
    found = {row["client"]: row["rate"] for row in rows}
    assert list(found.values()) == sorted(found.values(), reverse=True)
    # Where two are as near as chance, either may stand first, and either may be the last.
    least = rates[truth[-1]] * (1 - RATE_ERROR_MAX)
    assert all(rates.get(client, 0.0) >= least for client in found), (found, rates)
    wrong = {
        client: (rate, rates[client])
        for client, rate in found.items()
        if abs(rate / rates[client] - 1) > RATE_ERROR_MAX
    }
    assert not wrong, wrong
    assert set(truth[: LOOKED_AT // 2]) <= set(found)
    return f"{len(set(truth) & set(found))} of the {LOOKED_AT} busiest found"


def looked(socket: Path, pings: Pinger, rates: dict[str, float], flows: int) -> list[str]:
    """Look when nobody has looked before, and then, where that takes no long time, once more."""
    shown = []
    pings.window()
    time.sleep(QUIET_S)  # what happens in a time
    quiet = pings.window()
    shown.append(f"  quiet: {quiet}")
    for what in ("first look", "second look")[: 2 if flows < FAKE_FLOWS or FULL else 1]:
        pings.window()
        began = time.monotonic()
        words = ("flows", "--sort", "rate", "--limit", LOOKED_AT, "--json", "--socket", socket)
        done = command(*words)
        took, window = time.monotonic() - began, pings.window()
        assert done.returncode == 0, done
        found = judge(json.loads(done.stdout), rates, flows)
        slow = "" if window.longest_s <= WANTED_S else f": MORE THAN {WANTED_S * 1e3:.0f} ms"
        shown.append(f"  {what}: {took:.2f} s, {found}, {window}{slow}")
        assert window.lost == quiet.lost == 0
        assert window.longest_s < SANE_S
        assert quiet.longest_s < SANE_S
    return shown


def file_of(folder: Path, port: int, pinged: int, server: int) -> Path:
    """A file with a listener for the many, and one for the pings."""
    file = folder / "udplb.toml"
    file.write_text(
        text_of(
            engine(folder / "s", "max_flows = 19_000"),
            listener("many", port, "many"),
            cluster("many", [backend(f"127.0.0.1:{server}")], TERMS),
            listener("pinged", port + 1, "pinged"),
            cluster("pinged", [backend(f"127.0.0.1:{pinged}")]),
        )
    )
    return file


@contextmanager
def many_clients(port: int, flows: int) -> Iterator[dict[str, float]]:
    """That many clients, some of them busy; how many datagrams a second those cause, both ways."""
    rates = json.dumps(RATES)
    with process([sys.executable, "-c", CLIENTS, port, flows, ONCE_BUSY, rates]) as clients:
        assert clients.stdout is not None
        assert clients.stderr is not None
        word, _, busy = clients.stdout.readline().partition(" ")
        assert word == "ready", clients.stderr.read()
        yield {client: 2 * rate for client, rate in json.loads(busy).items()}


@pytest.mark.timeout(120)
def test_eighteen_thousand_flows_on_real_sockets(tmp_path: Path) -> None:
    need_linux()
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 20_000:
        missing("limit of 20,000 descriptors")
    port, server = free_port(), free_port() + 30
    file = file_of(tmp_path, port, port + 2, server)
    with (
        process([load_path(), "echo", "--port", server], "ready"),
        running(file, tmp_path / "s", undisturbed=True) as proxy,
        many_clients(port, FLOWS) as rates,
        pinger(port + 1, port + 2) as pings,
    ):
        until(lambda: pings.window().count, "pings")
        # The pinger is the busiest of all: a thousand a second, each with its answer.
        snapshot = proxy.status()
        assert snapshot.totals.flows == FLOWS + 1
        shown = looked_past_the_pinger(tmp_path / "s", pings, rates)
        print(f"\n{FLOWS:,} flows on real sockets:", *shown, sep="\n")


def looked_past_the_pinger(
    socket: Path, pings: Pinger, rates: dict[str, float], flows: int = FLOWS
) -> list[str]:
    """The pinger's flow is among those that are looked at."""
    words = ("flows", "--listener", "pinged", "--sort", "age", "--json", "--socket", socket)
    (row,) = json.loads(command(*words).stdout)["rows"]
    return looked(socket, pings, {**rates, row["client"]: 2_000.0}, flows + 1)


# Sockets that are none


class FakeSocket:
    """Takes everything, and gives nothing. Its descriptor is beyond all real ones."""

    made = 0

    def __init__(self) -> None:
        FakeSocket.made += 1
        self._number = FIRST_FAKE + FakeSocket.made

    def fileno(self) -> int:
        return self._number

    def send(self, datagram: bytes) -> int:
        return len(datagram)

    def recv(self, size: int) -> bytes:
        raise BlockingIOError

    def getsockopt(self, *what: int) -> bytes:
        raise OSError

    def close(self) -> None:
        pass


class FakePoller(EpollPoller):
    """Knows that nothing ever comes out of a fake."""

    def watch(self, fd: int) -> None:
        if fd < FIRST_FAKE:
            super().watch(fd)


FIRST_FAKE = 10_000_000
FAKE_PORT = 9


def open_fake(backend: Any, ports: Any, now: float) -> tuple[Any, int | None, int]:
    """`open_socket`, but a fake for backends at FAKE_PORT."""
    return (FakeSocket(), None, 0) if backend[1] == FAKE_PORT else open_socket(backend, ports, now)


class Crowd:
    """Clients whose datagrams are brought to the engine by hand, in its own loop."""

    def __init__(self, engine: Engine, flows: int) -> None:
        self._engine = engine
        self._many = engine.forwarding.listeners[0]
        self.clients = [
            (f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 5_000)
            for number in range(flows)
        ]
        self.busy = {
            self.clients[rank * (flows // BUSY) + 11]: rate for rank, rate in enumerate(RATES)
        }

    def _brought(self, client: tuple[str, int]) -> None:
        now, train = time.monotonic(), Train.of([b"datagram"])
        commands = self._many.manager.client_train_received(now, client, None, train)
        self._engine.forwarding.datapath.carry_out(now, self._many, commands)

    async def come(self) -> None:
        """Open all the flows, a round at a time."""
        self._engine.forwarding.capacity.change(2 * len(self.clients))
        for start in range(0, len(self.clients), 64):
            self._many.manager.round_began()
            for client in self.clients[start : start + 64]:
                self._brought(client)
            await asyncio.sleep(0)

    async def go_on(self) -> None:
        """The busy ones send for ever, and the others have sent what they have to."""
        for client in self.busy:
            once_busy = self.clients[self.clients.index(client) + 1]
            for _ in range(ONCE_BUSY):
                self._brought(once_busy)
            await asyncio.sleep(0)
        began = time.monotonic()
        sent = dict.fromkeys(self.busy, 0)
        while True:
            for client, rate in self.busy.items():
                if sent[client] < (time.monotonic() - began) * rate:
                    sent[client] += 1
                    self._brought(client)
            await asyncio.sleep(0.001)


@pytest.mark.timeout(120)
@in_namespace
def test_two_hundred_thousand_flows_on_fakes(tmp_path: Path) -> None:
    """In a process of its own, tuned as `run` tunes it."""
    datapath.open_socket = open_fake  # type: ignore[attr-defined]
    datapath.new_poller = FakePoller  # type: ignore[attr-defined]
    port = free_port()
    file = file_of(tmp_path, port, port + 2, FAKE_PORT)
    (tmp_path / "s").unlink(missing_ok=True)
    proxy = Engine(load(file).configuration, control_socket=tmp_path / "s")
    spare_the_datapath()
    proxy.start()
    crowd = Crowd(proxy, FAKE_FLOWS)
    proxy.call(crowd.come()).result(60)
    playing = proxy.call(crowd.go_on())
    if has_priorities():
        (thread,) = (each for each in threading.enumerate() if each.name == "udplb-engine")
        assert thread.native_id is not None
        os.sched_setscheduler(thread.native_id, os.SCHED_FIFO, os.sched_param(FIFO_PROXY))
    rates = {f"{host}:{port}": rate for (host, port), rate in crowd.busy.items()}
    with pinger(port + 1, port + 2) as pings:
        until(lambda: pings.window().count, "pings")
        shown = looked_past_the_pinger(tmp_path / "s", pings, rates, FAKE_FLOWS)
    print(f"\n{FAKE_FLOWS:,} flows on sockets that are none:", *shown, sep="\n")
    playing.cancel()
    assert proxy.failure is None
