"""One client's connection to the control socket: lines in, lines out, and every limit.

On a raw socket, so that what waits is counted to the byte. Nothing here raises, whatever the
client sends, and nothing waits for it.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from udplb.engine.control.errands import Desk, Errand, Errands, as_refused
from udplb.engine.control.lines import Lines, LineTooLongError
from udplb.engine.control.requests import AnyRequest, Refused, Subscribe, Subscribed
from udplb.engine.control.session import Session
from udplb.engine.control.subscriber import Subscriber
from udplb.engine.control.wire import (
    LINE_BYTES_MAX,
    BadLineError,
    Failed,
    Press,
    read_request,
    write,
)

READ_BYTES = 64 << 10
"""Read at once."""
SEND_BYTES = 256 << 10
SENDS_PER_TURN = 4
"""What a client gets before others have their turn."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients of the control socket may do."""

    clients: int = 32
    line_bytes: int = LINE_BYTES_MAX
    """Of a request."""
    requests: int = 4
    """Of one client on their way; it is not read further before one is answered."""
    unread_bytes: int = 1 << 20
    """That one client has not read; it is not read further before it reads."""
    bad_lines: int = 100
    """In a row."""
    line_s: float = 10.0
    """From a line's beginning to its end."""
    idle_s: float = 300.0
    """Without a request or a subscription."""
    unread_s: float = 30.0
    """That a client without a subscription reads nothing of its answers."""
    answer_s: float = 60.0
    """From a request to its answer."""
    sweep_s: float = 1.0
    """Between two looks at these times."""


@dataclass(frozen=True, slots=True)
class House:
    """What all connections share."""

    loop: asyncio.AbstractEventLoop
    desk: Desk
    errands: Errands
    press: Press
    limits: Limits


