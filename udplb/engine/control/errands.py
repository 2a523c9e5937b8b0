"""Errands: requests on their way to the desk, which answers each in the engine's loop.

Each is answered once and in time. One that changes something is never cut off halfway: it goes on
when its asker has gone, or has been told that it takes too long.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from udplb.config.wording import cut, escape
from udplb.engine.control.requests import AnyRequest, Refused, Subscribe
from udplb.engine.control.subscriber import Feed

END_S = 1.0
"""Seconds that requests have to end when the proxy does."""

_log = logging.getLogger(__name__)


class Desk(Protocol):
    """Who answers, in the engine's loop."""

    async def answer(self, request: AnyRequest, who: str) -> object:
        """The answer, of the type that the table names. Raises Refused."""

    def feed(self, request: Subscribe) -> Feed:
        """What a new subscriber gets. Raises Refused."""


class Errand:
    """One request on its way."""

    def __init__(
        self, request: AnyRequest, task: asyncio.Task[object], tell: Callable[[object], None]
    ) -> None:
        self._request = request
        self._task = task
        self._tell: Callable[[object], None] | None = tell

    def abandon(self) -> None:
        """Nobody wants the answer any more."""
        self._tell = None
        if not self._request.changes:
            self._task.cancel()

    def tell(self, outcome: object) -> None:
        """The answer, or Refused; whoever waits is told once."""
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(outcome)


class Errands:
    """All requests that are on their way: a bounded number, each for a bounded time."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, desk: Desk, *, at_most: int, patience_s: float
    ) -> None:
        self._loop = loop
        self._desk = desk
        self._at_most = at_most
        self._patience_s = patience_s
        self._tasks: dict[asyncio.Task[object], Errand] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def start(
        self,
        request: AnyRequest,
        who: str,
        tell: Callable[[object], None],
        done: Callable[[Errand], None],
    ) -> Errand:
        """Bring a request to the desk. Raises Refused (busy) if there are too many.

        `tell` is called with the answer or with Refused, later and once; `done` when the errand
        no longer exists. Neither is called before this returns.
        """
        if len(self._tasks) >= self._at_most:
            raise Refused("busy", f"{self._at_most} requests wait already; try again later")
        task = self._loop.create_task(self._desk.answer(request, who))
        errand = Errand(request, task, tell)
        self._tasks[task] = errand
        timer = self._loop.call_later(self._patience_s, self._takes_too_long, errand)

        def ended(task: asyncio.Task[object]) -> None:
            timer.cancel()
            del self._tasks[task]
            errand.tell(outcome_of(task))
            done(errand)

        task.add_done_callback(ended)
        return errand

    def cancel(self) -> None:
        """The proxy ends: whatever is on its way is cut off."""
        for task in list(self._tasks):
            task.cancel()

    async def wait(self) -> None:
        """Until all have ended, at most END_S."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=END_S)

    def _takes_too_long(self, errand: Errand) -> None:
        message = f"no answer within {self._patience_s:g} s; `udplb status` shows what became of it"
        errand.tell(Refused("busy", message))
        errand.abandon()


def outcome_of(task: asyncio.Task[object]) -> object:
    """What an ended task answered, or Refused."""
    if task.cancelled():
        return Refused("ended", "the proxy ends")
    error = task.exception()
    return task.result() if error is None else as_refused(error)


def as_refused(error: BaseException) -> Refused:
    """What to tell whoever asked; a bug goes to the log, too."""
    if isinstance(error, Refused):
        return error
    _log.error("a bug in answering a request: %s", error, exc_info=error)
    what = escape(cut(f"{type(error).__name__}: {error}", 200))
    return Refused("failed", f"a bug in udplb ({what}); the proxy's log tells more")
