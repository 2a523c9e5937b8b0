"""Clients that do not behave: they flood, hoard, knock where they are denied, and send nonsense.

Nothing is owed to them, and they hear no reply: what the proxy drops is to be seen in its counters.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import assert_never

from udplb.demo.acts import Empty, Flood, Hoard, Knock, Oversize
from udplb.demo.cast import DENIED, DNS, FLOODER, GAME, HOARDER, STRANGER, Place, open_client
from udplb.demo.file import DATAGRAM_SIZE_MAX
from udplb.demo.tally import Tally

Intrusion = Flood | Hoard | Knock | Oversize | Empty

PER_TICK = 48
"""Datagrams in a tick: a flood of thousands a second, for little of a processor."""
WAITING_MAX = 10_000
"""Datagrams that are still to be sent; more than that nobody needs."""

_Shot = tuple[str, Place, bytes]
"""From which host, where to, what."""


class Intruders:
    """Send what has been ordered, each datagram from a port of its own."""

    def __init__(self, targets: dict[str, Place], tally: Tally) -> None:
        """`targets`: the listener of each cluster."""
        self._targets = targets
        self._tally = tally
        self._waiting: deque[_Shot] = deque(maxlen=WAITING_MAX)

    def order(self, intrusion: Intrusion) -> None:
        """Send this in the next ticks."""
        match intrusion:
            case Flood(flows):
                self._waiting.extend([(FLOODER, self._targets[DNS], b"flood")] * flows)
            case Hoard(flows):
                self._waiting.extend([(HOARDER, self._targets[GAME], b"hoard")] * flows)
            case Knock(datagrams):
                self._waiting.extend([(DENIED, self._targets[GAME], b"knock")] * datagrams)
            case Oversize(datagrams):
                large = bytes(2 * DATAGRAM_SIZE_MAX)
                self._waiting.extend([(STRANGER, self._targets[GAME], large)] * datagrams)
            case Empty(datagrams):
                self._waiting.extend([(STRANGER, self._targets[DNS], b"")] * datagrams)
            case _:
                assert_never(intrusion)

    def tick(self) -> None:
        """Send some."""
        for _ in range(min(PER_TICK, len(self._waiting))):
            host, target, datagram = self._waiting.popleft()
            with suppress(OSError), open_client(host, target) as sender:
                sender.send(datagram)
                self._tally.intrusions += 1
