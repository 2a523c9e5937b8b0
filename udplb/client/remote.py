"""The remote client: asks a proxy behind its control socket. No thread of its own."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from udplb import __version__
from udplb.client.dialogue import Dialogue, refused_of
from udplb.client.interface import (
    ASK_S,
    Answer,
    Client,
    LostError,
    NoProxyError,
    Stream,
    VersionError,
)
from udplb.client.stream import SocketStream
from udplb.engine.control.places import VARIABLE, is_socket, places_to_ask, show
from udplb.engine.control.requests import PROTOCOL, Request, Subscribe
from udplb.engine.control.wire import Answered, Failed, Hello, UnreadableError, read_answer

CONNECT_S = 5.0
"""Seconds for the connection and its greeting."""
QUIET_S = 60.0
"""Seconds for which a connection is kept that is not in use; the proxy closes it much later."""
DIALOGUES_MAX = 4
"""Requests at a time; who asks while so many are on their way waits."""


class SocketClient(Client):
    """Asks the proxy at `path`, whichever it is: connections are made when they are needed."""

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self.read_only = read_only
        self.hello: Hello | None = None
        """The greeting of the proxy that answered last."""
        self._clock = clock
        self._numbers = itertools.count(1)
        self._room = threading.BoundedSemaphore(DIALOGUES_MAX)
        self._changing = threading.Lock()
        self._quiet: list[tuple[Dialogue, float]] = []
        """Connections that nobody uses, since when; locked ones once the client is."""
        self._closed = False

    def connect(self) -> Hello:
        """The greeting of the proxy, heard now. Raises NoProxyError, LostError or Refused."""
        with self._dialogue(self._clock() + CONNECT_S) as dialogue:
            return dialogue.hello

    def ask(self, request: Request[Answer], timeout_s: float = ASK_S) -> Answer:
        """The answer. Raises Refused, NoProxyError, LostError or VersionError."""
        self.check(request)
        deadline = self._clock() + timeout_s
        numbered = msgspec.structs.replace(request, id=next(self._numbers))
        with self._dialogue(deadline) as dialogue:
            if request.changes:
                refuse_mismatch(dialogue.hello)
            dialogue.send(numbered, deadline)
            while True:
                match dialogue.receive(deadline):
                    case Answered(id=number, answer=raw) if number == numbered.id:
                        dialogue.settled = True
                        return self._read(request, raw, dialogue.hello)
                    case Failed(id=number) as failed if number in (numbered.id, None):
                        dialogue.settled = number is not None
                        raise refused_of(failed)
                    case None:
                        raise LostError(f"no answer within {timeout_s:g} s; it may yet be done")

    def subscribe(self, request: Subscribe) -> Stream:
        """Snapshots and events from now on, over reconnects. Raises as `ask` does."""
        return SocketStream(
            self.path,
            request,
            connect_s=CONNECT_S,
            read_only=lambda: self.read_only,
            clock=self._clock,
        )

    def lock(self) -> None:
        """Only look from now on; each new connection is locked before anything is asked on it."""
        super().lock()
        self._hang_up()

    def close(self) -> None:
        """Close what is not in use; what is, is closed when its answer has come."""
        self._closed = True
        self._hang_up()

    def _hang_up(self) -> None:
        with self._changing:
            quiet, self._quiet = self._quiet, []
        for each, _ in quiet:
            each.close()

    @contextmanager
    def _dialogue(self, deadline: float) -> Iterator[Dialogue]:
        """A connection for one request; it is kept for the next one if all went well."""
        if not self._room.acquire(timeout=max(0.0, deadline - self._clock())):
            raise LostError(f"{DIALOGUES_MAX} requests wait for their answers already; not sent")
        try:
            dialogue = self._take_quiet() or self._open(deadline)
            try:
                yield dialogue
            finally:
                self._give_back(dialogue)
        finally:
            self._room.release()

    def _open(self, deadline: float) -> Dialogue:
        left = max(0.0, min(CONNECT_S, deadline - self._clock()))
        dialogue = Dialogue(self.path, left, read_only=self.read_only, clock=self._clock)
        self.hello = dialogue.hello
        if dialogue.read_only:
            self.locked = dialogue.locked
        return dialogue

    def _take_quiet(self) -> Dialogue | None:
        """A connection that is open still; the proxy may have closed or ended meanwhile."""
        while True:
            with self._changing:
                if not self._quiet:
                    return None
                dialogue, since = self._quiet.pop()
            if dialogue.quiet() and self._clock() - since < QUIET_S:
                return dialogue
            dialogue.close()

    def _give_back(self, dialogue: Dialogue) -> None:
        with self._changing:
            fits = dialogue.read_only or not self.read_only
            if fits and not self._closed and dialogue.settled and dialogue.quiet():
                self._quiet.append((dialogue, self._clock()))
                return
        dialogue.close()

    def _read(self, request: Request[Answer], raw: msgspec.Raw, hello: Hello) -> Answer:
        try:
            return read_answer(request, raw)
        except UnreadableError as error:
            refuse_mismatch(hello)
            raise LostError(f"the answer cannot be read: {error}") from None


def refuse_mismatch(hello: Hello) -> None:
    """Raise VersionError if the proxy speaks another protocol."""
    if hello.protocol != PROTOCOL:
        raise VersionError(f"{__version__} (protocol {PROTOCOL})", _named(hello))


def _named(hello: Hello) -> str:
    return f"{hello.version} (protocol {hello.protocol})"


def connect(
    socket: Path | None = None,
    *,
    read_only: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> SocketClient:
    """A client of the proxy at `socket`, else at UDPLB_SOCKET, else at the first place with one.

    Raises NoProxyError, which says where it looked; LostError or Refused if one is there that
    does not greet.
    """
    looked = []
    for path in places_to_ask(socket, environment):
        if socket is None and not environment.get(VARIABLE) and not is_socket(path):
            looked.append(f"{show(path)}: no socket")
            continue
        client = SocketClient(path, read_only=read_only)
        try:
            client.connect()
        except NoProxyError as error:
            looked.append(str(error))
            continue
        return client
    raise NoProxyError(
        f"no proxy answers ({'; '.join(looked)}); start one with `udplb run`, or name its socket"
        f" with --socket or {VARIABLE}"
    )
