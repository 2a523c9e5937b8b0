"""A proxy of a file of its own, and what its operator has: the file, the socket, commands, log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

from tests.harness import PATIENCE_S, REPOSITORY, until
from tests.programs import process
from udplb.client import Item, SocketClient, Stream
from udplb.engine.control.requests import Answer, Request, Status, Subscribe
from udplb.engine.events import ConfigurationChanged, ConfigurationRejected, Event
from udplb.engine.snapshot import Snapshot

FIFO_PROXY, FIFO_PINGER = 10, 20
"""Real-time priorities: whoever else uses the machine does not show in what they measure."""

Happened = TypeVar("Happened", bound=Event)


# Files


def backend(address: str, name: str = "", **keys: object) -> str:
    """The lines of a backend of the cluster whose table comes before; `@` stands for its header."""
    lines = ["@", f'address = "{address}"']
    if name:
        lines.append(f'name = "{name}"')
    lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join(lines)


def cluster(name: str, backends: Iterable[str], keys: str = "") -> str:
    """A cluster's tables."""
    header = f"[[clusters.{name}.backends]]"
    tables = [each.replace("@", header, 1) for each in backends]
    return "\n".join([f"[clusters.{name}]", keys, *tables])


def listener(name: str, port: int, cluster: str, keys: str = "", host: str = "127.0.0.1") -> str:
    """A listener's table."""
    return (
        f'[[listeners]]\nname = "{name}"\naddress = "{host}:{port}"\ncluster = "{cluster}"\n{keys}'
    )


def engine(socket: Path, keys: str = "") -> str:
    """The engine's table, with this control socket."""
    return f'[engine]\nmetrics_address = "off"\ncontrol_socket = "{socket}"\n{keys}'


def text_of(*tables: str) -> str:
    """A whole file."""
    return "\n".join(tables) + "\n"


# The process


class Log:
    """The lines that a process writes to standard error."""

    def __init__(self, stream: IO[str]) -> None:
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self.lines.append(line.rstrip("\n"))

    def having(self, words: str) -> list[str]:
        """The lines so far with these words."""
        return [line for line in list(self.lines) if words in line]

    def wait_for(self, words: str) -> str:
        """Wait for a line with these words."""
        until(lambda: self.having(words), f"a log line with {words!r}")
        return self.having(words)[0]

    def join(self) -> list[str]:
        """All lines, at the end of the process."""
        self._reader.join(PATIENCE_S)
        return self.lines


class Running:
    """`udplb run --headless -c FILE` and its operator."""

    def __init__(self, process: subprocess.Popen[str], file: Path, socket: Path) -> None:
        assert process.stderr is not None
        self.process = process
        self.pid = process.pid
        self.file = file
        self.socket = socket
        self.log = Log(process.stderr)
        self.client = SocketClient(socket)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def ask(self, request: Request[Answer]) -> Answer:
        """Ask through the socket."""
        return self.client.ask(request)

    def status(self) -> Snapshot:
        """A fresh picture."""
        return self.ask(Status())

    def weights(self, cluster: str = "c") -> dict[str, int]:
        """The weights in force, by address."""
        (found,) = (each for each in self.status().clusters if each.name == cluster)
        return {each.address: each.weight for each in found.backends}

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Another command of udplb, asked of this proxy."""
        return command(*arguments, "--socket", self.socket)

    def end(self) -> int:
        """End it where no flow lives; its exit code. A second SIGTERM might come too late, when
        Python has taken its handler away."""
        self.process.terminate()
        return self.process.wait(PATIENCE_S)


def command(*arguments: object, **how: Any) -> subprocess.CompletedProcess[str]:
    """A command of udplb to its end."""
    return subprocess.run(
        [sys.executable, "-m", "udplb", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=REPOSITORY,
        **how,
    )


def run_command(file: Path) -> list[object]:
    """What starts a proxy of this file."""
    return [sys.executable, "-m", "udplb", "run", "--headless", "-c", file]


@contextmanager
def running(
    file: Path,
    socket: Path,
    *,
    undisturbed: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """A proxy of this file, which names the socket.

    `undisturbed`: with real-time priority, for whoever measures it.
    """
    before = ["chrt", "--fifo", FIFO_PROXY] if undisturbed and has_priorities() else []
    with process([*before, *run_command(file)], "ready", environment=environment) as started:
        proxy = Running(started, file, socket)
        try:
            yield proxy
        except AssertionError as error:
            error.add_note("the log ends:\n" + "\n".join(proxy.log.lines[-20:]))
            raise
        finally:
            proxy.client.close()
            started.kill()
            proxy.log.join()


def has_priorities() -> bool:
    """Whether this user may set real-time priorities here."""
    try:
        done = subprocess.run(["chrt", "--fifo", "1", "true"], check=False, capture_output=True)
    except FileNotFoundError:
        return False
    return done.returncode == 0


# What it tells


class Told:
    """The events that a proxy tells a subscriber."""

    def __init__(self, proxy: Running) -> None:
        self.events: list[Event] = []
        self._stream: Stream = proxy.client.subscribe(Subscribe(snapshots=False))

    def __enter__(self) -> Told:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def take(self, timeout_s: float) -> None:
        """Hear what comes within this time, or at once what is there already."""
        items: list[Item] = self._stream.take(timeout_s)
        self.events += [each for each in items if isinstance(each, Event)]

    def of(self, kind: type[Happened]) -> list[Happened]:
        """Those of one kind so far."""
        return [each for each in self.events if isinstance(each, kind)]

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        """Hear until the condition holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"in vain: {what}; heard {self.events[-5:]}"
            self.take(0.1)

    def judged(
        self, do: Callable[..., object], *arguments: object
    ) -> ConfigurationChanged | ConfigurationRejected:
        """Do something to the file, and wait for what becomes of it."""
        before = len(self.events)
        do(*arguments)
        self.wait_for(lambda: _verdicts(self.events[before:]), "a verdict about the file")
        return _verdicts(self.events[before:])[0]


