"""What the tests of engine and whole share: an engine at work here, and peers on both its sides.

Nothing here sleeps for a time: `until` waits for a condition, `gather` for datagrams.
"""

from __future__ import annotations

import gc
import os
import queue
import selectors
import shutil
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from udplb.config.changes import Change
from udplb.core.address import Address, normal_ip
from udplb.core.settings import (
    AtDeadline,
    BackendSettings,
    Balance,
    ClusterSettings,
    Configuration,
    EngineSettings,
    FlowTerms,
    HealthSettings,
    ListenerSettings,
    Offload,
    OnBackendDown,
)
from udplb.engine import pictures
from udplb.engine.control.requests import Answer, AnyRequest, Done, Drain, Request, Undrain
from udplb.engine.engine import Engine
from udplb.engine.events import Event
from udplb.engine.ports import port_shares
from udplb.engine.snapshot import BackendSnapshot, ListenerSnapshot, Snapshot

REPOSITORY = Path(__file__).parent.parent
PATIENCE_S = 20.0
SOL_UDP, UDP_SEGMENT, UDP_GRO, SO_RCVBUFFORCE = 17, 103, 104, 33

SocketAddress = tuple[Any, ...]
Result = TypeVar("Result")


# What a machine has


def missing(what: str) -> None:
    """Something that a test needs is not here: it fails in CI, and is skipped elsewhere."""
    if os.environ.get("CI"):
        pytest.fail(f"in CI no test is skipped, and here is no {what}")
    pytest.skip(f"no {what}; .ci/run says what to install")


