"""A stream over the control socket: it reconnects for ever, and tells when it lost the proxy."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from udplb.client.dialogue import Dialogue, refused_of
from udplb.client.interface import Item, Lost, LostError, NoProxyError, Resumed, Stream, newest
from udplb.engine.control.requests import Refused, Subscribe
from udplb.engine.control.wire import (
    Answered,
    Failed,
    Happened,
    Pictured,
    Said,
    UnreadableError,
    read_event,
    read_snapshot,
)

RETRY_S = 1.0
RETRY_MAX_S = 10.0
"""Seconds to the first try to connect again, and the most between two; each is twice the last."""
JITTER = 0.2
"""By so much of itself a pause is shorter at most, so that not all come back at once."""
ITEMS_MAX = 4_096
"""What one `take` gives at most; the rest comes with the next."""
_NUMBER = 1


class SocketStream(Stream):
    """Subscribes on a connection of its own. Raises as Dialogue does, but later never.

    A tap is of one flow of one engine: where that is gone after a reconnect, the stream goes on
    without.
    """

    def __init__(
        self,
        path: Path,
        request: Subscribe,
        *,
        connect_s: float,
        retry_s: float = RETRY_S,
        read_only: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        chance: random.Random | None = None,
    ) -> None:
        self._path = path
        self._request = msgspec.structs.replace(request, id=_NUMBER)
        self._connect_s = connect_s
        self._retry_s = retry_s
        self._read_only = read_only
        self._pause_s = retry_s
        self._clock = clock
        self._wall_clock = wall_clock
        self._chance = chance or random.Random()
        self._closed = threading.Event()
        self._taking = threading.Lock()
        self._changing = threading.Lock()
        """Held while `_dialogue` becomes another, and while `close` interrupts it."""
        self._dialogue: Dialogue | None = None
        self._engine: tuple[int, str] | None = None
        """Whose subscription it is: process id, and what the engine calls itself."""
        self._lost_at = self._retry_at = clock()
        self._open(connect_s)

    def take(self, timeout_s: float) -> list[Item]:
        """What has come; see Stream. While the proxy is lost this tries to find it again."""
        deadline = self._clock() + timeout_s
        items: list[Item] = []
        with self._taking:
            while not self._closed.is_set():
                items = self._hear(deadline) if self._dialogue else self._find(deadline)
                if items or self._clock() >= deadline:
                    break
        if self._closed.is_set():
            self._let_go()
        return items

    def close(self) -> None:
        """Nothing more; whoever waits in `take` returns."""
        self._closed.set()
        with self._changing:
            if self._dialogue is not None:
                self._dialogue.interrupt()
        self._let_go()

    def _let_go(self) -> None:
        """Close the connection, unless `take` uses it: then that does it at its end."""
        if self._taking.acquire(blocking=False):
            try:
                if self._dialogue is not None:
                    self._dialogue.close()
            finally:
                self._taking.release()

    # While connected

    def _hear(self, deadline: float) -> list[Item]:
        """What the proxy says until there is something, or the deadline has come."""
        assert self._dialogue is not None
        items: list[Item] = []
        try:
            said = self._dialogue.receive(deadline)
            while said is not None:
                items += _items(said)
                said = self._dialogue.receive_now() if len(items) < ITEMS_MAX else None
        except (LostError, Refused) as error:
            items.append(self._lose(str(error)))
        else:
            if items:
                self._pause_s = self._retry_s
        return [] if self._closed.is_set() else newest(items)

    def _lose(self, why: str) -> Lost:
        with self._changing:
            dialogue, self._dialogue = self._dialogue, None
        if dialogue is not None:
            dialogue.close()
            self._lost_at = self._clock()
        pause = self._pause_s * (1 - JITTER * self._chance.random())
        self._pause_s = min(2 * self._pause_s, max(RETRY_MAX_S, self._retry_s))
        self._retry_at = self._clock() + pause
        return Lost(at=self._wall_clock(), why=why, retry_in_s=pause)

    # While not

    def _find(self, deadline: float) -> list[Item]:
        """Try again when it is time."""
        now = self._clock()
        if now < self._retry_at:
            self._closed.wait(max(0.0, min(self._retry_at, deadline) - now))
            return []
        try:
            self._open(max(0.1, min(self._connect_s, deadline - now)))
        except (NoProxyError, LostError, Refused) as error:
            return [self._lose(str(error))]
        return [Resumed(missed_s=self._clock() - self._lost_at)]

    def _open(self, timeout_s: float) -> None:
        """Connect and subscribe. Raises NoProxyError, LostError or Refused."""
        deadline = self._clock() + timeout_s
        dialogue = Dialogue(self._path, timeout_s, read_only=self._read_only(), clock=self._clock)
        with ExitStack() as failed:
            failed.callback(dialogue.close)
            engine = (dialogue.hello.pid, dialogue.hello.engine)
            if self._engine not in (None, engine):
                self._untap()  # there the same number is another flow
            try:
                self._subscribe(dialogue, deadline)
            except Refused as refused:
                if self._engine is None or refused.code != "not_found" or not self._untap():
                    raise
                self._subscribe(dialogue, deadline)
            failed.pop_all()
        self._engine = engine
        with self._changing:
            self._dialogue = dialogue
            if self._closed.is_set():
                dialogue.interrupt()

    def _subscribe(self, dialogue: Dialogue, deadline: float) -> None:
        dialogue.send(self._request, deadline)
        match dialogue.receive(deadline):
            case Answered():
                return
            case Failed() as said:
                raise refused_of(said)
            case None:
                raise LostError("the proxy does not answer")
            case _:
                raise LostError("the proxy says what nobody asked for")

    def _untap(self) -> bool:
        """Go on without the tap, whose flow is gone; False if there is none."""
        tapped = self._request.tap is not None
        self._request = msgspec.structs.replace(self._request, tap=None)
        return tapped


def _items(said: Said) -> list[Item]:
    """What a line means to a subscriber. Raises LostError or Refused."""
    try:
        match said:
            case Pictured(snapshot=raw):
                return [read_snapshot(raw)]
            case Happened(event=raw):
                return [read_event(raw)]
            case Failed() as failed:
                raise refused_of(failed)
    except UnreadableError as error:
        if isinstance(said, Happened):
            return []  # of a kind that this version does not know
        raise LostError(f"the proxy says what this version cannot read: {error}") from None
    return []
