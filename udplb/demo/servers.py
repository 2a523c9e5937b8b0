"""The demo's backends: they answer, slow down, fall silent, die and return."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable
from contextlib import suppress

from udplb.demo.cast import LOOPBACK, bound_somewhere

ROUND_MAX = 64
"""Datagrams that a socket is asked for at a time."""
RETURN_RETRY_S = 0.1
"""While another program has the port of a backend that wants to come back."""
RECEIVE_BUFFER = 1 << 20
DATAGRAM_MAX = 65_535


class Server:
    """One backend. `answer` gives the reply to a datagram; None: there is none."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        answer: Callable[[bytes], bytes | None],
        chance: random.Random,
        usual_s: float = 0.0,
    ) -> None:
        """Bound at once, on a free port; `usual_s`: how long it thinks. Raises OSError."""
        self.delay_s = 0.0
        """So long it takes instead, if that is longer."""
        self.silent = False
        self._loop = loop
        self._answer = answer
        self._chance = chance
        self._usual_s = usual_s
        self._wanted = True
        self._socket: socket.socket | None = bound_somewhere()
        self.port: int = self._socket.getsockname()[1]
        self._listen(self._socket)

    @property
    def alive(self) -> bool:
        """Whether it has its socket."""
        return self._socket is not None

    def die(self) -> None:
        """Close the socket: what is sent to it from now on is refused."""
        self._wanted = False
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def come_back(self) -> None:
        """Be at the old address again, as soon as it is free."""
        self._wanted = True
        self._try_to_come_back()

    def _try_to_come_back(self) -> None:
        if not self._wanted or self._socket is not None:
            return
        again = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        again.setblocking(False)
        try:
            again.bind((LOOPBACK, self.port))
        except OSError:
            again.close()
            self._loop.call_later(RETURN_RETRY_S, self._try_to_come_back)
            return
        self._socket = again
        self._listen(again)

    def _listen(self, bound: socket.socket) -> None:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._loop.add_reader(bound, self._read)

    def _read(self) -> None:
        for _ in range(ROUND_MAX):
            if self._socket is None:
                return
            try:
                datagram, client = self._socket.recvfrom(DATAGRAM_MAX)
            except BlockingIOError:
                return
            except OSError:
                continue  # the news that somebody we answered is gone
            if self.silent:
                continue
            reply = self._answer(datagram)
            if reply is None:
                continue
            delay_s = max(self.delay_s, self._usual_s)
            if delay_s:
                takes_s = delay_s * self._chance.uniform(0.8, 1.2)
                self._loop.call_later(takes_s, self._send, self._socket, reply, client)
            else:
                self._send(self._socket, reply, client)

    def _send(self, through: socket.socket, reply: bytes, client: tuple[str, int]) -> None:
        # A backend that died meanwhile has closed it: what it still had to say stays unsaid.
        with suppress(OSError):
            through.sendto(reply, client)
