"""Numbered datagrams over many flows, and every backend: who got which number, how often.

Run as a program it is all the clients and all the backends, so that the test's own thread delays
nobody: `python -m tests.e2e.sequences PORT FLOWS RATE BACKENDS DELAY_MS`. It prints "ready" and the
ports of the backends, sends from the first line of its input to the end of that, and prints what
became of every number.
"""

from __future__ import annotations

import gc
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

DATAGRAM = struct.Struct("!HI26x")
NOT_OURS = b"\xff" * DATAGRAM.size
"""What others may send to these backends: it is answered, and not counted."""
BURST_MAX = 4
QUIET_S = 1.0
SO_RCVBUFFORCE = 33
REPOSITORY = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Client:
    """What became of one client's numbers; its flow is its one socket."""

    sent: int
    lost: list[int]
    """Numbers that reached no backend."""
    repeated: list[int]
    """Numbers that reached backends more than once."""
    unanswered: list[int]
    answered_twice: list[int]
    upstreams: list[tuple[int, int, int]]
    """The backend, the port that the proxy sent from, and how many datagrams came that way."""

    @property
    def backends(self) -> list[int]:
        """The backends that it was brought to."""
        return sorted({backend for backend, _, _ in self.upstreams})

    @property
    def whole(self) -> bool:
        """Whether every number arrived once, and its answer came once."""
        return not (self.lost or self.repeated or self.unanswered or self.answered_twice)


@dataclass(frozen=True)
class Result:
    """What became of everything."""

    clients: list[Client]
    strange: int
    """Datagrams that came to a client who had not sent them."""
    seconds: float

    @property
    def sent(self) -> int:
        """How many datagrams were sent."""
        return sum(each.sent for each in self.clients)

    def __str__(self) -> str:
        sums = [
            sum(len(getattr(each, what)) for each in self.clients)
            for what in ("lost", "repeated", "unanswered", "answered_twice")
        ]
        return (
            f"{self.sent:,} datagrams at {self.sent / self.seconds:,.0f}/s over"
            f" {len(self.clients)} flows: {sums[0]} lost, {sums[1]} repeated, {sums[2]} without a"
            f" reply, {sums[3]} with two, {self.strange} replies to somebody else"
        )


class Sequences:
    """The program at work; `ports` are those of its backends."""

    def __init__(self, running: subprocess.Popen[str], ports: list[int]) -> None:
        self._running = running
        self.ports = ports

    def begin(self) -> None:
        """Let the clients send."""
        assert self._running.stdin is not None
        self._running.stdin.write("begin\n")
        self._running.stdin.flush()

    def result(self) -> Result:
        """Send no more; what became of what was sent."""
        assert self._running.stdin is not None
        assert self._running.stdout is not None
        self._running.stdin.close()
        said = json.loads(self._running.stdout.readline())
        clients = [Client(**each) for each in said.pop("clients")]
        return Result(clients=clients, **said)


