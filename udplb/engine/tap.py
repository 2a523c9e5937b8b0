"""Taps: the last datagrams of single flows, kept for as long as somebody looks at them.

Nobody looks most of the time: then the datapath holds None where it would otherwise find the one
who records, and that is all that a tap costs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from udplb.core.flow import Flow
from udplb.core.train import Run, Train
from udplb.engine.datapath import Record
from udplb.engine.listener import Listener
from udplb.engine.proxied import destination_of
from udplb.engine.snapshot import (
    TAP_BYTES_MAX,
    TAP_DATAGRAMS_MAX,
    TappedDatagram,
    TapSnapshot,
)


class Tappable(Protocol):
    """What of the datapath a tap needs."""

    record: Record | None
    """Told of every train while there is somebody; None costs nothing."""

    def flow(self, number: int) -> tuple[Listener, Flow] | None:
        """The live flow with this number."""


class _Ring:
    """The last datagrams of one flow, and how many look at them."""

    __slots__ = ("datagrams", "epoch", "flow", "local", "readers", "seen")

    def __init__(self, flow: Flow, local: str, epoch: float) -> None:
        self.flow = flow
        self.local = local
        self.epoch = epoch
        """The time of day at which the engine's clock was 0."""
        self.datagrams: deque[TappedDatagram] = deque(maxlen=TAP_DATAGRAMS_MAX)
        self.seen = 0
        self.readers = 0

    def record(self, now: float, to_backend: bool, train: Train) -> None:
        """Keep the end of the train: what it would push out again is not even copied."""
        at = self.epoch + now
        last = [
            TappedDatagram(at=at, to_backend=to_backend, size=size, payload=payload)
            for size, payload in _from_the_end(train)
        ]
        self.datagrams.extend(reversed(last))
        self.seen += train.count

    def picture(self) -> TapSnapshot:
        """What there is to see of the flow."""
        flow = self.flow
        return TapSnapshot(
            flow=flow.id,
            live=flow.live,
            client=str(flow.client),
            local=self.local,
            backend=flow.backend.name,
            seen=self.seen,
            datagrams=tuple(self.datagrams),
        )


class Tap:
    """Somebody who looks at one flow, until `close`."""

    __slots__ = ("_close", "_ring")

    def __init__(self, ring: _Ring, close: Callable[[_Ring], None]) -> None:
        self._ring = ring
        self._close: Callable[[_Ring], None] | None = close
        ring.readers += 1

    def picture(self) -> TapSnapshot:
        """The flow's last datagrams; those before its end, once it has ended."""
        return self._ring.picture()

    def close(self) -> None:
        """He looks no more. A second call does nothing."""
        close, self._close = self._close, None
        if close is not None:
            self._ring.readers -= 1
            close(self._ring)


class Taps:
    """All flows that somebody looks at: those who look at the same one share what is kept of it.

    For the engine's thread alone. `wall_clock` tells seconds since the epoch.
    """

    def __init__(
        self,
        datapath: Tappable,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self._datapath = datapath
        self._clock = clock
        self._wall_clock = wall_clock
        self._rings: dict[int, _Ring] = {}

    def __len__(self) -> int:
        return len(self._rings)

    def open(self, number: int) -> Tap | None:
        """Keep the datagrams of the flow with this number from now on; None: there is none.

        A flow that has ended is there for as long as somebody looks at it.
        """
        ring = self._rings.get(number)
        if ring is None:
            found = self._datapath.flow(number)
            if found is None:
                return None
            listener, flow = found
            epoch = self._wall_clock() - self._clock()
            ring = _Ring(flow, str(destination_of(flow, listener)), epoch)
            self._rings[number] = ring
            self._datapath.record = self._record
        return Tap(ring, self._forget_unwanted)

    def _record(self, now: float, flow: Flow, to_backend: bool, train: Train) -> None:
        ring = self._rings.get(flow.id)
        if ring is not None:
            ring.record(now, to_backend, train)

    def _forget_unwanted(self, ring: _Ring) -> None:
        if not ring.readers:
            del self._rings[ring.flow.id]
            if not self._rings:
                self._datapath.record = None


def _from_the_end(train: Train) -> Iterator[tuple[int, bytes]]:
    """Size and beginning of the train's last TAP_DATAGRAMS_MAX datagrams, the last one first."""
    left = TAP_DATAGRAMS_MAX
    for run in reversed(train.runs):
        for position in range(run.count - 1, max(run.count - left, 0) - 1, -1):
            yield _datagram(run, position)
        left -= run.count
        if left <= 0:
            return


def _datagram(run: Run, position: int) -> tuple[int, bytes]:
    """Size and beginning of one datagram, without a copy of all the others beside it."""
    if len(run.buffers) == run.count:
        datagram = run.buffers[position]
        return len(datagram), datagram[:TAP_BYTES_MAX]
    (merged,) = run.buffers
    start = position * run.segment
    size = min(run.segment, run.size - start)
    return size, merged[start : start + min(size, TAP_BYTES_MAX)]
