"""`udplb drain --wait`: asks for the drain, and watches it until the last flow is gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from enum import Enum
from typing import TYPE_CHECKING

from udplb.cli.arguments import Target
from udplb.cli.endings import DONE, FAILED, Complaint, say
from udplb.cli.output import Output
from udplb.cli.watching import Absence
from udplb.engine.control.requests import Drain, Subscribe
from udplb.engine.events import (
    BackendDrainBegan,
    BackendDrained,
    BackendDrainEnded,
    BackendEvent,
)
from udplb.engine.snapshot import BackendSnapshot, Snapshot
from udplb.show.changes import page_of_done
from udplb.show.drains import progress
from udplb.show.page import Line, line

if TYPE_CHECKING:
    from rich.live import Live

    from udplb.client import Client, Lost, Stream

INTERVAL_S = 0.5
TAKE_S = 0.5
LINES_EVERY_S = 1.0
"""Seconds between two lines of progress in a pipe."""
DOUBTS_MAX = 2
"""Pictures in a row without the drain before it is believed to be over: the first may be older
than the drain."""


class Verdict(Enum):
    """How a drain ended."""

    DRAINED = "drained"
    UNDRAINED = "takes new flows again"
    REMOVED = "was removed"


class Watcher:
    """Looks at snapshots and events for one thing alone: whether the drain is over, and how."""

    def __init__(self, target: Target, generation: int) -> None:
        self._target = target
        self._generation = generation
        """Pictures of an older configuration know nothing of the drain."""
        self._doubts = 0
        self.backend: BackendSnapshot | None = None
        """As it was last seen, draining."""

    def verdict(self, news: Sequence[object]) -> Verdict | None:
        """What the news say; None: it goes on."""
        said: Verdict | None = None
        for item in news:
            match item:
                case Snapshot():
                    said = self._in_picture(item) or said
                case BackendEvent() if not self._is_meant(item.cluster, item.backend, item.address):
                    continue
                case BackendDrained():
                    return Verdict.DRAINED
                case BackendDrainEnded():
                    said = Verdict.UNDRAINED
                case BackendDrainBegan():
                    said, self._doubts = None, 0
                case _:
                    continue
        return said

    def forget(self) -> None:
        """The proxy was away: what comes back may be another process, which counts anew."""
        self._generation = 0
        self._doubts = 0

    def _in_picture(self, snapshot: Snapshot) -> Verdict | None:
        if snapshot.configuration.generation < self._generation:
            return None
        backend = self._find(snapshot)
        if backend is not None and backend.draining:
            self.backend, self._doubts = backend, 0
            over = backend.drain.drained if backend.drain else not backend.flows
            return Verdict.DRAINED if over else None
        self._doubts += 1
        if self._doubts < DOUBTS_MAX and self.backend is None:
            return None
        return Verdict.REMOVED if backend is None else Verdict.UNDRAINED

    def _find(self, snapshot: Snapshot) -> BackendSnapshot | None:
        for cluster in snapshot.clusters:
            for backend in cluster.backends:
                if self._is_meant(cluster.name, backend.name, backend.address):
                    return backend
        return None

    def _is_meant(self, cluster: str, name: str, address: str) -> bool:
        return cluster == self._target.cluster and self._target.backend in (name, address)


class Progress:
    """Tells how far it is: on a terminal one line that changes, in a pipe a line per change."""

    def __init__(self, target: Target, output: Output, clock: Callable[[], float]) -> None:
        self._target = target
        self._output = output
        self._clock = clock
        self._told: tuple[object, ...] = ()
        self._next_at = float("-inf")
        self._live: Live | None = None
        self._absence = Absence()

    def opened(self) -> AbstractContextManager[object]:
        """While the drain is watched."""
        if not self._output.redraws:
            return nullcontext()
        from rich.live import Live  # noqa: PLC0415

        self._live = Live(console=self._output.console, auto_refresh=False, transient=True)
        return self._live

    def tell(self, backend: BackendSnapshot) -> None:
        """What is left now."""
        told = progress(str(self._target), backend)
        if self._live is not None:
            self._draw(told)
            return
        # Time goes by in every picture; in a log only flows are news.
        drain = backend.drain
        left = (backend.flows, drain and drain.active, drain and drain.quiet)
        now = self._clock()
        if left != self._told and now >= self._next_at:
            self._told, self._next_at = left, now + LINES_EVERY_S
            self._output.show((told,))

    def lost(self, loss: Lost) -> None:
        """The proxy is gone, or still is."""
        if self._live is None:
            self._absence.tell(loss)
        else:
            self._draw(line(f"{self._target}  lost the proxy: {loss.why}; waiting for it"))

    def resumed(self) -> None:
        """It is there again."""
        if self._live is None:
            self._absence.end()

    def _draw(self, told: Line) -> None:
        from udplb.show.paint import painted_line  # noqa: PLC0415

        assert self._live is not None
        self._live.update(painted_line(told), refresh=True)


def wait_until_drained(
    client: Client,
    request: Drain,
    target: Target,
    output: Output,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Drain, and wait; the exit code. Raises Complaint."""
    # A backend without flows is drained at once: whoever subscribes afterwards hears nothing.
    stream = client.subscribe(Subscribe(interval_s=INTERVAL_S))
    try:
        done = client.ask(request)
        output.show(page_of_done(done, f"{target} drains already"))
        for warning in done.warnings:
            say(f"warning: {warning}")
        watcher = Watcher(target, done.generation)
        told = Progress(target, output, clock)
        with told.opened():
            verdict = _watch(stream, watcher, told)
    except KeyboardInterrupt:
        again = f"it still drains; new flows again: udplb undrain {target}"
        raise Complaint(f"no longer waiting for {target}: {again}", FAILED) from None
    finally:
        stream.close()
    if verdict is not Verdict.DRAINED:
        raise Complaint(f"{target} {verdict.value} before it was drained", FAILED)
    output.show((line(f"{target} is drained"),))
    return DONE


def _watch(stream: Stream, watcher: Watcher, told: Progress) -> Verdict:
    from udplb.client.interface import Lost, Resumed  # noqa: PLC0415

    while True:
        news = stream.take(TAKE_S)
        for item in news:
            if isinstance(item, Lost):
                told.lost(item)
            elif isinstance(item, Resumed):
                told.resumed()
                watcher.forget()
        verdict = watcher.verdict(news)
        if verdict is not None:
            return verdict
        if watcher.backend is not None and any(isinstance(item, Snapshot) for item in news):
            told.tell(watcher.backend)
