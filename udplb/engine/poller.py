"""Pollers: the readiness of all upstream sockets behind one descriptor of the loop.

One epoll of our own that hangs in the loop as a single reader costs a third of an add_reader per
flow, and less per event. Elsewhere the platform's selector does the same (kqueue).
"""

from __future__ import annotations

import select
import selectors
from abc import ABC, abstractmethod
from collections.abc import Sequence

READABLE = 1
"""Something can be read, an error among it."""
WRITABLE = 4
"""The socket's buffer has room again."""


class Poller(ABC):
    """Watches descriptors, level-triggered."""

    @abstractmethod
    def fileno(self) -> int:
        """The one descriptor that is readable when any watched one is ready."""

    @abstractmethod
    def watch(self, fd: int) -> None:
        """Watch for something to read. Closing the descriptor has to follow `forget`."""

    @abstractmethod
    def watch_writable(self, fd: int, writable: bool) -> None:
        """Watch for room to write as well, or no longer."""

    @abstractmethod
    def forget(self, fd: int) -> None:
        """Watch no longer; the descriptor is about to be closed."""

    @abstractmethod
    def poll(self, events_max: int) -> Sequence[tuple[int, int]]:
        """Those that are ready now, each with READABLE and WRITABLE or-ed; never waits."""

    @abstractmethod
    def close(self) -> None:
        """Give the descriptor back."""


class EpollPoller(Poller):
    """Linux. A closed socket leaves an epoll by itself."""

    def __init__(self) -> None:
        self._epoll = select.epoll()

    def fileno(self) -> int:
        return self._epoll.fileno()

    def watch(self, fd: int) -> None:
        self._epoll.register(fd, select.EPOLLIN)

    def watch_writable(self, fd: int, writable: bool) -> None:
        self._epoll.modify(fd, select.EPOLLIN | (select.EPOLLOUT if writable else 0))

    def forget(self, fd: int) -> None:
        pass

    def poll(self, events_max: int) -> Sequence[tuple[int, int]]:
        return self._epoll.poll(0, events_max)

    def close(self) -> None:
        self._epoll.close()


class SelectorPoller(Poller):
    """Everywhere else where the selector has a descriptor of its own (kqueue)."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._first = 0

    def fileno(self) -> int:
        return self._selector.fileno()

    def watch(self, fd: int) -> None:
        self._selector.register(fd, selectors.EVENT_READ)

    def watch_writable(self, fd: int, writable: bool) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writable else 0)
        self._selector.modify(fd, events)

    def forget(self, fd: int) -> None:
        self._selector.unregister(fd)

    def poll(self, events_max: int) -> Sequence[tuple[int, int]]:
        ready = self._selector.select(0)
        # The cut falls elsewhere every time: the selector has an order, and nobody shall starve.
        self._first = (self._first + events_max) % max(1, len(ready))
        ready = (ready[self._first :] + ready[: self._first])[:events_max]
        return [
            (
                key.fd,
                (READABLE if events & selectors.EVENT_READ else 0)
                | (WRITABLE if events & selectors.EVENT_WRITE else 0),
            )
            for key, events in ready
        ]

    def close(self) -> None:
        self._selector.close()


def new_poller() -> Poller:
    """The best poller of this platform."""
    return EpollPoller() if hasattr(select, "epoll") else SelectorPoller()
