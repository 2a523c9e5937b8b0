"""The control socket: lets clients in, as many as there may be and nobody else's.

Lives in the engine's loop and never waits; see `connection.py` for what one client may do.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from contextlib import suppress
from pathlib import Path

from udplb.engine.control.connection import Connection, House, Limits
from udplb.engine.control.door import Door
from udplb.engine.control.errands import Desk, Errands
from udplb.engine.control.peers import Doorman, peer_of
from udplb.engine.control.wire import Failed, Hello, Press, write

ACCEPTS_PER_TURN = 16
REST_S = 1.0
"""Seconds without accepting after the system had no descriptor or memory for that."""
LOG_EVERY_S = 60.0
"""Seconds between two lines of the log about the same."""

_log = logging.getLogger(__name__)


class Server:
    """The control socket, from `start` until `close`; all of it in the loop's thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        desk: Desk,
        path: Path,
        *,
        version: str,
        engine: str = "",
        limits: Limits | None = None,
        doorman: Doorman | None = None,
    ) -> None:
        limits = limits or Limits()
        errands = Errands(
            loop, desk, at_most=limits.clients * limits.requests, patience_s=limits.answer_s
        )
        self.path = path
        self.strangers = 0
        """Connections of other users."""
        self.turned_away = 0
        """Connections beyond the most that there may be."""
        self._house = House(loop, desk, errands, Press(), limits)
        self._hello = write(Hello(version=version, pid=os.getpid(), engine=engine))
        self._doorman = doorman or Doorman()
        self._door: Door | None = None
        self._connections: dict[Connection, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._logged_at: dict[str, float] = {}

    @property
    def clients(self) -> int:
        """Connections now."""
        return len(self._connections)

    @property
    def held_bytes(self) -> int:
        """Bytes that wait in all connections, as they came or are to go."""
        return sum(each.held_bytes for each in self._connections)

    @property
    def requests(self) -> int:
        """Requests on their way now."""
        return len(self._house.errands)

    def open(self) -> None:
        """Have the place: who comes waits for `start`. Raises ControlSocketError."""
        self._door = Door(self.path)

    def start(self) -> None:
        """Let clients in. Raises ControlSocketError."""
        if self._door is None:
            self.open()
        self._listen()
        self._sweep()

    def close(self) -> None:
        """Tell subscribers the last, close all, unlink the socket. Without a running loop, too.

        Requests that are on their way end in the loop's next turns: see `stop`.
        """
        for timer in (self._timer, self._rest):
            if timer is not None:
                timer.cancel()
        if self._door is not None:
            self._house.loop.remove_reader(self._door.sock.fileno())
            self._door.close()
            self._door = None
        for connection in list(self._connections):
            connection.finish()
        self._house.errands.cancel()

    async def stop(self) -> None:
        """Close, and wait for the requests that are cut off."""
        self.close()
        await self._house.errands.wait()

    def _listen(self) -> None:
        self._rest = None
        assert self._door is not None
        self._house.loop.add_reader(self._door.sock.fileno(), self._acceptable)

    def _acceptable(self) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            if self._door is None:
                return
            try:
                sock, _ = self._door.sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(error)
                return
            self._welcome(sock)

    def _pause(self, error: OSError) -> None:
        """A connection that cannot be accepted would be told again and again."""
        assert self._door is not None
        self._house.loop.remove_reader(self._door.sock.fileno())
        self._rest = self._house.loop.call_later(REST_S, self._listen)
        self._log_seldom("accept", f"control socket: cannot let a client in: {error.strerror}")

    def _welcome(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        peer = peer_of(sock)
        if peer is None or not self._doorman.admits(peer):
            self.strangers += 1
            sock.close()
            who = "somebody" if peer is None else self._doorman.describe(peer)
            self._log_seldom("stranger", f"control socket: {who} may not ask, and was sent away")
            return
        limits = self._house.limits
        if len(self._connections) >= limits.clients:
            self.turned_away += 1
            message = f"{limits.clients} clients are connected, and more there cannot be"
            with suppress(OSError):
                sock.send(write(Failed(code="busy", message=message)))
            sock.close()
            return
        who = self._doorman.describe(peer)
        connection = Connection(sock, who, self._house, self._forget)
        self._connections[connection] = None
        connection.begin(self._hello)

    def _forget(self, connection: Connection) -> None:
        del self._connections[connection]

    def _sweep(self) -> None:
        now = self._house.loop.time()
        for connection in list(self._connections):
            connection.sweep(now)
        self._timer = self._house.loop.call_later(self._house.limits.sweep_s, self._sweep)

    def _log_seldom(self, about: str, line: str) -> None:
        now = self._house.loop.time()
        if now >= self._logged_at.get(about, now - LOG_EVERY_S) + LOG_EVERY_S:
            self._logged_at[about] = now
            _log.warning("%s", line)