def need(program: str) -> str:
    """The path of a program; without it the test is skipped, or fails in CI."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if path is None:
        missing(program)
    assert path is not None
    return path


def need_linux() -> None:
    """This test is about the Linux kernel."""
    if sys.platform != "linux":
        missing("Linux")


def need_root() -> None:
    """This test makes namespaces or raw sockets."""
    need_linux()
    if os.geteuid() != 0:
        missing("root")


# Waiting


def until(condition: Callable[[], object], what: str = "", timeout_s: float = PATIENCE_S) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"in vain: {what or condition}"
        time.sleep(0.002)


# Peers


class Udp(socket.socket):
    """A UDP socket that waits with patience, and closes itself."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        version = normal_ip(host).version if not host.startswith("::ffff") else 6
        super().__init__(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
        with suppress(OSError):
            self.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self.settimeout(PATIENCE_S)
        self.bind((host, port))

    def __del__(self) -> None:
        self.close()

    @property
    def name(self) -> tuple[str, int]:
        """Where it is bound to."""
        host, port = self.getsockname()[:2]
        return host, port

    def gather(self, count: int) -> list[bytes]:
        """The next `count` datagrams."""
        return [self.recv(65_535) for _ in range(count)]

    def waiting(self) -> list[bytes]:
        """What is there at this moment."""
        found = []
        self.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                found.append(self.recv(65_535))
        self.settimeout(PATIENCE_S)
        return found

    def ask(self, datagram: bytes, to: SocketAddress) -> bytes:
        """Send, and wait for one datagram."""
        self.sendto(datagram, to)
        return self.recv(65_535)

    def send_run(self, datagrams: bytes, segment: int, to: SocketAddress | None = None) -> None:
        """Send many datagrams in one call (UDP_SEGMENT)."""
        how = [(SOL_UDP, UDP_SEGMENT, struct.pack("=H", segment))]
        assert self.sendmsg([datagrams], how, 0, *([to] if to else [])) == len(datagrams)


class Servers:
    """Backends on loopback in a thread of their own; `answer` says what goes back."""

    def __init__(
        self,
        count: int = 1,
        *,
        host: str = "127.0.0.1",
        answer: Callable[[bytes], Sequence[bytes]] = lambda datagram: (datagram,),
    ) -> None:
        self.sockets = [Udp(host) for _ in range(count)]
        self._names = [each.name for each in self.sockets]
        self.received: list[list[bytes]] = [[] for _ in range(count)]
        self._answer = answer
        self._over = threading.Event()
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def names(self) -> list[tuple[str, int]]:
        """Where they are, or were."""
        return list(self._names)

    def __enter__(self) -> Servers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for each in self.sockets:
            each.close()

    def kill(self, number: int) -> None:
        """Close a server's socket: what is sent to it from now on is refused."""
        self._order(partial(self._stop, number, close=True))

    def revive(self, number: int) -> None:
        """A killed server is back at its old address, or a silent one reads what has waited."""
        self._order(partial(self._start, number))

    def silence(self, number: int) -> None:
        """A server is stopped (SIGSTOP): its socket takes datagrams, and nobody reads them."""
        self._order(partial(self._stop, number, close=False))

    def _order(self, what: Callable[[], None]) -> None:
        """Let the serving thread do this, and wait until it has."""
        done = threading.Event()

        def obey() -> None:
            what()
            done.set()

        self._orders.put(obey)
        assert done.wait(PATIENCE_S), "the servers' thread has ended"

    def _stop(self, number: int, *, close: bool) -> None:
        self._selector.unregister(self.sockets[number])
        if close:
            self.sockets[number].close()

    def _start(self, number: int) -> None:
        if self.sockets[number].fileno() < 0:
            self.sockets[number] = Udp(*self._names[number])
        self.sockets[number].setblocking(False)
        self._selector.register(self.sockets[number], selectors.EVENT_READ, number)

    def _serve(self) -> None:
        with self._selector as selector:
            for number in range(len(self.sockets)):
                self._start(number)
            while not self._over.is_set():
                for key, _ in selector.select(0.02):
                    self._answer_all(key.data)
                while not self._orders.empty():
                    self._orders.get()()

    def _answer_all(self, number: int) -> None:
        sock = self.sockets[number]
        with suppress(BlockingIOError, ConnectionRefusedError):
            while True:
                datagram, client = sock.recvfrom(65_535)
                self.received[number].append(datagram)
                for each in self._answer(datagram):
                    sock.sendto(each, client)


# The engine


def configuration(
    *backends: tuple[str, int],
    listen: str | Sequence[str] = "127.0.0.1",
    balance: Balance = "round_robin",
    terms: FlowTerms | None = None,
    max_flows: int = 0,
    max_datagram_size: int = 65_507,
    new_flows_per_second: int = 0,
    drain_timeout: float = 30.0,
    rest: float = 1.0,
    gso: Offload = "auto",
    gro: Offload = "auto",
    source_affinity: bool = False,
    port: int = 0,
    on_backend_down: OnBackendDown = "keep",
    resend: bool = True,
    health: HealthSettings | None = None,
) -> Configuration:
    """One cluster, and a listener on `port` of each address of `listen`."""
    cluster = ClusterSettings(
        name="c",
        balance=balance,
        affinity="source_ip" if source_affinity else "source_ip_port",
        on_backend_down=on_backend_down,
        resend=resend,
        terms=terms or FlowTerms(),
        health=health or HealthSettings(),
        backends=tuple(
            BackendSettings(address=Address(normal_ip(host), port), name=f"b{number}")
            for number, (host, port) in enumerate(backends)
        ),
    )
    hosts = [listen] if isinstance(listen, str) else listen
    listeners = tuple(
        ListenerSettings(
            name=f"l{number}",
            address=Address(normal_ip(host), port),
            cluster="c",
            max_flows=max_flows,
            max_datagram_size=max_datagram_size,
            new_flows_per_second=new_flows_per_second,
        )
        for number, host in enumerate(hosts)
    )
    engine = EngineSettings(drain_timeout=drain_timeout, upstream_port_rest=rest, gso=gso, gro=gro)
    return Configuration(engine=engine, listeners=listeners, clusters=(cluster,))


class Proxy:
    """An engine in this process."""

    def __init__(self, settings: Configuration, **how: Any) -> None:
        self.engine = Engine(settings, **how)
        self.engine.start()

    @property
    def snapshot(self) -> Snapshot:
        """The latest picture."""
        assert self.engine.snapshot is not None
        return self.engine.snapshot

    @property
    def listener(self) -> ListenerSnapshot:
        """The first listener in the latest picture."""
        return self.snapshot.listeners[0]

    @property
    def backends(self) -> tuple[BackendSnapshot, ...]:
        """The backends in the latest picture."""
        return self.snapshot.clusters[0].backends

    @property
    def port(self) -> int:
        """The port of the first listener."""
        return int(self.listener.address.rpartition(":")[2])

    @property
    def at(self) -> tuple[str, int]:
        """The address of the first listener, for IPv4."""
        return self.listener.address.rpartition(":")[0].strip("[]"), self.port

    def ask(self, request: Request[Answer]) -> Answer:
        """What the proxy answers. Raises Refused."""
        answer = self.engine.desk.answer(cast(AnyRequest, request), "a test")
        return cast(Answer, self.engine.call(answer).result(PATIENCE_S))

    def drain(
        self,
        cluster: str,
        backend: str,
        *,
        deadline_s: float | None = None,
        at_deadline: AtDeadline | None = None,
    ) -> Done:
        """Drain a backend, by its name or its address."""
        drain = Drain(
            cluster=cluster, backend=backend, deadline_s=deadline_s, at_deadline=at_deadline
        )
        return self.ask(drain)

    def do(self, what: Callable[[], Result]) -> Result:
        """Call something in the engine's thread; what it returned."""

        async def carry_out() -> Result:
            return what()

        return self.engine.call(carry_out()).result(PATIENCE_S)

    def change(self, wanted: Configuration) -> tuple[Change, ...]:
        """Go over to this configuration; what that changed. Raises StartError."""
        return self.engine.call(self.engine.forwarding.change(wanted)).result(PATIENCE_S)

    def undrain(self, cluster: str, backend: str) -> Done:
        """Let it have new flows again."""
        return self.ask(Undrain(cluster=cluster, backend=backend))

    def until(self, condition: Callable[[Proxy], object], what: str = "") -> None:
        """Wait until the condition holds in a picture."""
        try:
            until(lambda: condition(self), what)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.listener} {self.backends}") from None

    def stop(self) -> Snapshot:
        """End at once; the last picture, which is exact."""
        self.engine.stop()
        return self.snapshot

    def look_away(self) -> threading.Event:
        """The engine's thread stands still until the event is set: what comes waits."""
        over = threading.Event()
        standing = threading.Event()

        def stand_still() -> None:
            standing.set()
            over.wait(PATIENCE_S)

        self.engine._post(stand_still)
        standing.wait(PATIENCE_S)
        return over


