"""A subscriber of the control socket: snapshots and events, never faster than they are read.

Nothing is sent before what was sent is gone. Meanwhile snapshots replace each other, and events
wait in the bus's bounded queue, where the oldest are lost and counted (`Missed`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Protocol

from udplb.engine.control.requests import Subscribe
from udplb.engine.control.wire import Press
from udplb.engine.events import QUEUE_MAX, Event, Missed
from udplb.engine.snapshot import Snapshot

EVENTS_EVERY_S = 0.1
"""Seconds between two looks whether events wait."""
SPACING_S = 0.002
"""Seconds between the snapshots of two subscribers: one may be a megabyte and take that long."""
BUNCH_EVENTS = 256
"""Events that are written at once."""


class Feed(Protocol):
    """What one subscriber is to get. For the engine's loop."""

    def snapshot(self) -> Snapshot:
        """The latest, with the window of flows that this subscriber asked for."""

    def events(self) -> list[Event]:
        """Those that wait; where some were lost, a Missed stands in their place."""

    def close(self) -> None:
        """No more events."""


class Outlet(Protocol):
    """The way to the client."""

    @property
    def clear(self) -> bool:
        """Nothing waits to be sent."""

    def put(self, lines: bytes) -> None:
        """Send, as soon as there is room."""


class Subscriber:
    """Sends what a feed gives; `pump` is called whenever the outlet becomes clear."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        request: Subscribe,
        feed: Feed,
        press: Press,
        outlet: Outlet,
    ) -> None:
        self._loop = loop
        self._request = request
        self._feed = feed
        self._press = press
        self._outlet = outlet
        self._waiting: deque[Event] = deque()
        """Taken from the feed and not sent yet."""
        self._due = loop.time()
        """When the next snapshot is."""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Events that were taken from the feed and not sent yet."""
        return len(self._waiting)

    def inherit(self, before: Subscriber) -> None:
        """Take over the events that an earlier subscription of the client has not sent."""
        self._waiting = bounded((*before._waiting, *before._feed.events()))
        before.close()

    def pump(self) -> None:
        """Send what is due, unless what was sent before is still on its way."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._loop.time()
        if self._outlet.clear:
            self._put_events()
        if self._outlet.clear and self._request.snapshots and now >= self._due:
            self._put_snapshot(now)
        if self._outlet.clear:  # else whoever clears it calls
            self._arm(now)

    def finish(self) -> None:
        """The proxy ends: send the last of all, as far as there is room."""
        while self._outlet.clear and self._put_events():
            pass
        if self._outlet.clear and self._request.snapshots:
            self._outlet.put(self._press.snapshot(self._feed.snapshot()))

    def close(self) -> None:
        """Nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()
        self._feed.close()

    def _put_snapshot(self, now: float) -> None:
        """Send the newest, unless another subscriber has just had his."""
        if now < self._press.free_at:
            self._due = self._press.free_at
            return
        self._press.free_at = now + SPACING_S
        self._due += self._request.interval_s
        if self._due <= now:  # the client was slow; nothing is caught up on
            self._due = now + self._request.interval_s
        self._outlet.put(self._press.snapshot(self._feed.snapshot()))

    def _put_events(self) -> bool:
        """Send a bunch of events; False if there is none."""
        if not self._request.events:
            return False
        if not self._waiting:
            self._waiting.extend(self._feed.events())
        count = min(BUNCH_EVENTS, len(self._waiting))
        bunch = [self._waiting.popleft() for _ in range(count)]
        if bunch:
            self._outlet.put(b"".join(map(self._press.event, bunch)))
        return bool(bunch)

    def _arm(self, now: float) -> None:
        delays = []
        if self._request.events:
            delays.append(0.0 if self._waiting else EVENTS_EVERY_S)
        if self._request.snapshots:
            delays.append(max(0.0, self._due - now))
        if delays:
            self._timer = self._loop.call_later(min(delays), self.pump)


def bounded(events: Iterable[Event]) -> deque[Event]:
    """At most QUEUE_MAX events: the oldest are lost, and a Missed before the others says so."""
    kept = deque(events)
    count, last = 0, None
    while len(kept) + (count > 0) > QUEUE_MAX:
        last = kept.popleft()
        count += last.count if isinstance(last, Missed) else 1
    if last is not None:
        kept.appendleft(Missed(at=last.at, count=count))
    return kept
