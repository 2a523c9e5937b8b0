"""The ground for tests of the control socket: a loop, a desk that obeys, raw clients."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

import uvloop

from tests.harness import PATIENCE_S, until
from udplb.engine.control.connection import Limits
from udplb.engine.control.requests import (
    AnyRequest,
    Done,
    Lock,
    Locked,
    Refused,
    SetWeight,
    Status,
    Subscribe,
)
from udplb.engine.control.server import Server
from udplb.engine.events import DrainBegan, Event, EventBus, Subscription
from udplb.engine.snapshot import ClusterSnapshot, Snapshot, Totals

Result = TypeVar("Result")

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}

TRAFFIC: dict[str, Any] = {
    "requests": 1, "request_bytes": 2, "replies": 3, "reply_bytes": 4, "flows": 5, "admitted": 6,
}  # fmt: skip
TOTALS = Totals(
    **TRAFFIC, dropped=0, shed=0, kernel_drops=0, max_flows=100, events_lost=0,
    probes_in_flight=0, probes_not_made=0,
)  # fmt: skip


def picture(at: float = 1.0, clusters: tuple[ClusterSnapshot, ...] = ()) -> Snapshot:
    """A snapshot with little in it."""
    return Snapshot(
        at=at, up_s=at, state="running", totals=TOTALS, listeners=(), clusters=clusters, window=None
    )


def happening(number: int) -> DrainBegan:
    """An event that has a number."""
    return DrainBegan(at=0.0, live=number, deadline_s=1.0)


class FakeFeed:
    """A feed over a real bus; the snapshots count up."""

    def __init__(self, desk: FakeDesk, subscription: Subscription) -> None:
        self._desk = desk
        self._subscription = subscription
        self.closed = 0
        self.snapshots = 0

    def snapshot(self) -> Snapshot:
        self.snapshots += 1
        return picture(at=float(self.snapshots), clusters=self._desk.clusters)

    def events(self) -> list[Event]:
        return self._subscription.take()

    def close(self) -> None:
        self.closed += 1
        self._subscription.cancel()


class FakeDesk:
    """Answers what the test wants."""

    def __init__(self) -> None:
        self.bus = EventBus(lambda: 7.0)
        self.asked: list[tuple[AnyRequest, str]] = []
        self.feeds: list[FakeFeed] = []
        self.clusters: tuple[ClusterSnapshot, ...] = ()
        self.answers: dict[type[Any], object] = {
            Status: picture(),
            SetWeight: Done(sentences=("done",), generation=2),
        }
        self.gate: asyncio.Event | None = None
        """Answers wait for it, if there is one."""
        self.locks = 0
        """How often a session was locked: of that `asked` says nothing."""
        self.cancelled = 0
        self.finished = 0
        self.subscribers_max = 1_000
        self.subscribed: list[Subscribe] = []
        self.flows: set[int] = set()
        """That may be tapped."""

    async def answer(self, request: AnyRequest, who: str) -> object:
        if isinstance(request, Lock):
            self.locks += 1
            return Locked()
        self.asked.append((request, who))
        if self.gate is not None:
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        self.finished += 1
        answer = self.answers[type(request)]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def feed(self, request: Subscribe) -> FakeFeed:
        if len(self.feeds) >= self.subscribers_max:
            raise Refused("busy", "too many subscribers")
        if request.tap is not None and request.tap not in self.flows:
            raise Refused("not_found", f"no flow {request.tap}")
        self.subscribed.append(request)
        self.feeds.append(FakeFeed(self, self.bus.subscribe(flows=request.flow_events)))
        return self.feeds[-1]


class LoopThread:
    """A loop in a thread of its own, as the engine has one. What raises in it is a failure."""

    def __init__(self, kind: str = "uvloop") -> None:
        self.loop = LOOPS[kind]()
        self.failures: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.failures.append(context))
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="control-test", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.loop.run_forever()
        self.loop.close()

    def call(self, coroutine: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Run it in the loop, as Engine.call does."""
        if self._ended:
            raise Refused("ended", "the proxy has ended")
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def do(self, what: Callable[[], Result]) -> Result:
        """Call in the loop's thread; what that returned."""

        async def carry_out() -> Result:
            return what()

        return self.call(carry_out()).result(PATIENCE_S)

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(PATIENCE_S)
        assert not self.failures, self.failures