def open_descriptors() -> int:
    """How many this process has; sockets that other tests left as garbage are not among them."""
    gc.collect()
    return len(os.listdir("/proc/self/fd" if sys.platform == "linux" else "/dev/fd"))


def with_engine(settings: Configuration, **changes: Any) -> Configuration:
    """The same with other engine settings."""
    return replace(settings, engine=replace(settings.engine, **changes))


Happened = TypeVar("Happened", bound=Event)


class Events:
    """What an engine has told since."""

    def __init__(self, engine: Engine) -> None:
        self.all: list[Event] = []
        self._subscription = engine.bus.subscribe()

    def of(self, kind: type[Happened]) -> list[Happened]:
        """Those of one kind so far."""
        self.all += self._subscription.take()
        return [each for each in self.all if isinstance(each, kind)]

    def first(self, kind: type[Happened]) -> Happened:
        """Wait for the first of this kind."""
        until(lambda: self.of(kind), f"a {kind.__name__}")
        return self.of(kind)[0]


@contextmanager
def proxy(settings: Configuration, *, fails: bool = False, **how: Any) -> Iterator[Proxy]:
    """An engine for as long as the block lasts; its books are right at the end."""
    before = pictures.INTERVAL_S
    pictures.INTERVAL_S = 0.01
    try:
        running = Proxy(settings, **how)
        try:
            yield running
        finally:
            running.stop()
    finally:
        pictures.INTERVAL_S = before
    if fails:
        return
    assert running.engine.failure is None
    for listener in running.engine.forwarding.all_listeners:
        if len(listener.manager.slab) < 1_000:
            listener.manager.check_invariants()


def ports_of_linux(listener_ports: Iterable[int] = ()) -> Sequence[int]:
    """The ports that upstream sockets may have here, where they are ours to choose."""
    ports = port_shares(listener_ports).upstreams
    assert ports is not None
    return ports
