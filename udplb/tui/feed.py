"""The feed: threads that wait for what the client brings, so that the console never does.

Each waits for one thing: pictures, events, answers. What comes is posted to the console; nothing
here knows what it means.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import msgspec

from udplb.client import Client, Item, Lost, LostError, NoProxyError, Refused, Stream, VersionError
from udplb.engine.control.requests import Subscribe
from udplb.engine.events import Event
from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import Snapshot

TAKE_S = 1.0
"""Seconds of the longest wait for news."""
RETRY_S = 1.0
"""Seconds before a subscription that was refused is tried again."""

Deliver = Callable[[list[Item], FlowQuery | None], None]
"""What has come, and the query that windows among it answer."""


class Feed:
    """Two streams of one client: pictures, which change with what is looked at, and events."""

    def __init__(
        self,
        client: Client,
        deliver: Deliver,
        refuse: Callable[[str], None],
        *,
        interval_s: float,
    ) -> None:
        """`deliver` gets what comes, `refuse` why something is not to be had; in any thread."""
        self._client = client
        self._deliver = deliver
        self._refuse = refuse
        self._wanted = Subscribe(events=False, interval_s=interval_s)
        self._changing = threading.Lock()
        """Held while `_wanted` or `_stream` becomes another."""
        self._stream: Stream | None = None
        self._stale: Stream | None = None
        """The one before, until there is another."""
        self._gone: int | None = None
        """A flow that is not to be tapped any more."""
        self._events: Stream | None = None
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=work, name=f"udplb-{name}", daemon=True)
            for name, work in (("pictures", self._pictures), ("events", self._happenings))
        ]

    def start(self) -> None:
        """From now on whatever comes is delivered, in threads of the feed."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Nothing more is delivered after this."""
        self._ended.set()
        with self._changing:
            for stream in (self._stream, self._stale, self._events):
                if stream is not None:
                    stream.close()
        for thread in self._threads:
            if thread.ident is not None and thread is not threading.current_thread():
                thread.join(TAKE_S + 1.0)

    def look_at(
        self,
        *,
        window: FlowQuery | None,
        tap: int | None,
        interval_s: float,
    ) -> None:
        """Pictures with this window of the flows and the datagrams of this flow, so often."""
        with self._changing:
            if tap is None:
                self._gone = None
            elif tap == self._gone:
                tap = None
            wanted = Subscribe(events=False, window=window, tap=tap, interval_s=interval_s)
            if wanted == self._wanted:
                return
            kept = tap is not None and tap == self._wanted.tap
            self._wanted = wanted
            self._renew(kept=kept)

    def resync(self) -> None:
        """Connect anew, now."""
        with self._changing:
            self._renew()
            stream, self._events = self._events, None
            if stream is not None:
                stream.close()

    def _renew(self, *, kept: bool = False) -> None:
        """Have a new stream of pictures. `kept`: both tap the same flow, and the one that is open
        stays until the other is there, as what the tap has gathered ends with its last stream."""
        if self._stream is not None:
            self._stale, self._stream = self._stream, None
            if not kept:
                self._stale.close()

    def _pictures(self) -> None:
        while not self._ended.is_set():
            with self._changing:
                wanted, before = self._wanted, self._stale
            stream = self._subscribe(wanted)
            with self._changing:
                current = wanted == self._wanted and not self._ended.is_set()
                if stream is not None and current:
                    self._stream, self._stale = stream, None
            if before is not None:
                before.close()
            if stream is None:
                continue
            if not current:
                stream.close()
            while not self._ended.is_set() and self._stream is stream:
                items = stream.take(TAKE_S)
                if items and self._stream is stream:
                    self._deliver(items, wanted.window)
                    self._look_after_tap(wanted, items)

    def _look_after_tap(self, wanted: Subscribe, items: list[Item]) -> None:
        """A stream that found another process in the proxy's place has dropped the tap: there the
        flow's number is another flow's. No later stream may ask for it."""
        lost = any(isinstance(item, Snapshot) and item.tap is None for item in items)
        if wanted.tap is None or not lost:
            return
        with self._changing:
            self._gone = wanted.tap
            if self._wanted.tap == self._gone:
                self._wanted = msgspec.structs.replace(self._wanted, tap=None)
        self._refuse(f"the tap on flow {wanted.tap} has ended: the proxy is another process now")

    def _happenings(self) -> None:
        while not self._ended.is_set():
            stream = self._subscribe(Subscribe(snapshots=False))
            if stream is None:
                continue
            with self._changing:
                self._events = stream
                if self._ended.is_set():
                    stream.close()
            while not self._ended.is_set() and self._events is stream:
                # Of losses the other stream tells.
                told: list[Item] = [e for e in stream.take(TAKE_S) if isinstance(e, Event)]
                if told:
                    self._deliver(told, None)

    def _subscribe(self, request: Subscribe) -> Stream | None:
        """A stream; None, after a pause, where there is none to be had."""
        try:
            return self._client.subscribe(request)
        except Refused as error:
            self._refuse(str(error))
            with self._changing:
                if request.tap is not None and request == self._wanted:  # that flow is gone
                    self._wanted = msgspec.structs.replace(request, tap=None)
                    return None
            self._ended.wait(RETRY_S)
            return None
        except (LostError, NoProxyError, VersionError) as error:
            if request.snapshots:
                self._deliver([Lost(at=time.time(), why=str(error), retry_in_s=RETRY_S)], None)
            self._ended.wait(RETRY_S)
            return None
