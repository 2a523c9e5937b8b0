"""The screen: backends. All of them, and one in detail."""

from __future__ import annotations

from typing import ClassVar

import msgspec
from textual import events
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.timer import Timer

from udplb.engine.events import Event
from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import BackendSnapshot
from udplb.show.backends import target_of
from udplb.show.quantities import count
from udplb.tui.model import BackendTraces, key_of
from udplb.tui.panes import arrangement
from udplb.tui.panes.backend_detail import lines_of, news_of
from udplb.tui.panes.backend_pane import SETTLE_S, WAITING, BackendPane
from udplb.tui.panes.backend_rows import MANY, BackendTable
from udplb.tui.panes.flow_rows import COLUMNS as FLOW_COLUMNS
from udplb.tui.panes.flow_rows import Sight, row_of
from udplb.tui.panes.looking import Look
from udplb.tui.panes.traffic import ways
from udplb.tui.widgets.framed import Framed
from udplb.tui.widgets.graph import TrafficGraph
from udplb.tui.widgets.lines import Lines
from udplb.tui.widgets.live_table import LiveTable

FLOWS = FlowQuery(sort="rate", limit=8)
_ALREADY_SAID = frozenset({"LISTENER", "BACKEND", "STATE", "DATAGRAMS", "1ST REPLY"})
"""Columns of flows that say nothing new about those of one backend."""