@contextmanager
def backends_and_clients(
    port: int, *, flows: int, rate: int, backends: int, delay_ms: int
) -> Iterator[Sequences]:
    """The program: its backends are there at once, its clients begin when they are told to.

    Backends take their time, so that there always are replies that are owed.
    """
    command = [sys.executable, "-m", "tests.e2e.sequences"]
    running = subprocess.Popen(
        [*command, *map(str, (port, flows, rate, backends, delay_ms))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    assert running.stdout is not None
    assert running.stdin is not None
    try:
        _, *ports = running.stdout.readline().split()
        yield Sequences(running, list(map(int, ports)))
    finally:
        running.kill()
        running.wait()
        running.stdout.close()
        with suppress(BrokenPipeError):
            running.stdin.close()


# The program


def udp(connect_to: int = 0) -> socket.socket:
    """A socket on loopback with room for bursts."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    sock.bind(("127.0.0.1", 0))
    if connect_to:
        sock.connect(("127.0.0.1", connect_to))
    sock.setblocking(False)
    return sock


class _Player:
    def __init__(self, port: int, flows: int, rate: int, backends: int, delay_ms: int) -> None:
        self.delay_s = delay_ms / 1_000
        self.owed: deque[tuple[float, socket.socket, bytes, tuple[str, int]]] = deque()
        self.backends = [udp() for _ in range(backends)]
        self.clients = [udp(port) for _ in range(flows)]
        self.rate = rate
        self.sent = [0] * flows
        self.arrived: list[Counter[int]] = [Counter() for _ in range(flows)]
        self.answered: list[Counter[int]] = [Counter() for _ in range(flows)]
        self.upstreams: list[Counter[tuple[int, int]]] = [Counter() for _ in range(flows)]
        self.strange = 0
        self.heard_at = 0.0
        self.poll = select.epoll()
        self.readers: dict[int, tuple[Callable[[socket.socket, int], None], socket.socket, int]]
        self.readers = {}
        for number, sock in enumerate(self.backends):
            self.readers[sock.fileno()] = (self.serve, sock, number)
        for number, sock in enumerate(self.clients):
            self.readers[sock.fileno()] = (self.hear, sock, number)
        for descriptor in self.readers:
            self.poll.register(descriptor, select.EPOLLIN)

    def serve(self, sock: socket.socket, backend: int) -> None:
        while True:
            datagram, upstream = sock.recvfrom(64)
            client, number = DATAGRAM.unpack(datagram)
            if client < len(self.clients):
                self.arrived[client][number] += 1
                self.upstreams[client][backend, upstream[1]] += 1
            self.owed.append((time.monotonic() + self.delay_s, sock, datagram, upstream))

    def reply(self) -> None:
        while self.owed and self.owed[0][0] <= time.monotonic():
            _, sock, datagram, upstream = self.owed.popleft()
            sock.sendto(datagram, upstream)

    def hear(self, sock: socket.socket, client: int) -> None:
        while True:
            whose, number = DATAGRAM.unpack(sock.recv(64))
            self.heard_at = time.monotonic()
            if whose == client:
                self.answered[client][number] += 1
            else:
                self.strange += 1

    def look(self, wait_s: float) -> None:
        self.reply()
        for descriptor, _ in self.poll.poll(wait_s):
            read, sock, number = self.readers[descriptor]
            with suppress(BlockingIOError, ConnectionRefusedError):
                read(sock, number)

    def send(self, client: int, count: int) -> None:
        for _ in range(count):
            with suppress(BlockingIOError, ConnectionRefusedError):
                self.clients[client].send(DATAGRAM.pack(client, self.sent[client]))
                self.sent[client] += 1

    def play(self) -> float:
        """Send until standard input ends, and then wait for what is missing."""
        began = time.monotonic()
        due, turn = began, 0
        while not told():
            while time.monotonic() >= due:
                count = turn % BURST_MAX + 1
                self.send(turn % len(self.clients), count)
                turn += 1
                due += count / self.rate
            self.look(max(0.0, due - time.monotonic()))
        lasted = self.heard_at = time.monotonic()
        while time.monotonic() < self.heard_at + self.patience_s:
            self.look(0.001)
        return lasted - began

    @property
    def patience_s(self) -> float:
        """How long to wait for the next answer; where none is missing, for one too many."""
        return QUIET_S if sum(map(len, self.answered)) < sum(self.sent) else QUIET_S / 2

    def result(self, seconds: float) -> dict[str, object]:
        clients = []
        for number, sent in enumerate(self.sent):
            arrived, answered = self.arrived[number], self.answered[number]
            clients.append(
                {
                    "sent": sent,
                    "lost": [each for each in range(sent) if not arrived[each]],
                    "repeated": [each for each, count in arrived.items() if count > 1],
                    "unanswered": [each for each in range(sent) if not answered[each]],
                    "answered_twice": [each for each, count in answered.items() if count > 1],
                    "upstreams": [(*way, count) for way, count in self.upstreams[number].items()],
                }
            )
        return {"clients": clients, "strange": self.strange, "seconds": seconds}


def told() -> bool:
    """Whether there is something on standard input, be it its end."""
    poll = select.poll()
    poll.register(0, select.POLLIN)
    return bool(poll.poll(0))


def main(arguments: Sequence[str]) -> None:
    """Play."""
    gc.disable()
    player = _Player(*map(int, arguments))
    print("ready", *(each.getsockname()[1] for each in player.backends), flush=True)
    while not told():
        player.look(0.001)
    os.read(0, 64)
    print(json.dumps(player.result(player.play())), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