def _verdicts(events: list[Event]) -> list[ConfigurationChanged | ConfigurationRejected]:
    """What became of versions of the file; what operators change is none."""
    return [
        each
        for each in events
        if isinstance(each, ConfigurationRejected)
        or (isinstance(each, ConfigurationChanged) and each.why != "an operator")
    ]


# Pauses


class Pinger:
    """One datagram a millisecond through the proxy to itself, from a process of its own: the round
    trips show when the datapath paused."""

    def __init__(self, running: subprocess.Popen[str]) -> None:
        self._running = running

    def window(self) -> Window:
        """What was seen since the last window."""
        assert self._running.stdin is not None
        assert self._running.stdout is not None
        self._running.stdin.write("window\n")
        self._running.stdin.flush()
        return Window(**json.loads(self._running.stdout.readline()))


class Window:
    """Round trips within some time."""

    def __init__(self, *, count: int, lost: int, longest_s: float, over_5_ms: int) -> None:
        self.count = count
        self.lost = lost
        """Without an answer after a second."""
        self.longest_s = longest_s
        self.over_5_ms = over_5_ms

    def __str__(self) -> str:
        return f"longest {self.longest_s * 1e3:.1f} ms of {self.count:,} round trips"


PINGER = """
import gc, json, os, select, socket, sys, time
port, backend = int(sys.argv[1]), int(sys.argv[2])
gc.disable()
server, client = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
server.bind(("127.0.0.1", backend))
client.bind(("127.0.0.1", 0))
client.connect(("127.0.0.1", port))
poll = select.epoll()
for sock in (server, client):
    sock.setblocking(False)
    poll.register(sock, select.EPOLLIN)
poll.register(0, select.EPOLLIN)
sent, number, due = {}, 0, time.perf_counter()
window = dict(count=0, lost=0, longest_s=0.0, over_5_ms=0)

def serve():
    while True:
        datagram, whom = server.recvfrom(100)
        server.sendto(datagram, whom)

def hear():
    while True:
        began = sent.pop(int.from_bytes(client.recv(100), "big"), None)
        if began is not None:
            took = time.perf_counter() - began
            window["count"] += 1
            window["longest_s"] = max(window["longest_s"], took)
            window["over_5_ms"] += took > 0.005

def tell():
    if not os.read(0, 100):
        sys.exit()
    now = time.perf_counter()
    for old in [each for each, began in sent.items() if now - began > 1]:
        del sent[old]
        window["lost"] += 1
    print(json.dumps(window), flush=True)
    window.update(count=0, lost=0, longest_s=0.0, over_5_ms=0)

print("ready", flush=True)
what = {server.fileno(): serve, client.fileno(): hear, 0: tell}
while True:
    now = time.perf_counter()
    if now >= due:
        due = max(due + 0.001, now)
        sent[number] = now
        try:
            client.send(number.to_bytes(8, "big"))
        except OSError:
            pass
        number += 1
    for descriptor, _ in poll.poll(max(0.0, due - time.perf_counter())):
        try:
            what[descriptor]()
        except (BlockingIOError, ConnectionRefusedError):
            pass
"""


@contextmanager
def pinger(port: int, backend: int) -> Iterator[Pinger]:
    """A pinger for this port of the proxy and that backend's, for as long as the block lasts."""
    before = ["chrt", "--fifo", FIFO_PINGER] if has_priorities() else []
    command = [*before, sys.executable, "-c", PINGER, port, backend]
    with process(command, "ready", stdin=subprocess.PIPE) as running:
        yield Pinger(running)


def run_delay_s(pid: int) -> float:
    """How long all threads of a process have waited for a processor so far."""
    waited = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        waited += int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[1])
    return waited / 1e9
