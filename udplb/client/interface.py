"""The interface: what every client can do, and how it fails."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from udplb.engine.control.requests import Lock, Refused, Request, Subscribe
from udplb.engine.events import Event
from udplb.engine.snapshot import Snapshot

ASK_S = 30.0
"""Seconds that an answer may take."""

Answer = TypeVar("Answer")


class NoProxyError(Exception):
    """No proxy is there. The message is one line that says where it was looked for."""


class LostError(Exception):
    """The connection broke, or the answer did not come: the request may have been done or not."""


class VersionError(Exception):
    """Client and proxy speak different versions; what changes something is not tried."""

    def __init__(self, own: str, theirs: str) -> None:
        super().__init__(
            f"this is udplb {own} and the proxy is udplb {theirs}, which speaks another protocol;"
            " use the same version, or restart the proxy"
        )
        self.own = own
        self.theirs = theirs


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """A stream's connection is gone, or could not be made again."""

    at: float
    """In seconds since the epoch."""
    why: str
    retry_in_s: float | None
    """Seconds to the next try; None: there is none, as the proxy in this process has ended."""


class Resumed(msgspec.Struct, frozen=True, kw_only=True):
    """A stream goes on."""

    missed_s: float
    """For so long nothing was heard: what happened then is not told."""


Item = Snapshot | Event | Lost | Resumed
"""What a stream gives; of events, `Missed` tells how many were lost in its place."""


class Stream(ABC):
    """What was subscribed to. `take` is for one thread, `close` for any."""

    @abstractmethod
    def take(self, timeout_s: float) -> list[Item]:
        """What has come, in order, as soon as there is something; after `timeout_s` nothing.

        Of several snapshots only the last is given. Raises nothing; a stream that is closed
        gives nothing, at once.
        """

    @abstractmethod
    def close(self) -> None:
        """Nothing more; a `take` that waits returns."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Client(ABC):
    """Asks a running proxy. For all threads, but never for the engine's own."""

    read_only: bool = False
    """Requests that change something are refused here already, and by the proxy, too."""
    locked: bool | None = None
    """Whether the proxy sees to it; False: one of an older version knows no lock, and only this
    client does. None: it was not asked for a lock yet."""

    @abstractmethod
    def ask(self, request: Request[Answer], timeout_s: float = ASK_S) -> Answer:
        """The answer. Raises Refused, NoProxyError, LostError or VersionError."""

    @abstractmethod
    def subscribe(self, request: Subscribe) -> Stream:
        """Snapshots and events from now on. Raises Refused, NoProxyError or LostError."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the proxy. Streams are closed on their own."""

    def lock(self) -> None:
        """Only look from now on, until the client is closed; the proxy sees to it, too."""
        self.read_only = True

    def check(self, request: Request[Answer]) -> None:
        """Raise Refused if it cannot be asked: a change by a client that only looks, for one."""
        if isinstance(request, Subscribe):
            raise Refused("bad_request", "a subscription has many answers: it needs a stream")
        if isinstance(request, Lock):
            raise Refused("bad_request", "a lock is for the whole client: client.lock()")
        if self.read_only and request.changes:
            raise Refused("read_only", "this client only looks, and changes nothing")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def newest(items: list[Item]) -> list[Item]:
    """The items with the last of their snapshots only."""
    last = max((n for n, item in enumerate(items) if isinstance(item, Snapshot)), default=-1)
    return [item for n, item in enumerate(items) if n == last or not isinstance(item, Snapshot)]
