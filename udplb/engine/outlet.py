"""Outlets: sending a train one way, as few system calls as the kernel allows.

The rules are the kernel's. An errno may be news about an earlier datagram, but the datagram of
this call was not sent: it is sent once more, and only the second errno is its own. A run that the
kernel refuses is sent singly, and runs of that segment size are off for this outlet.
"""

from __future__ import annotations

import errno
import socket
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from udplb.core.train import Run, Train
from udplb.engine.addresses import Ancillary
from udplb.engine.errors import RUN_REFUSED, Failure, failure_of
from udplb.engine.kernel import SEGMENT_SIZE, SOL_UDP, UDP_SEGMENT

SEGMENT_ANY = 1 << 16
"""Runs of every segment size may go."""
SEGMENT_NONE = 0
"""No runs: every datagram goes singly."""

SEGMENTS_KEPT = 1_024
JOINED_FROM = 16
JOINED_SEGMENT_MAX = 256
"""So many datagrams, each at most so many bytes, are copied into one buffer: the kernel walks a
list of buffers for longer than that takes."""


@lru_cache(maxsize=SEGMENTS_KEPT)
def _segment_option(segment: int) -> tuple[int, int, bytes]:
    """The control message that makes one call carry datagrams of `segment` bytes."""
    return (SOL_UDP, UDP_SEGMENT, SEGMENT_SIZE.pack(segment))


def _joined(run: Run) -> Sequence[bytes]:
    """The run's datagrams, as few buffers as pay."""
    return (b"".join(run.buffers),) if run.segment <= JOINED_SEGMENT_MAX else run.buffers


class Trouble:
    """What did not go as it should while a train was sent."""

    __slots__ = ("blocked", "failed", "noted")

    def __init__(self) -> None:
        self.blocked: Train | None = None
        """What is left because the socket's buffer is full."""
        self.failed: list[tuple[bytes, Failure]] = []
        """Datagrams that the kernel refused for their own sake."""
        self.noted: list[Failure] = []
        """News about earlier datagrams."""


class Outlet(ABC):
    """One way out for one flow: to its backend or to its client."""

    __slots__ = ("runs_below",)

    def __init__(self, runs_below: int) -> None:
        self.runs_below = runs_below
        """Runs go in one call where their segment is smaller than this."""

    @abstractmethod
    def send_one(self, datagram: bytes) -> object:
        """Send one datagram; OSError as the socket raises it."""

    @abstractmethod
    def send_run(self, run: Run) -> object:
        """Send a run in one call; OSError as the socket raises it."""

    def send(self, train: Train) -> Trouble | None:
        """Send the train, in order; None if the kernel took it whole."""
        position = 0
        try:
            for run in train.runs:
                if run.count == 1:
                    self.send_one(run.buffers[0])
                elif run.segment < self.runs_below:
                    self.send_run(run)
                else:
                    return self._send_carefully(train, position)
                position += 1
        except OSError as error:
            # Nothing of this run was sent; it is tried again, and the errno told apart.
            return self._send_carefully(train, position, failure_of(error))
        return None

    def _send_carefully(
        self, train: Train, start: int, first: Failure | None = None
    ) -> Trouble | None:
        trouble = Trouble()
        if first in (Failure.REFUSED, Failure.UNREACHABLE):
            trouble.noted.append(first)  # reading it took it from the socket
        for position in range(start, len(train.runs)):
            run = train.runs[position]
            rest: Iterator[bytes] | None = None
            if run.count > 1 and run.segment < self.runs_below:
                if self._try_run(run, trouble):
                    continue
                if trouble.blocked is not None:
                    rest = run.datagrams()
            if rest is None:
                rest = self._send_singly(run.datagrams(), trouble)
            if rest is not None:
                left = list(rest)
                for later in train.runs[position + 1 :]:
                    left += later.datagrams()
                trouble.blocked = Train.of(left)
                break
        if trouble.blocked is None and not trouble.failed and not trouble.noted:
            return None
        return trouble

    def _try_run(self, run: Run, trouble: Trouble) -> bool:
        """Send a run; False if it did not go: the buffer is full, or it has to go singly."""
        for attempt in range(2):
            try:
                self.send_run(run)
            except BlockingIOError:
                trouble.blocked = Train([run])
                return False
            except OSError as error:
                if error.errno in RUN_REFUSED:
                    # EIO: the device cannot segment at all; else it is this size that is too much.
                    too_much = SEGMENT_NONE if error.errno == errno.EIO else run.segment
                    self.runs_below = min(self.runs_below, too_much)
                    return False
                if attempt == 0:
                    trouble.noted.append(failure_of(error))
            else:
                return True
        return False

    def _send_singly(self, datagrams: Iterator[bytes], trouble: Trouble) -> Iterator[bytes] | None:
        """Send one by one; None when all are done, else what is left as the buffer is full."""
        for datagram in datagrams:
            for attempt in range(2):
                try:
                    self.send_one(datagram)
                except BlockingIOError:
                    return iter([datagram, *datagrams])
                except OSError as error:
                    failure = failure_of(error)
                    if attempt == 0:
                        trouble.noted.append(failure)
                    else:
                        trouble.failed.append((datagram, failure))
                else:
                    break
        return None


class BackendOutlet(Outlet):
    """To the backend, on the flow's connected socket."""

    __slots__ = ("_sock",)

    def __init__(self, sock: socket.socket, runs_below: int) -> None:
        super().__init__(runs_below)
        self._sock = sock

    def start_over(self) -> None:
        """What is sent next is to look like the flow's first train."""

    def send_one(self, datagram: bytes) -> object:
        return self._sock.send(datagram)

    def send_run(self, run: Run) -> object:
        buffers = run.buffers if run.count < JOINED_FROM else _joined(run)
        return self._sock.sendmsg(buffers, (_segment_option(run.segment),))


class ClientOutlet(Outlet):
    """To the client, on the listener's socket, from the address that the client had sent to."""

    __slots__ = ("_ancillary", "_client", "_sock")

    def __init__(
        self, sock: socket.socket, client: tuple[Any, ...], ancillary: Ancillary, runs_below: int
    ) -> None:
        super().__init__(runs_below)
        self._sock = sock
        self._client = client
        self._ancillary = ancillary

    def send_one(self, datagram: bytes) -> object:
        if self._ancillary:
            return self._sock.sendmsg((datagram,), self._ancillary, 0, self._client)
        return self._sock.sendto(datagram, self._client)

    def send_run(self, run: Run) -> object:
        buffers = run.buffers if run.count < JOINED_FROM else _joined(run)
        ancillary = (*self._ancillary, _segment_option(run.segment))
        return self._sock.sendmsg(buffers, ancillary, 0, self._client)
