"""--watch: pictures one after the other; a proxy that goes away is waited for.

A terminal is drawn anew, a pipe gets a block for each picture, a program a JSON document a line.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from udplb.cli.endings import DONE, say
from udplb.cli.output import Output
from udplb.engine.control.requests import Request, Subscribe
from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import Snapshot
from udplb.show.paces import Paces, paces_between
from udplb.show.page import Cell, Page, Role, blank, line
from udplb.show.quantities import time_of_day
from udplb.show.states import BAD

if TYPE_CHECKING:
    from rich.live import Live

    from udplb.client import Client, Lost

TAKE_S = 1.0
"""Seconds of the longest wait for news."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture(Generic[Answer]):
    """What one command shows: once as the answer to a request, again and again from snapshots."""

    request: Request[Answer]
    pick: Callable[[Snapshot], Answer | None]
    """The same out of a snapshot; None: it is not there yet. Raises Complaint."""
    page: Callable[[Answer, Paces | None], Page]
    window: FlowQuery | None = None
    """Snapshots have to carry this window of the flows."""


class Absence:
    """Says on standard error that the proxy is gone, once, and that it is there again."""

    def __init__(self) -> None:
        self._told = False

    def tell(self, loss: Lost) -> None:
        """Each try to find it again may fail; that is no news."""
        if not self._told:
            say(f"lost the proxy: {loss.why}; waiting for it")
        self._told = True

    def end(self, more: str = "") -> None:
        """It is there again."""
        say(f"the proxy is there again{more}")
        self._told = False


class Screen:
    """Where pictures go: to a pipe, a block for each."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self._shown = 0
        self._absence = Absence()

    def opened(self) -> AbstractContextManager[object]:
        """While pictures are shown."""
        return nullcontext()

    def show(self, answer: object, page: Page) -> None:
        """The next picture; `answer` is what it shows."""
        self.output.show((blank(), *page) if self._shown else page)
        self._shown += 1

    def lost(self, loss: Lost) -> None:
        """The proxy is gone, or still is."""
        self._absence.tell(loss)

    def resumed(self) -> None:
        """It is there again."""
        self._absence.end()


class JsonScreen(Screen):
    """For programs: one document a line."""

    def show(self, answer: object, page: Page) -> None:
        self.output.document(answer)


class LiveScreen(Screen):
    """For people: each picture replaces the one before; while the proxy is away the last one stays,
    and says so."""

    def __init__(self, output: Output) -> None:
        from rich.live import Live  # noqa: PLC0415

        super().__init__(output)
        self._live: Live = Live(
            console=output.console, auto_refresh=False, vertical_overflow="ellipsis"
        )
        self._page: Page = ()
        self._at = 0.0

    def opened(self) -> AbstractContextManager[object]:
        return self._live

    def show(self, answer: object, page: Page) -> None:
        self._page, self._at = page, time.time()
        self._draw(page)

    def lost(self, loss: Lost) -> None:
        since = f" What stands below is from {time_of_day(self._at)}." if self._page else ""
        text = f"{loss.why}; waiting for it.{since}"
        self._draw((line(Cell(f"{BAD} LOST ", role=Role.BAD), text), *self._page))

    def resumed(self) -> None:
        self._draw(self._page)

    def _draw(self, page: Page) -> None:
        from udplb.show.paint import painted  # noqa: PLC0415

        self._live.update(painted(page, self.output.console.width), refresh=True)


def screen_for(output: Output, json: bool) -> Screen:
    """Where pictures go."""
    if json:
        return JsonScreen(output)
    return LiveScreen(output) if output.redraws else Screen(output)


def watch(client: Client, picture: Picture[Answer], interval_s: float, screen: Screen) -> int:
    """Show pictures until Ctrl-C. Raises Complaint."""
    from udplb.client.interface import Lost, Resumed  # noqa: PLC0415

    before: Snapshot | None = None
    try:
        stream = client.subscribe(
            Subscribe(events=False, window=picture.window, interval_s=interval_s)
        )
        try:
            with screen.opened():
                while True:
                    for item in stream.take(TAKE_S):
                        if isinstance(item, Lost):
                            screen.lost(item)
                        elif isinstance(item, Resumed):
                            before = None
                            screen.resumed()
                        elif isinstance(item, Snapshot):
                            answer = picture.pick(item)
                            paces = paces_between(before, item) if before else None
                            before = item
                            if answer is not None:
                                screen.show(answer, picture.page(answer, paces))
        finally:
            stream.close()
    except KeyboardInterrupt:
        return DONE
