"""The screen: overview. What one would have open all day."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal

from udplb.engine.events import Event
from udplb.engine.ranking import FlowQuery
from udplb.show.events import tell
from udplb.show.page import Cell
from udplb.show.quantities import count, rate, time_of_day
from udplb.tui.ink import Piece, piece_of
from udplb.tui.panes import arrangement, engine_lines
from udplb.tui.panes.backend_pane import WAITING, BackendPane
from udplb.tui.panes.backend_rows import FEW, BackendTable
from udplb.tui.panes.flow_rows import COLUMNS as FLOW_COLUMNS
from udplb.tui.panes.flow_rows import Sight, row_of, states_of
from udplb.tui.panes.looking import Look
from udplb.tui.panes.traffic import ways
from udplb.tui.widgets.framed import Framed
from udplb.tui.widgets.graph import Series, TrafficGraph
from udplb.tui.widgets.lines import Lines
from udplb.tui.widgets.live_table import LiveRow, LiveTable

FLOWS = FlowQuery(sort="rate", limit=20)
_RANKS = {"CLIENT": 0, "BACKEND": 0, "RATE": 0, "BITS": 1, "IDLE": 2, "TREND": 3, "AGE": 4}
"""Of the columns of flows that have room here; others are left out."""
TOP = tuple(replace(each, rank=_RANKS[each.title]) for each in FLOW_COLUMNS if each.title in _RANKS)
ENGINE_WIDTH = 44
AREAS_FROM = 10
"""Lines of graphs: in fewer, only what comes in has an area, and the rest a line each."""


class Overview(BackendPane):
    """Traffic, the engine, the backends, the busiest flows, and what happened."""

    NAME: ClassVar[str] = "overview"
    DEFAULT_CSS = f"""
    Overview LiveTable {{ scrollbar-size-vertical: 1; }}
    Overview #overview-top {{ height: 11; }}
    Overview #overview-traffic {{ width: 1fr; height: 100%; }}
    Overview #overview-losses {{ height: 1; }}
    Overview #overview-summary {{ height: 1; }}
    Overview #overview-engine {{ width: {ENGINE_WIDTH}; height: 100%; }}
    Overview #overview-engine-lines {{ height: 1fr; }}
    Overview #overview-backends {{ height: 1fr; padding: 0; }}
    Overview #overview-foot {{ height: 1fr; }}
    Overview #overview-flows {{ width: 1fr; height: 100%; padding: 0; }}
    Overview #overview-events {{ width: 1fr; height: 100%; }}
    Overview #overview-news {{ height: 1fr; }}
    Overview.-stacked #overview-foot {{ layout: vertical; }}
    Overview.-stacked #overview-flows {{ width: 100%; height: 1fr; }}
    Overview.-stacked #overview-events {{ width: 100%; height: 1fr; }}
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._plan: arrangement.Overview | None = None
        self._drawn: dict[str, object] = {}
        """What each of the other parts was drawn from."""

    def compose(self) -> ComposeResult:
        with Horizontal(id="overview-top"):
            with Framed("Traffic 60 s", id="overview-traffic"):
                yield TrafficGraph(id="overview-graph")
                yield TrafficGraph(id="overview-losses")
                yield Lines(id="overview-summary")
            with Framed("Engine", id="overview-engine"):
                yield Lines(id="overview-engine-lines")
        with Framed("Backends", id="overview-backends"):
            yield BackendTable(FEW, id="overview-table")
        with Horizontal(id="overview-foot"):
            with Framed("Top flows", id="overview-flows"):
                yield LiveTable(TOP, id="overview-flow-table", empty=WAITING)
            with Framed("Events", id="overview-events"):
                yield Lines(id="overview-news")

    @property
    def flow_table(self) -> LiveTable:
        """The busiest flows."""
        return self.query_one("#overview-flow-table", LiveTable)

    def window(self) -> FlowQuery | None:
        return FLOWS if self._plan is None or self._plan.flows else None

    def flows_chosen(self) -> list[int]:
        """The flows to act on, where the keys go to their table."""
        if not self.flow_table.has_focus:
            return []
        return sorted(int(str(each)) for each in self.flow_table.ids_marked())

    # Keys

    def on_live_table_opened(self, message: LiveTable.Opened) -> None:
        """A backend or a flow, on its own screen."""
        row = message.table.row
        if row is None:
            return
        if message.table is self.flow_table:
            self.show_flow(row.id)
            return
        self.console.show_pane("backends")
        for table in self.console.pane.query(BackendTable):
            table.go_to(row.id)

    def on_live_table_cursor_moved(self, message: LiveTable.CursorMoved) -> None:
        """Whoever moves wants the rows to stay where they are."""
        if message.by_hand and message.table is self.table:
            self._order.moved(self.console.wall_clock())

    def do_copy(self) -> None:
        """The command that shows the same."""
        if self.flow_table.has_focus:
            self.copy(["udplb", "flows", "--sort", FLOWS.sort, "--limit", str(FLOWS.limit)])
        else:
            super().do_copy()

    # Drawing

    def on_resize(self, event: events.Resize) -> None:
        """Other parts may have room."""
        self._arrange()
        self._drawn.clear()
        self.call_after_refresh(self._redraw)

    def _arrange(self) -> None:
        snapshot = self.model.shown
        clusters = () if snapshot is None else snapshot.clusters
        backends = sum(len(each.backends) for each in clusters)
        plan = arrangement.overview(self.size.width, self.size.height, backends)
        if plan == self._plan or not self.size:
            return
        self._plan = plan
        self._drawn.clear()
        self.set_class(plan.stacked, "-stacked")
        top = self.query_one("#overview-top")
        top.styles.height, top.display = plan.top, plan.top > 0
        inside = plan.top - arrangement.FRAME
        self.query_one("#overview-losses").display = plan.engine and inside >= AREAS_FROM
        self.query_one("#overview-summary").display = not plan.engine
        self.query_one("#overview-engine").display = plan.engine
        self.query_one("#overview-backends").styles.height = plan.backends
        self.query_one("#overview-foot").display = plan.flows or plan.events
        self.query_one("#overview-flows").display = plan.flows
        self.query_one("#overview-events").display = plan.events
        if self.console.pane is self:
            self.console.look_at()

    def draw(self, now: float) -> None:
        if not self.is_attached or not self.size:
            return
        self._arrange()
        look = self.look(now)
        self._draw_graphs(look)
        self.draw_backends(look, now)
        if self._changed("engine", (look, self._plan)):
            self._draw_engine(look)
        window = self.model.shown_window
        if self._changed("flows", (look, self._plan, window and window.at)):
            self._draw_flows(look)
        if self._changed("events", (self.model.events_seen, self._plan)):
            self._draw_events()
        title = "Backends" if look is None else f"Backends {count(len(self._shown))}"
        self.query_one("#overview-backends", Framed).name_it(title)

    def _changed(self, part: str, basis: object) -> bool:
        """Whether this part has to be drawn anew."""
        changed = self._drawn.get(part, self) != basis
        self._drawn[part] = basis
        return changed

    def _draw_graphs(self, look: Look | None) -> None:
        model = self.model
        moment = self.console.wall_clock() if look is None else look.now
        if not self._changed("graphs", (look, look or int(moment), self._plan)):
            return
        both = ways(model.traces, bits=self.console.bits)
        losses = Series("drops", model.drops, rate, "drop")
        apart = self.query_one("#overview-losses", TrafficGraph)
        beside = self._plan is not None and self._plan.engine and not apart.display
        graph = self.query_one("#overview-graph", TrafficGraph)
        graph.show((*both, losses) if beside else both, moment)
        apart.show((losses,), moment)

    def _draw_engine(self, look: Look | None) -> None:
        lines, summary = self._lines("engine-lines"), self._lines("summary")
        lines.show(engine_lines.engine_lines(look, self.model, *lines.size))
        summary.show([engine_lines.summary(look, self.model)])

    def _lines(self, name: str) -> Lines:
        lines = self.query_one(f"#overview-{name}", Lines)
        lines.inks = self.console.inks
        return lines

    def _draw_flows(self, look: Look | None) -> None:
        table, model = self.flow_table, self.model
        window = model.shown_window
        if look is None or window is None or model.shown_query not in (None, FLOWS):
            if look is None or window is None:
                table.show((), empty=WAITING)
            return
        snapshot = look.snapshot
        sight = Sight(states_of(snapshot, look.slow, look.glyphs), look.stale)
        table.show(
            [_top(row_of(row, model.flow_paces.get(row.id), sight)) for row in window.rows],
            sort=(FLOWS.sort, FLOWS.ascending),
            empty=_no_flows(look),
        )
        title = f"Top flows of {count(window.matched)}"
        self.query_one("#overview-flows", Framed).name_it(title)

    def _draw_events(self) -> None:
        lines = self._lines("news")
        room = max(1, lines.size.height)
        newest = [self.model.events[-1 - at] for at in range(min(room, len(self.model.events)))]
        nothing = [Piece("nothing has happened since this console began", "quiet")]
        lines.show([_line_of(event) for event in newest] or [nothing])


def _line_of(event: Event) -> list[Piece]:
    told = tell(event)
    text = "; ".join((told.sentence, *told.details))
    glyph = piece_of(Cell(f"{told.glyph} ", role=told.role))
    return [Piece(f"{time_of_day(event.at)} ", "quiet"), glyph, Piece(text)]


def _top(row: LiveRow) -> LiveRow:
    """The pieces below TOP."""
    pieces = zip(FLOW_COLUMNS, row.pieces, strict=True)
    return replace(row, pieces=tuple(piece for each, piece in pieces if each.title in _RANKS))


def _no_flows(look: Look) -> str:
    if look.snapshot.totals.admitted:
        return "no flow lives now"
    where = ", ".join(each.address for each in look.snapshot.listeners[:2])
    return f"No flows yet; try udplb demo. Listening on {where}"
