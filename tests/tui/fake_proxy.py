"""A proxy that exists in a test's imagination: a client with a fixed picture, and what was asked.

The clock stands still, so that pictures of the console are the same each time.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import msgspec

from udplb.client import Client, Item, Refused, Stream
from udplb.client.interface import ASK_S, Answer
from udplb.engine.control.requests import (
    Change,
    Done,
    File,
    FileText,
    Flows,
    Request,
    Subscribe,
)
from udplb.engine.events import Event
from udplb.engine.snapshot import FlowRow, FlowWindow, Snapshot, TapSnapshot

NOW = 1_795_348_862.0
"""2026-11-22T12:01:02Z, in seconds since the epoch."""
RANKED_AT = 1_060.0
"""When all windows of flows were made, on the engine's clock: their rows stay as they are."""


class FakeStream(Stream):
    """Gives what the test puts into it."""

    def __init__(self, request: Subscribe) -> None:
        self.request = request
        self.closed = threading.Event()
        self._items: queue.Queue[Item | None] = queue.Queue()

    def put(self, *items: Item) -> None:
        """Bring these."""
        for item in items:
            self._items.put(item)

    def take(self, timeout_s: float) -> list[Item]:
        if self.closed.is_set():
            return []
        try:
            first = self._items.get(timeout=timeout_s)
        except queue.Empty:
            return []
        items = [first]
        while True:
            try:
                items.append(self._items.get_nowait())
            except queue.Empty:
                return [item for item in items if item is not None]

    def close(self) -> None:
        self.closed.set()
        self._items.put(None)


class FakeClient(Client):
    """Answers from `answers` by the request's class, and remembers what was asked."""

    def __init__(
        self, snapshot: Snapshot, *, rows: tuple[FlowRow, ...] = (), read_only: bool = False
    ) -> None:
        self.snapshot = snapshot
        self.rows = rows
        self.tap: TapSnapshot | None = None
        """What whoever taps any flow sees."""
        self.read_only = read_only
        self.asked: list[Request[Any]] = []
        self.streams: list[FakeStream] = []
        self.locked = False
        self.answers: dict[type[Request[Any]], Callable[[Any], object]] = {
            Flows: lambda request: self.window(request.query),
            File: lambda request: FileText(
                file="/etc/udplb/udplb.toml", text="[engine]\n", cut=False, in_force=True
            ),
        }
        self._changing = threading.Lock()

    def window(self, query: Any) -> FlowWindow:
        """The rows that a query asks for; nothing is filtered."""
        shown = self.rows[query.offset : query.offset + query.limit]
        return FlowWindow(rows=shown, matched=len(self.rows), at=RANKED_AT)

    def ask(self, request: Request[Answer], timeout_s: float = ASK_S) -> Answer:
        with self._changing:
            self.asked.append(request)
        self.check(request)
        answer = self.answers.get(type(request))
        if answer is not None:
            return answer(request)  # type: ignore[return-value]
        if isinstance(request, Change):
            return Done(sentences=("done as asked",), generation=15)  # type: ignore[return-value]
        raise Refused("bad_request", f"the fake proxy knows nothing of {type(request).__name__}")

    def changes(self) -> list[Request[Any]]:
        """What was asked that changes something."""
        with self._changing:
            return [request for request in self.asked if request.changes]

    def subscribe(self, request: Subscribe) -> Stream:
        stream = FakeStream(request)
        with self._changing:
            self.streams.append(stream)
        if request.snapshots:
            stream.put(self.picture(request))
        return stream

    def picture(self, request: Subscribe) -> Snapshot:
        """The snapshot, as this subscriber gets it."""
        window = None if request.window is None else self.window(request.window)
        tap = None if request.tap is None else self.tap
        return msgspec.structs.replace(self.snapshot, window=window, tap=tap)

    def show(self, snapshot: Snapshot) -> None:
        """Another picture, for everybody."""
        self.snapshot = snapshot
        for stream in self._open():
            if stream.request.snapshots:
                stream.put(self.picture(stream.request))

    def tell(self, *events: Event) -> None:
        """Something has happened."""
        for stream in self._open():
            if stream.request.events:
                stream.put(*events)

    def put(self, *items: Item) -> None:
        """Bring items, as `Lost`, to those who look at pictures."""
        for stream in self._open():
            if stream.request.snapshots:
                stream.put(*items)

    def lock(self) -> None:
        self.locked = self.read_only = True

    def close(self) -> None:
        for stream in self._open():
            stream.close()

    def _open(self) -> list[FakeStream]:
        with self._changing:
            return [stream for stream in self.streams if not stream.closed.is_set()]
