"""A dialogue: one connection to a control socket, used by one thread at a time.

One that is read-only asks the proxy for a lock before anything else is asked: it is the proxy then
that refuses changes.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from udplb.client.interface import LostError, NoProxyError
from udplb.config.wording import escape
from udplb.engine.control.lines import Lines, LineTooLongError
from udplb.engine.control.places import path_problem, show
from udplb.engine.control.requests import Lock, Refused, Request
from udplb.engine.control.wire import Answered, Failed, Hello, Said, UnreadableError, read, write

SAID_BYTES_MAX = 64 << 20
"""Bytes of a line that the proxy says."""
READ_BYTES = 256 << 10
RETRY_S = 0.01
"""Seconds between two tries while more clients connect than the proxy lets in at a time."""


class Dialogue:
    """Connects, hears the greeting and, `read_only`, is locked, all within `timeout_s`.

    Raises NoProxyError (nobody is there), LostError (somebody is, and says nothing that could be
    understood) or Refused (busy).
    """

    def __init__(
        self,
        path: Path,
        timeout_s: float,
        *,
        read_only: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self.read_only = read_only
        """It was asked to be locked."""
        self.locked = False
        """The proxy has locked it. One of an older version knows no lock."""
        self.settled = True
        """Nothing is owed on it: what was asked is answered."""
        self._clock = clock
        self._lines = Lines(SAID_BYTES_MAX)
        deadline = clock() + timeout_s
        self._sock = self._connect(deadline)
        with ExitStack() as failed:
            failed.callback(self._sock.close)
            self.hello = self._greeting(deadline)
            if read_only:
                self._lock(deadline)
            failed.pop_all()

    def send(self, request: Request[Any], deadline: float) -> None:
        """Send a request until `deadline`, on our clock. Raises LostError or Refused."""
        self.settled = False
        try:
            self._sock.settimeout(self._left(deadline))
            self._sock.sendall(write(request))
        except OSError as error:
            self._tell_last_words()
            raise LostError(f"the connection broke: {_reason(error)}") from None

    def receive(self, deadline: float) -> Said | None:
        """The next line, or None if there is none until `deadline`. Raises LostError."""
        while True:
            said = self.next_said()
            if said is not None:
                return said
            left = deadline - self._clock()
            if left <= 0:
                return None
            self.read(left)

    def receive_now(self) -> Said | None:
        """The next line, if it is here already. Raises LostError."""
        while True:
            said = self.next_said()
            if said is not None or not self.read(0):
                return said

    def next_said(self) -> Said | None:
        """A line that was read already, if there is one. Raises LostError."""
        try:
            line = self._lines.take()
            return None if line is None else read(line)
        except LineTooLongError:
            raise LostError(f"the proxy says a line of more than {SAID_BYTES_MAX} bytes") from None
        except UnreadableError as error:
            raise LostError(f"the proxy says what this version cannot read: {error}") from None

    def read(self, timeout_s: float) -> bool:
        """Read what comes; False if nothing does within the time. Raises LostError."""
        try:
            self._sock.settimeout(max(0.0, timeout_s))
            data = self._sock.recv(READ_BYTES)
        except (TimeoutError, BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            raise LostError(f"the connection broke: {_reason(error)}") from None
        if not data:
            raise LostError("the proxy closed the connection")
        self._lines.feed(data)
        return True

    def quiet(self) -> bool:
        """Whether it is open and nothing was said that nobody asked for."""
        if self._sock.fileno() < 0 or self._lines:
            return False
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return not poll.poll(0)

    def interrupt(self) -> None:
        """For any thread: whoever reads or sends stops at once."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """The end."""
        self._sock.close()

    def _connect(self, deadline: float) -> socket.socket:
        problem = path_problem(self.path)
        if problem:
            raise NoProxyError(f"{show(self.path)}: {problem}")
        try:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError as error:
            raise LostError(f"cannot connect: {_reason(error)}") from None
        try:
            while True:
                sock.settimeout(self._left(deadline))
                try:
                    sock.connect(os.fspath(self.path))
                    return sock
                except BlockingIOError:  # its queue of new clients is full
                    time.sleep(min(RETRY_S, self._left(deadline)))
        except TimeoutError:
            sock.close()
            raise LostError(f"{show(self.path)}: too many clients at a time, or it hangs") from None
        except OSError as error:
            sock.close()
            raise NoProxyError(f"{show(self.path)}: {_why_nobody(error)}") from None

    def _greeting(self, deadline: float) -> Hello:
        try:
            said = self.receive(deadline)
        except LostError as error:
            why = f"{error}; only its own user and root may ask it"
            raise LostError(f"{show(self.path)}: {why}") from None
        match said:
            case Hello():
                return said
            case Failed():
                raise refused_of(said)
            case None:
                raise LostError(f"{show(self.path)}: there is a proxy, but it says nothing")
        raise LostError(f"{show(self.path)}: no udplb answers there")

    def _lock(self, deadline: float) -> None:
        self.send(Lock(), deadline)
        match self.receive(deadline):
            case Answered(id=0):
                self.settled = self.locked = True
            case Failed(id=0, code="bad_request"):
                self.settled = True
            case Failed() as said:
                raise refused_of(said)
            case None:
                raise LostError(f"{show(self.path)}: the proxy does not answer")
            case _:
                raise LostError(f"{show(self.path)}: the proxy says what nobody asked for")

    def _left(self, deadline: float) -> float:
        left = deadline - self._clock()
        if left <= 0:
            raise TimeoutError("the time is up")
        return left

    def _tell_last_words(self) -> None:
        """Raise Refused if the proxy said why it does not listen any more."""
        with suppress(LostError):
            while self.read(0) or self._lines:
                said = self.next_said()
                if said is None:
                    return
                if isinstance(said, Failed) and said.id is None:
                    raise refused_of(said)


def refused_of(said: Failed) -> Refused:
    """A refusal that came over the wire."""
    return Refused(said.code, escape(said.message), tuple(map(escape, said.problems)))


def _why_nobody(error: OSError) -> str:
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return "no such file"
        case errno.ECONNREFUSED:
            return "nobody listens there any more"
        case errno.EACCES | errno.EPERM:
            return "it belongs to another user; try sudo"
        case errno.ENOTSOCK | errno.EPROTOTYPE:
            return "it is no control socket"
    return _reason(error)


def _reason(error: OSError) -> str:
    return str(error.strerror or error).lower()