class Connection:
    """Reads requests, writes answers, and what the client subscribed to, until `close`."""

    def __init__(
        self, sock: socket.socket, who: str, house: House, gone: Callable[[Connection], None]
    ) -> None:
        self.closed = False
        self._session = Session(who)
        self._sock = sock
        self._house = house
        self._gone = gone
        self._lines = Lines(house.limits.line_bytes)
        self._unsent = bytearray()
        self._errands: dict[Errand, None] = {}
        self._subscriber: Subscriber | None = None
        self._reading = self._writing = False
        self._ended = False
        """The client says nothing more; it may still listen."""
        self._bad_lines = 0
        self._active_at = self._progress_at = house.loop.time()
        self._line_began_at: float | None = None

    @property
    def clear(self) -> bool:
        """Nothing waits to be sent."""
        return not self._unsent and not self.closed

    @property
    def held_bytes(self) -> int:
        """Bytes that were read and are no request yet, or wait to be sent."""
        return len(self._lines) + len(self._unsent)

    def begin(self, hello: bytes) -> None:
        """Greet the client and listen."""
        self.put(hello)
        self._work()

    def put(self, lines: bytes) -> None:
        """Send, as soon as there is room."""
        if self.closed:
            return
        if not self._unsent:
            self._progress_at = self._house.loop.time()
        self._unsent += lines
        self._flush()

    def sweep(self, now: float) -> None:
        """End the connection if its time is up, or if nobody is there."""
        if not self._reading and _hung_up(self._sock):  # else its end is read
            self.close()
        reason = self.overdue(now)
        if reason:
            self.end(*reason)

    def overdue(self, now: float) -> tuple[str, str] | None:
        """Why the client's time is up at `now`, a code and a sentence; None: it is not."""
        limits, began = self._house.limits, self._line_began_at
        if began is not None and now - began >= limits.line_s:
            return "bad_request", f"a line must be complete within {limits.line_s:g} s"
        if self._subscriber is not None:
            return None
        if self._unsent and now - self._progress_at >= limits.unread_s:
            return "ended", f"nothing was read for {limits.unread_s:g} s"
        idle = began is None and not self._unsent and not self._errands
        if idle and now - self._active_at >= limits.idle_s:
            return "ended", f"nothing was asked for {limits.idle_s:g} s"
        return None

    def end(self, code: str, message: str) -> None:
        """Close; the client is told why, if there is room for that."""
        self.put(write(Failed(code=code, message=message)))
        self.close()

    def finish(self) -> None:
        """The proxy ends."""
        if self._subscriber is not None:
            self._subscriber.finish()
        self.end("ended", "the proxy ends")

    def close(self) -> None:
        """Close at once."""
        if self.closed:
            return
        self.closed = True
        self._read_on(False)
        self._write_on(False)
        self._sock.close()
        for errand in self._errands:
            errand.abandon()
        if self._subscriber is not None:
            self._subscriber.close()
        self._gone(self)

    # Reading

    def _readable(self) -> None:
        try:
            data = self._sock.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()
            return
        self._lines.feed(data)
        self._ended = not data
        self._work()

    @property
    def _full(self) -> bool:
        limits = self._house.limits
        return len(self._errands) >= limits.requests or len(self._unsent) >= limits.unread_bytes

    def _work(self) -> None:
        """Take the lines that are there, as long as there is room for their answers."""
        while not self.closed and not self._full:
            line = self._next_line()
            if line is None:
                break
            self._line_began_at = None
            self._take(line)
        if not self.closed:
            self._listen()

    def _next_line(self) -> bytes | None:
        try:
            line = self._lines.take()
        except LineTooLongError:
            self.end("bad_request", f"a line has at most {self._house.limits.line_bytes} bytes")
            return None
        return self._lines.rest() if line is None and self._ended else line

    def _listen(self) -> None:
        """Read on, unless there is no room or nothing more comes."""
        self._read_on(not self._full and not self._ended)
        if not self._reading or not self._lines:
            self._line_began_at = None  # what waits for us takes no time of the client's
        elif self._line_began_at is None:
            self._line_began_at = self._house.loop.time()
        if self._ended:
            idle = self._subscriber is None and not self._errands and not self._unsent
            if idle or _hung_up(self._sock):
                self.close()

    # Requests

    def _take(self, line: bytes) -> None:
        self._active_at = self._house.loop.time()
        try:
            request = read_request(line)
        except BadLineError as bad:
            self.put(write(Failed(id=bad.number, code="bad_request", message=bad.message)))
            self._bad_lines += 1
            if self._bad_lines > self._house.limits.bad_lines:
                self.end("bad_request", f"{self._bad_lines} bad lines in a row")
            return
        self._bad_lines = 0
        if isinstance(request, Subscribe):
            self._subscribe(request)
        else:
            self._ask(request)

    def _ask(self, request: AnyRequest) -> None:
        tell = partial(self._tell, request.id)
        session = self._session
        try:
            session.admit(request)
            errand = self._house.errands.start(request, session.who, tell, self._done)
        except Refused as refused:
            tell(refused)
        else:
            self._errands[errand] = None

    def _tell(self, number: int, outcome: object) -> None:
        if not isinstance(outcome, Refused):
            try:
                self.put(self._house.press.answer(number, outcome))
                return
            except TypeError as error:  # no answer that has a name in JSON
                outcome = as_refused(error)
        self.put(write(refusal(number, outcome)))

    def _done(self, errand: Errand) -> None:
        del self._errands[errand]
        if not self.closed:
            self._active_at = self._house.loop.time()
            self._work()

    def _subscribe(self, request: Subscribe) -> None:
        house = self._house
        try:
            feed = house.desk.feed(request)
        except Refused as refused:
            self._tell(request.id, refused)
            return
        subscriber = Subscriber(house.loop, request, feed, house.press, self)
        if self._subscriber is not None:
            subscriber.inherit(self._subscriber)
        self._subscriber = subscriber
        self._tell(request.id, Subscribed(interval_s=request.interval_s))
        if not self.closed:
            subscriber.pump()

    # Writing

    def _writable(self) -> None:
        self._flush()
        if self.clear and self._subscriber is not None:
            self._subscriber.pump()
        self._work()

    def _flush(self) -> None:
        try:
            for _ in range(SENDS_PER_TURN):
                if not self._unsent:
                    break
                with memoryview(self._unsent) as view:
                    sent = self._sock.send(view[:SEND_BYTES])
                del self._unsent[:sent]
                self._progress_at = self._house.loop.time()
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self.close()
            return
        self._write_on(bool(self._unsent))

    def _read_on(self, on: bool) -> None:
        if on != self._reading:
            self._reading = on
            if on:
                self._house.loop.add_reader(self._sock.fileno(), self._readable)
            else:
                self._house.loop.remove_reader(self._sock.fileno())

    def _write_on(self, on: bool) -> None:
        if on != self._writing:
            self._writing = on
            if on:
                self._house.loop.add_writer(self._sock.fileno(), self._writable)
            else:
                self._house.loop.remove_writer(self._sock.fileno())


def refusal(number: int | None, refused: Refused) -> Failed:
    """What a client is told whose request was refused."""
    return Failed(
        id=number, code=refused.code, message=refused.message, problems=tuple(refused.problems)
    )


def _hung_up(sock: socket.socket) -> bool:
    """Whether the client has closed its end for both ways."""
    poll = select.poll()
    poll.register(sock, 0)
    return any(events & select.POLLHUP for _, events in poll.poll(0))
