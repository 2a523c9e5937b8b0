"""A stage for tests of the flows screen: a proxy that ranks 18,402 flows, and a clock."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui import scenes
from tests.tui.driving import screen_text, type_in
from tests.tui.fake_proxy import NOW, FakeClient
from tests.tui.waiting import until
from udplb.engine.control.requests import Explain, Explanation, Subscribe
from udplb.engine.control.requests import Flows as AskFlows
from udplb.engine.snapshot import FlowRow, FlowWindow, Snapshot, TappedDatagram, TapSnapshot
from udplb.tui.console import Console
from udplb.tui.panes.flows import Flows

ALL = 18_402
_KEYS: dict[str, Callable[[FlowRow], float]] = {
    "rate": lambda row: row.rate,
    "datagrams": lambda row: row.requests + row.replies,
    "bytes": lambda row: row.request_bytes + row.reply_bytes,
    "age": lambda row: row.age_s,
    "idle": lambda row: row.idle_s,
}


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Proxy(FakeClient):
    """Ranks its flows; filters know `backend=`, `client=` and nothing else."""

    def __init__(self, number: int = ALL) -> None:
        rows = tuple(
            msgspec.structs.replace(row, rate=20_000.0 - at, requests=10 + at, replies=at)
            for at, row in enumerate(scenes.flow_rows(number))
        )
        super().__init__(scenes.busy(), rows=rows)
        self.gate = threading.Event()
        self.gate.set()
        self.tapped: tuple[TappedDatagram, ...] = ()
        self.tap_live = True
        self.answers[AskFlows] = self._answer
        self.answers[Explain] = self._explain

    def _answer(self, request: AskFlows) -> FlowWindow:
        assert self.gate.wait(10)
        return self.window(request.query)

    def window(self, query: Any) -> FlowWindow:
        rows = [row for row in self.rows if self._holds(query.filter, row)]
        rows.sort(key=_KEYS[query.sort], reverse=not query.ascending)
        shown = tuple(rows[query.offset : query.offset + query.limit])
        return FlowWindow(rows=shown, matched=len(rows), at=self.snapshot.at)

    def _holds(self, text: str, row: FlowRow) -> bool:
        wanted = dict(part.split("=", 1) for part in text.split())
        return all(getattr(row, name) == value for name, value in wanted.items())

    def _explain(self, request: Explain) -> Explanation:
        return Explanation(
            listener=request.listener, client=request.client, cluster="game", balance="hrw",
            affinity=None, hash_key=None, hash=None, ranked=(), barred=None, flows=(),
            chosen="edge-1", why=f"it has the highest score without {request.without}",
            last_drop=None,
        )  # fmt: skip

    def picture(self, request: Subscribe) -> Snapshot:
        tap = None
        if request.tap is not None:
            tap = TapSnapshot(
                flow=request.tap, live=self.tap_live, client="203.0.113.0:40000",
                local="203.0.113.1:5000", backend="edge-1", seen=len(self.tapped),
                datagrams=self.tapped[-64:],
            )  # fmt: skip
        return msgspec.structs.replace(super().picture(request), tap=tap)

    def change(self, change: Callable[[FlowRow], FlowRow | None]) -> None:
        """Other flows, or other values, two seconds later."""
        self.rows = tuple(row for each in self.rows if (row := change(each)) is not None)
        self.show(msgspec.structs.replace(self.snapshot, at=self.snapshot.at + 2))


class Stage:
    """The screen, and what stands on it."""

    def __init__(self, app: Console, pilot: Pilot[None], proxy: Proxy, clock: Clock) -> None:
        self.app, self.pilot, self.proxy, self.clock = app, pilot, proxy, clock

    @property
    def pane(self) -> Flows:
        assert isinstance(self.app.pane, Flows)
        return self.app.pane

    @property
    def text(self) -> str:
        return screen_text(self.app)

    @property
    def names(self) -> list[int]:
        """The flows of the rows, less 7,000."""
        return [cast("int", row.id) - 7_000 for row in self.pane.table.rows]

    @property
    def cursor(self) -> int:
        row = self.pane.selected
        assert row is not None
        return row.id - 7_000

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def until(self, reached: Callable[[], object], what: str = "") -> None:
        await until(self.pilot, reached, what)

    async def shows(self, text: str) -> None:
        await self.until(lambda: text in self.text, text)

    async def change(self, change: Callable[[FlowRow], FlowRow | None]) -> None:
        self.proxy.change(change)
        at = self.proxy.snapshot.at
        await self.until(lambda: self.app.model.window and self.app.model.window.at == at)
        await self.pilot.pause()

    async def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds
        self.app.draw()
        await self.pilot.pause()

    async def filter_for(self, text: str) -> None:
        await self.press("slash")
        self.app.query_one("#filter", Input).value = ""
        await type_in(self.pilot, text)
        await self.press("enter")


@asynccontextmanager
async def stage(
    proxy: Proxy | None = None, size: tuple[int, int] = (120, 36)
) -> AsyncIterator[Stage]:
    proxy, clock = proxy or Proxy(), Clock()
    app = Console(proxy, where="edge-gw", wall_clock=clock)
    async with app.run_test(size=size) as pilot:
        on = Stage(app, pilot, proxy, clock)
        await on.until(lambda: app.model.snapshot is not None)
        await on.press("3")
        await on.until(lambda: on.pane.table.rows or not proxy.rows, "rows")
        yield on


def faster(number: int, rate: float = 1e6) -> Callable[[FlowRow], FlowRow]:
    """This flow is the fastest now."""
    return lambda row: msgspec.structs.replace(row, rate=rate) if row.id == 7_000 + number else row
