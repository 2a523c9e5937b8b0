"""The local client: the engine is in this process, and nothing is encoded."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, Protocol, TypeVar

from udplb.client.interface import ASK_S, Answer, Client, Item, Lost, LostError, Stream
from udplb.engine.control.errands import Desk, as_refused
from udplb.engine.control.peers import Doorman, Peer
from udplb.engine.control.requests import AnyRequest, Refused, Request, Subscribe
from udplb.engine.control.session import Session
from udplb.engine.control.subscriber import EVENTS_EVERY_S, Feed

ENDED = "the proxy has ended"
PULL_S = 5.0
"""Seconds that the engine's loop may take to give what waits for a stream."""

_Result = TypeVar("_Result")


class CallableEngine(Protocol):
    """What of the engine the local client uses."""

    @property
    def desk(self) -> Desk:
        """Who answers."""

    def call(self, coroutine: Coroutine[Any, Any, _Result]) -> Future[_Result]:
        """Run it in the engine's loop. Raises Refused (ended) when the engine has ended."""


class LocalClient(Client):
    """Asks the engine of this process."""

    def __init__(self, engine: CallableEngine, *, read_only: bool = False) -> None:
        self._engine = engine
        self._session = Session(Doorman().describe(Peer(os.geteuid(), os.getpid())))
        if read_only:
            self.lock()

    def ask(self, request: Request[Answer], timeout_s: float = ASK_S) -> Answer:
        """The answer. Raises Refused or LostError."""
        self.check(request)
        asked: AnyRequest = request  # type: ignore[assignment]

        async def answer() -> object:
            self._session.admit(asked)
            return await self._engine.desk.answer(asked, self._session.who)

        return _result(self._engine, answer(), timeout_s, cut_off=not request.changes)  # type: ignore[return-value]

    def subscribe(self, request: Subscribe) -> Stream:
        """Snapshots and events from now on. Raises Refused or LostError."""

        async def feed() -> Feed:
            return self._engine.desk.feed(request)

        return LocalStream(self._engine, request, _result(self._engine, feed(), ASK_S))

    def lock(self) -> None:
        """Only look from now on; what has not begun in the engine by now is refused there."""
        self._session.lock()
        self.locked = True
        super().lock()

    def close(self) -> None:
        """Nothing is held."""


class LocalStream(Stream):
    """Fetches from the engine's loop what waits there, as often as the request says."""

    def __init__(
        self,
        engine: CallableEngine,
        request: Subscribe,
        feed: Feed,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._request = request
        self._feed = feed
        self._clock = clock
        self._closed = threading.Event()
        self._ended = False
        self._snapshot_due = self._events_due = clock()

    def take(self, timeout_s: float) -> list[Item]:
        """What has come; see Stream."""
        deadline = self._clock() + timeout_s
        while not self._closed.is_set():
            now = self._clock()
            items = [] if self._ended or now < self._next_due else self._pull(now)
            if items:
                return items
            now = self._clock()
            if now >= deadline:
                break
            until = deadline if self._ended else min(deadline, self._next_due)
            self._closed.wait(max(0.0, until - now))
        return []

    def close(self) -> None:
        """Nothing more."""
        if self._closed.is_set():
            return
        self._closed.set()

        async def close() -> None:
            self._feed.close()

        try:
            _run(self._engine, close())
        except LostError:
            return

    @property
    def _next_due(self) -> float:
        dues = [self._snapshot_due] if self._request.snapshots else []
        if self._request.events:
            dues.append(self._events_due)
        return min(dues, default=float("inf"))

    def _pull(self, now: float) -> list[Item]:
        wants_snapshot = self._request.snapshots and now >= self._snapshot_due
        if wants_snapshot:
            self._snapshot_due = now + self._request.interval_s
        self._events_due = now + EVENTS_EVERY_S

        async def pull() -> list[Item]:
            events: list[Item] = list(self._feed.events()) if self._request.events else []
            return [*events, self._feed.snapshot()] if wants_snapshot else events

        try:
            return _result(self._engine, pull(), PULL_S)
        except LostError as lost:
            if str(lost) != ENDED:
                return []  # the loop is busy; what waits for us still waits
            self._ended = True
            return [Lost(at=time.time(), why=ENDED, retry_in_s=None)]


def _run(engine: CallableEngine, coroutine: Coroutine[Any, Any, _Result]) -> Future[_Result]:
    try:
        return engine.call(coroutine)
    except Refused:
        coroutine.close()
        raise LostError(ENDED) from None


def _result(
    engine: CallableEngine,
    coroutine: Coroutine[Any, Any, _Result],
    timeout_s: float,
    *,
    cut_off: bool = True,
) -> _Result:
    """What the coroutine returns in the engine's loop. Raises Refused or LostError."""
    future = _run(engine, coroutine)
    try:
        error = future.exception(timeout_s)
    except CancelledError:
        raise LostError(ENDED) from None
    except TimeoutError:
        if cut_off:
            future.cancel()
        raise LostError(f"no answer within {timeout_s:g} s; it may yet be done") from None
    if error is not None:
        refused = as_refused(error)
        raise Refused(refused.code, refused.message, refused.problems) from error
    return future.result()
