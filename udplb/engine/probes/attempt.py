"""One probe on its way: a connected, non-blocking socket, and what has come back on it.

A socket that cannot be had for our own lack says nothing about the backend: `NotMadeError`.
"""

from __future__ import annotations

import errno
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress

from udplb.core.settings import PROBE_BYTES_MAX
from udplb.engine.addresses import SocketAddress, family_of, scoped
from udplb.engine.errors import Failure, failure_of
from udplb.engine.probes.exchange import ANSWERED, Exchange, Judgement, Path

REPLIES_MAX = 16
"""Datagrams and errors that one probe looks at; so many that are no reply to it end it."""

PORT_TRIES = 16
"""Local ports that one probe tries, where they are ours to choose."""

REFUSED = Judgement(False, "refused")
TIMED_OUT = Judgement(False, "timed out")
ANSWERED_OTHER = Judgement(False, "answered something else")

_FAILED: dict[Failure, Judgement] = {
    Failure.REFUSED: REFUSED,
    Failure.UNREACHABLE: Judgement(False, "unreachable"),
    Failure.TOO_LARGE: Judgement(False, "too large for the way"),
    Failure.REJECTED: Judgement(False, "rejected by this host"),
}
"""What an error says about the backend; nothing where we lack something."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER: a connection that was only a probe leaves no TIME_WAIT behind."""


class NotMadeError(Exception):
    """The probe could not be made for lack of a descriptor, a port or memory of ours."""


class Attempt(ABC):
    """A probe from its start until it is closed. `start`, then `look` whenever there is news."""

    __slots__ = ("_target", "sent_at", "sock", "started_at")

    kind: socket.SocketKind

    def __init__(self, target: SocketAddress, started_at: float) -> None:
        """Raises NotMadeError."""
        self._target = target
        self.started_at = started_at
        self.sent_at = started_at
        """When the request went out, or the connecting began."""
        try:
            self.sock = socket.socket(family_of(target), self.kind)
        except OSError as error:
            raise NotMadeError from error
        self.sock.setblocking(False)

    @abstractmethod
    def start(self, clock: Callable[[], float]) -> Judgement | None:
        """Connect, and ask; a judgement if it is over already. Raises NotMadeError."""

    @abstractmethod
    def look(self) -> Judgement | None:
        """Read what has come; None: nothing that would end the probe."""

    @abstractmethod
    def gave_up(self) -> Judgement:
        """What to say when its time is over."""

    def close(self) -> None:
        """Give the descriptor back; it may be called at any time."""
        self.sock.close()

    def _met_itself(self) -> bool:
        """Whether the kernel gave us the very port that we ask: then nobody else has it."""
        return bool(self.sock.getsockname()[:2] == self.sock.getpeername()[:2])


class TcpAttempt(Attempt):
    """Connects, and nothing more."""

    __slots__ = ()

    kind = socket.SOCK_STREAM

    def start(self, clock: Callable[[], float]) -> Judgement | None:
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.sent_at = clock()
            self.sock.connect(scoped(self._target))
        except OSError as error:
            if error.errno == errno.EINPROGRESS:
                return None
            # Without a port or an address of ours left, connect says EADDRNOTAVAIL.
            if error.errno == errno.EADDRNOTAVAIL:
                raise NotMadeError from error
            return _judge(error)
        return self.look()

    def look(self) -> Judgement | None:
        try:
            number = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number == errno.ECONNRESET:
                return ANSWERED  # it connected, and ended that before we looked
            if number:
                # Whatever it is: asking has cleared it, and the socket stays ready for ever.
                return _FAILED.get(failure_of(OSError(number, "")), _FAILED[Failure.UNREACHABLE])
            return REFUSED if self._met_itself() else ANSWERED
        except OSError:
            return None  # not connected yet

    def gave_up(self) -> Judgement:
        return TIMED_OUT


class UdpAttempt(Attempt):
    """Sends a request, and judges what comes back."""

    __slots__ = ("_draw_port", "_exchange", "_header", "_looked_at", "_other", "_token")

    kind = socket.SOCK_DGRAM

    def __init__(
        self,
        target: SocketAddress,
        started_at: float,
        exchange: Exchange,
        token: bytes,
        header: bytes = b"",
        draw_port: Callable[[], int] | None = None,
    ) -> None:
        super().__init__(target, started_at)
        self._exchange = exchange
        self._token = token
        self._header = header
        """What goes in front of the request."""
        self._draw_port = draw_port
        """Gives a local port by chance; None: the kernel chooses."""
        self._looked_at = 0
        self._other = False
        """Something came back, and was no reply to the request."""

    def start(self, clock: Callable[[], float]) -> Judgement | None:
        try:
            if self._draw_port is not None:
                self._bind(self._draw_port)
            self.sock.connect(scoped(self._target))
            if self._met_itself():
                return REFUSED
            self._drop_strays()
            path = Path(_spell(self.sock.getsockname()), _spell(self._target))
            datagram = self._header + self._exchange.request(self._token, path)
            self.sent_at = clock()
            self.sock.send(datagram)
        except OSError as error:
            return _judge(error)
        return None

    def _bind(self, draw_port: Callable[[], int]) -> None:
        """Take a port that nobody holds. Raises OSError."""
        if self.sock.family == socket.AF_INET6:
            self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for _ in range(PORT_TRIES - 1):
            with suppress(OSError):
                self.sock.bind(("", draw_port()))
                return
        self.sock.bind(("", draw_port()))

    def _drop_strays(self) -> None:
        """What came between bind and connect is from anywhere (KERNEL.md 4)."""
        with suppress(BlockingIOError):
            for _ in range(REPLIES_MAX):
                self.sock.recv(1)

    def look(self) -> Judgement | None:
        while self._looked_at < REPLIES_MAX:
            try:
                reply = self.sock.recv(PROBE_BYTES_MAX + 1)
            except BlockingIOError:
                return None
            except OSError as error:
                self._looked_at += 1
                # An error of our own is no news of the backend: the reply may still come.
                if judgement := _FAILED.get(failure_of(error)):
                    return judgement
                continue
            self._looked_at += 1
            judgement = None
            if len(reply) <= PROBE_BYTES_MAX:
                judgement = self._exchange.judge(reply, self._token)
            if judgement:
                return judgement
            self._other = True
        return ANSWERED_OTHER

    def gave_up(self) -> Judgement:
        return ANSWERED_OTHER if self._other else TIMED_OUT


def _judge(error: OSError) -> Judgement:
    """What an error at the start says about the backend. Raises NotMadeError if it says nothing."""
    if error.errno is None:
        return _FAILED[Failure.UNREACHABLE]  # there is no interface of the address's zone
    judgement = _FAILED.get(failure_of(error))
    if judgement is None:
        raise NotMadeError from error
    return judgement


def _spell(address: tuple[str, int]) -> str:
    host, port = address[:2]
    host = host.partition("%")[0]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