class Backends(BackendPane):
    """The full table, and one backend: why it is as it is, its traffic, its flows, its news."""

    NAME: ClassVar[str] = "backends"
    DEFAULT_CSS = """
    Backends LiveTable { scrollbar-size-vertical: 1; }
    Backends #backends-body { height: 1fr; layout: vertical; }
    Backends #backends-list { height: 1fr; padding: 0; }
    Backends #backend-detail { height: 1fr; }
    Backends #backend-parts { height: 1fr; layout: vertical; }
    Backends #backend-facts { height: auto; max-height: 22; }
    Backends #backend-side { height: 1fr; width: 100%; }
    Backends #backend-graph { height: 8; margin-top: 1; }
    Backends #backend-flows { height: 1fr; margin-top: 1; }
    Backends.-columns #backend-parts { layout: horizontal; }
    Backends.-columns #backend-facts { width: 1fr; height: 100%; }
    Backends.-columns #backend-side { width: 50%; height: 100%; margin-left: 2; }
    Backends.-columns #backend-graph { height: 2; margin-top: 0; }
    Backends.-beside #backends-body { layout: horizontal; }
    Backends.-beside #backends-list { width: 1fr; height: 100%; }
    Backends.-beside #backend-detail { width: 60; height: 100%; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._plan: arrangement.Detail | None = None
        self._detailed: object = None
        """What the detail was drawn from."""
        self._graphed: object = None
        self._news: tuple[object, list[Event]] = ((), [])
        """The news of the backend under the cursor, and what they were found in."""
        self._asked: FlowQuery | None = None
        self._settling: Timer | None = None

    def compose(self) -> ComposeResult:
        with Container(id="backends-body"):
            with Framed("Backends", id="backends-list"):
                yield BackendTable(MANY, id="backends-table")
            with Framed(id="backend-detail"), Container(id="backend-parts"):
                yield Lines(id="backend-facts")
                with Vertical(id="backend-side"):
                    yield TrafficGraph(id="backend-graph")
                    yield LiveTable(FLOW_COLUMNS, id="backend-flows", empty=WAITING)

    @property
    def flow_table(self) -> LiveTable:
        """The busiest flows of the backend under the cursor."""
        return self.query_one("#backend-flows", LiveTable)

    # What is asked for

    def window(self) -> FlowQuery | None:
        backend = self.selected()
        if backend is None or self._plan is None or not self._plan.traffic:
            return None
        # Two clusters may have the same backend.
        whose = f'cluster="{backend.cluster}"' if '"' not in backend.cluster else ""
        return msgspec.structs.replace(FLOWS, backend=backend.address, filter=whose)

    def flows_chosen(self) -> list[int]:
        """The flows to act on, where the keys go to their table."""
        if not self.flow_table.has_focus:
            return []
        return sorted(int(str(each)) for each in self.flow_table.ids_marked())

    def _ask(self) -> None:
        """For the flows of another backend, when the cursor has come to rest."""
        wanted = self.window()
        if wanted == self._asked or self.console.pane is not self:
            return
        self._asked = wanted
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(SETTLE_S, self._look_at)

    def _look_at(self) -> None:
        if self.console.pane is self:
            self.console.look_at()

    def filter_line(self) -> str | None:
        return self._filter

    # Keys

    def on_live_table_opened(self, message: LiveTable.Opened) -> None:
        """The flows of the backend, or one of them; its text where there is no room for more."""
        row, backend = message.table.row, self.selected()
        if row is None:
            return
        if message.table is self.flow_table:
            self.show_flow(row.id)
        elif self._plan is not None and not self._plan.shown:
            self.do_describe()
        elif backend is not None:
            self.show_flows(backend)

    def on_live_table_cursor_moved(self, message: LiveTable.CursorMoved) -> None:
        """Another backend: its detail at once, its flows a little later."""
        if message.table is not self.table:
            return
        now = self.console.wall_clock()
        if message.by_hand:
            self._order.moved(now)
        self._draw_detail(self.look(now))

    # Drawing

    def on_resize(self, event: events.Resize) -> None:
        """There is room for the detail, or not."""
        self._arrange()
        self.call_after_refresh(self._redraw)

    def _arrange(self) -> None:
        snapshot = self.model.shown
        clusters = () if snapshot is None else snapshot.clusters
        backends = sum(len(each.backends) for each in clusters)
        plan = arrangement.detail(self.size.width, self.size.height, backends)
        if plan == self._plan or not self.size:
            return
        self._plan, self._detailed, self._graphed = plan, None, None
        self.set_class(plan.beside, "-beside")
        self.set_class(plan.columns, "-columns")
        self.query_one("#backends-list").styles.height = plan.table or None
        self.query_one("#backend-detail").display = plan.shown
        self.query_one("#backend-side").display = plan.traffic

    def draw(self, now: float) -> None:
        if not self.is_attached or not self.size:
            return
        self._arrange()
        look = self.look(now)
        self.draw_backends(look, now)
        self._name_list(look)
        self._draw_detail(look)

    def _name_list(self, look: Look | None) -> None:
        every = 0 if look is None else sum(len(each.backends) for each in look.snapshot.clusters)
        shown = count(len(self._shown))
        title = "Backends" if look is None else f"Backends {shown}"
        said = []
        if self._filter:
            title = f"Backends {shown} of {count(every)}"
            said.append(f"filter: {self._filter}")
        if self.table.marked:
            said.append(f"{count(len(self.table.marked))} marked")
        self.query_one("#backends-list", Framed).name_it(title, " · ".join(said))

    def _draw_detail(self, look: Look | None) -> None:
        backend = self.selected()
        self._ask()
        if self._plan is None or not self._plan.shown:
            return
        window = self.model.shown_window
        known = window and (window.at, len(window.rows))
        basis = (look, backend and key_of(backend), known, self.model.events_seen)
        if basis == self._detailed:
            return
        self._detailed = basis
        facts = self.query_one("#backend-facts", Lines)
        facts.inks = self.console.inks
        frame = self.query_one("#backend-detail", Framed)
        side = self.query_one("#backend-side")
        side.visible = backend is not None and self._plan.traffic
        if look is None or backend is None:
            frame.name_it("Backend" if look is None else "no backend")
            facts.show([])
            return
        frame.name_it(f"{target_of(backend)}  {backend.address}")
        facts.show(lines_of(look, backend, self._news_of(backend), facts.size.width))
        if self._plan.traffic:
            self._draw_graph(look, backend)
            self._draw_flows(look, backend)

    def _news_of(self, backend: BackendSnapshot) -> list[Event]:
        basis = (key_of(backend), backend.name, self.model.events_seen)
        if basis != self._news[0]:
            self._news = (basis, news_of(key_of(backend), backend.name, self.model.events))
        return self._news[1]

    def _draw_graph(self, look: Look, backend: BackendSnapshot) -> None:
        if (look, key_of(backend)) == self._graphed:
            return
        self._graphed = (look, key_of(backend))
        traces = look.traces.get(key_of(backend)) or BackendTraces()
        graph = self.query_one("#backend-graph", TrafficGraph)
        graph.show(ways(traces, bits=look.bits), look.now)

    def _draw_flows(self, look: Look, backend: BackendSnapshot) -> None:
        table, model = self.flow_table, self.model
        table.hidden = _ALREADY_SAID
        current = model.shown_query in (None, self.window())
        rows = self.flows_of(backend) if current else []
        sight = Sight({}, look.stale)
        known = current and model.shown_window is not None
        table.show(
            [row_of(row, model.flow_paces.get(row.id), sight) for row in rows[: FLOWS.limit]],
            sort=(FLOWS.sort, FLOWS.ascending),
            empty="no flow lives on it" if known else "looking for its flows",
        )