class Ground(LoopThread):
    """A server with a fake desk, and clients."""

    def __init__(self, directory: Path, kind: str = "uvloop") -> None:
        super().__init__(kind)
        self.path = directory / "udplb.sock"
        self.desk = FakeDesk()
        self.server: Server | None = None
        self._clients: list[RawClient] = []

    def serve(self, **keys: Any) -> Server:
        """Start a server; keywords are its limits, or `version` and `doorman`."""
        own = {key: keys.pop(key) for key in ("doorman",) if key in keys}
        version = keys.pop("version", "1.2.3")
        keys.setdefault("sweep_s", 0.01)
        server = Server(
            self.loop,
            self.desk,
            self.path,
            version=version,
            engine=token_hex(8),
            limits=Limits(**keys),
            **own,
        )
        self.server = server
        self.do(server.start)
        return server

    def cut_off(self) -> None:
        """Close all connections; the server goes on."""
        server = self.server
        assert server is not None

        def close() -> None:
            for each in list(server._connections):
                each.close()

        self.do(close)

    def stop(self) -> None:
        """Stop the server, if there is one."""
        if self.server is not None:
            self.call(self.server.stop()).result(PATIENCE_S)
            self.server = None

    def client(self) -> RawClient:
        """A new connection, unless it is refused."""
        self._clients.append(RawClient(self.path))
        return self._clients[-1]

    def greeted(self) -> RawClient:
        """A new connection that has heard the hello."""
        client = self.client()
        assert client.hear()["type"] == "hello"
        return client

    def hold(self) -> None:
        """From now on answers wait."""
        self.do(lambda: setattr(self.desk, "gate", asyncio.Event()))

    def release(self) -> None:
        """Answers that wait are given."""

        def release() -> None:
            assert self.desk.gate is not None
            self.desk.gate.set()
            self.desk.gate = None

        self.do(release)

    def unharmed(self) -> None:
        """The server answers somebody new."""
        with self.greeted() as client:
            client.say({"request": "status", "id": 99})
            assert client.hear()["id"] == 99
        assert not self.failures, self.failures

    def over(self) -> None:
        for client in self._clients:
            client.close()
        self.stop()
        until(lambda: all(feed.closed == 1 for feed in self.desk.feeds), "feeds are closed")
        self.end()


class RawClient:
    """A Unix socket that says lines and hears JSON."""

    def __init__(self, path: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE_S)
        until(lambda: self._connects(path), f"connecting to {path}")
        self._heard = b""

    def _connects(self, path: Path) -> bool:
        try:
            self.sock.connect(str(path))
        except BlockingIOError:  # so many wait already
            return False
        return True

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def say(self, *messages: dict[str, Any]) -> None:
        self.send(b"".join(json.dumps(each).encode() + b"\n" for each in messages))

    def line(self) -> bytes:
        """The next line; nothing at the end."""
        while b"\n" not in self._heard:
            try:
                data = self.sock.recv(1 << 20)
            except ConnectionResetError:  # we were not heard out
                data = b""
            if not data:
                return b""
            self._heard += data
        line, _, self._heard = self._heard.partition(b"\n")
        return line

    def hear(self) -> dict[str, Any]:
        """The next message."""
        line = self.line()
        assert line, "the connection was closed"
        message = json.loads(line)
        assert isinstance(message, dict)
        return message

    def hear_all(self) -> list[dict[str, Any]]:
        """Everything until the connection is closed."""
        messages = []
        while line := self.line():
            messages.append(json.loads(line))
        assert not self._heard, "half a line at the end"
        return messages

    def shout(self, data: bytes, times: int) -> int:
        """Send again and again until that fails; how many bytes went."""
        sent = 0
        with suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(times):
                self.sock.sendall(data)
                sent += len(data)
        return sent
