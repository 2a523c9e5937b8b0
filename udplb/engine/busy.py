"""Busy polling: the loop does not go to sleep at once when its work is done.

To put a CPU to sleep and to wake it costs more than the work for one datagram, in virtual machines
many times more, and what it finds in its caches afterwards is somebody else's. So the engine may
look again and again for a moment, and hands the next datagram on at once. The price is processor
time: up to `for_s` of it behind every datagram that nothing follows.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable


class BusyPolling:
    """Keeps a loop turning for a moment after each of its rounds. For the engine's thread."""

    def __init__(self, loop: AbstractEventLoop, clock: Callable[[], float]) -> None:
        self._loop = loop
        self._clock = clock
        self.for_s = 0.0
        """Seconds after the last round; 0: sleep at once."""
        self._until = 0.0
        self._turning = False

    def round_ended(self) -> None:
        """Datagrams were handed on: more may follow soon."""
        if not self.for_s:
            return
        self._until = self._clock() + self.for_s
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """A turn of the loop with something to call does not wait for events."""
        if self._clock() < self._until:
            self._loop.call_soon(self._turn)
        else:
            self._turning = False
