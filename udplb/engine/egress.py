"""Egress queues: trains that wait because a socket's buffer is full. Bounded; the newest yield."""

from __future__ import annotations

from collections import deque
from itertools import accumulate
from typing import Generic, TypeVar

from udplb.core.train import Train

FLOW_TRAINS_MAX = 16
FLOW_BYTES_MAX = 256 << 10
LISTENER_TRAINS_MAX = 1_024
LISTENER_BYTES_MAX = 8 << 20

Way = TypeVar("Way")


class EgressQueue(Generic[Way]):
    """Trains in order, each with its way out. A train in it owns its bytes."""

    __slots__ = ("_bytes_left", "_trains_max", "waiting")

    def __init__(self, trains_max: int, bytes_max: int) -> None:
        self.waiting: deque[tuple[Way, Train]] = deque()
        """To be looked at only: whether it is empty costs less to see here than to ask."""
        self._trains_max = trains_max
        self._bytes_left = bytes_max

    def __len__(self) -> int:
        return len(self.waiting)

    def append(self, way: Way, train: Train) -> bool:
        """Let the train wait behind the others; False if there is no room for it."""
        if len(self.waiting) >= self._trains_max or train.size > self._bytes_left:
            return False
        self.waiting.append((way, train))
        self._bytes_left -= train.size
        return True

    def room_for(self, train: Train) -> int:
        """How many of the train's datagrams, from its first on, there is room for."""
        if len(self.waiting) >= self._trains_max:
            return 0
        sums = accumulate(map(len, train.datagrams()))
        return sum(size <= self._bytes_left for size in sums)

    def pop(self) -> tuple[Way, Train]:
        """Take out the train that waited longest."""
        way, train = self.waiting.popleft()
        self._bytes_left += train.size
        return way, train

    def put_back(self, way: Way, train: Train) -> None:
        """The socket took only a part of what was popped: the rest stays first."""
        self.waiting.appendleft((way, train))
        self._bytes_left -= train.size
