"""The flows as they are drawn: rows, their summary, and one of them in full.

What keys do, and what is asked of the proxy, is in flows.py.
"""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Container, Vertical

from udplb.engine.control.requests import Flows as AskFlows
from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import FlowRow, FlowWindow, Snapshot, TapSnapshot
from udplb.show.quantities import count
from udplb.tui.ink import Piece
from udplb.tui.panes.flow_detail import FlowDetail, lines_of
from udplb.tui.panes.flow_follow import Followed
from udplb.tui.panes.flow_order import FlowOrder
from udplb.tui.panes.flow_reason import Reason
from udplb.tui.panes.flow_rows import COLUMNS, LISTENER, Sight, States, row_of, states_of
from udplb.tui.panes.flow_summary import View, empty_of, more_of, summary_of
from udplb.tui.panes.flow_window import rows_there, same_view, worth_drawing
from udplb.tui.panes.pane import Pane
from udplb.tui.panes.tap import TapView, joined
from udplb.tui.widgets.lines import Lines
from udplb.tui.widgets.live_table import LiveRow, LiveTable

WIDE = 140
"""Columns from which the detail stands at the side."""
START = FlowQuery(sort="rate", limit=100)


class FlowScreen(Pane):
    """A window of the flows, with one of them in detail."""

    DEFAULT_CSS = """
    FlowScreen #flows-summary { height: 1; padding: 0 1; }
    FlowScreen #flows-body { height: 1fr; layout: vertical; }
    FlowScreen #flows-table { height: 1fr; min-height: 3; }
    FlowScreen #flows-detail { height: 7; }
    FlowScreen #flow-tap { display: none; height: 1fr; }
    FlowScreen.-tapping #flows-detail { height: 55%; }
    FlowScreen.-tapping #flow-facts { height: 2; }
    FlowScreen.-tapping #flow-tap { display: block; }
    FlowScreen.-wide #flows-body { layout: horizontal; }
    FlowScreen.-wide #flows-table { width: 1fr; height: 100%; }
    FlowScreen.-wide #flows-detail { width: 52; height: 100%; }
    FlowScreen.-wide.-tapping #flows-detail { width: 50%; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._query = START
        self._order = FlowOrder()
        self._rows: dict[int, FlowRow] = {}
        """Those on the screen, by their numbers."""
        self._held_until = 0.0
        self._followed: Followed | None = None
        self._tap: FlowRow | None = None
        """The flow whose datagrams are shown."""
        self._tap_seen: TapSnapshot | None = None
        """What was seen of them last."""
        self._reason = Reason(self)
        self._drawn: object = None
        """What the rows were drawn from."""
        self._known: tuple[Snapshot | None, object, object] = (None, None, None)
        self._states_known: States = {}

    def compose(self) -> ComposeResult:
        yield Lines(id="flows-summary")
        with Container(id="flows-body"):
            yield LiveTable(COLUMNS, id="flows-table")
            with Vertical(id="flows-detail", classes="frame"):
                yield Lines(id="flow-facts")
                yield TapView(id="flow-tap")

    def on_mount(self) -> None:
        """Nobody has chosen a flow yet."""
        self.table.to_top()

    @property
    def table(self) -> LiveTable:
        """The flows."""
        return self.query_one("#flows-table", LiveTable)

    @property
    def tap_view(self) -> TapView:
        """The datagrams of one of them."""
        return self.query_one("#flow-tap", TapView)

    @property
    def selected(self) -> FlowRow | None:
        """The flow under the cursor."""
        row = self.table.row
        return None if row is None else self._rows.get(int(str(row.id)))

    def draw(self, now: float) -> None:
        """Rows, their summary, and one of them in full."""
        self.set_class(self.size.width >= WIDE, "-wide")
        self._follow(now)
        self._draw_rows(now)
        self._draw_detail()

    def on_resize(self, event: events.Resize) -> None:
        """There is room at the side, or not."""
        self.set_class(event.size.width >= WIDE, "-wide")
        self.call_after_refresh(self._draw_detail)

    def _window(self) -> FlowWindow | None:
        """The rows to draw: of this view, be it another part of it."""
        if not same_view(self.model.shown_query, self._query):
            return None
        return self.model.shown_window

    def _stale(self, now: float) -> bool:
        return self.model.stale_s(now) is not None and self.model.paused_at is None

    def _draw_rows(self, now: float) -> None:
        console, table, window = self.console, self.table, self._window()
        snapshot = self.model.shown
        held = now < self._held_until or len(console.screen_stack) > 1
        sight = Sight(self._states(), self._stale(now))
        view = self._view(snapshot, window, now, held=held)
        summary = self.query_one("#flows-summary", Lines)
        summary.inks = console.inks
        summary.show([summary_of(view)])
        query = self.model.shown_query
        if window is None or query is None:
            # Those of the view before stay, dim, until others come.
            self._drawn = None
            dim = [row_of(row, None, sight, gone=True) for row in self._rows.values()]
            table.show(dim, sort=self._sort, empty=empty_of(view, snapshot))
            return
        changed = self._order.take(window, query, held=held)
        followed = self._followed
        part = self._part(query)
        drawn = (sight, query, followed and (followed.row, followed.ended), part)
        if not changed and drawn == self._drawn:
            return
        self._drawn = drawn
        self._rows = {row.id: row for row in self._order.rows}
        paces, gone = self.model.flow_paces, self._order.gone
        table.hidden = frozenset({LISTENER} if snapshot and len(snapshot.listeners) < 2 else ())
        table.show(
            [
                row_of(row, paces.get(row.id), sight, gone=row.id in gone)
                for row in self._order.rows[part]
            ],
            offset=query.offset + part.start,
            total=rows_there(query, len(window.rows), window.matched),
            sort=self._sort,
            empty=empty_of(view, snapshot),
            pinned=self._pinned(sight),
            more=more_of(view),
        )

    def _part(self, query: FlowQuery) -> slice:
        """The rows around those in view, and around the cursor's, which may have gone elsewhere."""
        table, rows = self.table, self._order.rows
        places = [table.first_shown - query.offset]
        if table.row is not None:
            at = next((at for at, row in enumerate(rows) if row.id == table.row.id), None)
            places += [] if at is None else [at]
        return worth_drawing(places, table.rows_in_view, len(rows))

    def _states(self) -> States:
        """Of the backends; made anew when something about them is new."""
        console = self.console
        known = (self.model.shown, console.slow, console.glyphs)
        if known[0] is not self._known[0] or known[1:] != self._known[1:]:
            self._known = known
            self._states_known = states_of(*known)
        return self._states_known

    @property
    def _sort(self) -> tuple[str, bool]:
        return self._query.sort, self._query.ascending

    def _view(
        self, snapshot: Snapshot | None, window: FlowWindow | None, now: float, *, held: bool
    ) -> View:
        ranked_s = None
        if window is not None and snapshot is not None:
            since = now - self.model.arrived_at if self.model.paused_at is None else 0.0
            ranked_s = max(0.0, snapshot.at - window.at + since)
        return View(
            query=self._query,
            matched=None if window is None else window.matched,
            live=0 if snapshot is None else snapshot.totals.flows,
            ranked_s=ranked_s,
            marked=len(self.table.marked),
            held=held and window is not None and bool(window.rows),
            stale=self._stale(now),
        )

    def _pinned(self, sight: Sight) -> LiveRow | None:
        followed = self._followed
        if followed is None:
            return None
        row = followed.row
        self._rows.setdefault(row.id, row)
        return row_of(row, self.model.flow_paces.get(row.id), sight, gone=followed.ended)

    def _follow(self, now: float) -> None:
        """Find the followed flow in the window, or ask for it."""
        followed, window = self._followed, self._window()
        if followed is None or (window is not None and followed.found_in(window.rows)):
            return
        if self.model.link.state != "live" or not followed.is_due(now):
            return

        def told(answer: FlowWindow) -> None:
            self.model.trace_flows(answer.rows, answer.at)
            followed.took_answer(answer.rows)

        self.console.ask(AskFlows(query=followed.query()), told, lambda error: None)

    # One of them

    def _detail(self) -> FlowDetail | None:
        """What is known of the flow under the cursor; of the tapped one, while the tap is open."""
        row = self._tap if self._tap is not None else self.selected
        if row is None:
            return None
        row = self._rows.get(row.id, row)
        snapshot = self.model.shown
        states = self._states()
        listeners = snapshot.listeners if snapshot is not None else ()
        followed = self._followed
        tap = self._tap_seen
        return FlowDetail(
            row=row,
            pace=self.model.flow_paces.get(row.id),
            listener_address=next((e.address for e in listeners if e.name == row.listener), ""),
            backend_state=states.get((row.listener, row.backend_address), Piece("")),
            why=self._reason.of(row.id),
            gone=row.id in self._order.gone,
            ended=(followed is not None and followed.ended and followed.row.id == row.id)
            or (tap is not None and tap.flow == row.id and not tap.live),
        )

    def _draw_detail(self) -> None:
        box, facts = self.query_one("#flows-detail"), self.query_one("#flow-facts", Lines)
        self._draw_tap()
        detail = self._detail()
        facts.inks = self.console.inks
        if detail is None:
            box.border_title = "no flow"
            facts.show([])
            return
        number = f"flow {detail.row.id}"
        if self._tap is not None:
            seen = self._tap_seen
            box.border_title = f"tap of {number}{' · flow ended' if detail.ended else ''}"
            box.border_subtitle = "" if seen is None else f"{count(seen.seen)} datagrams"
        else:
            box.border_title, box.border_subtitle = number, ""
        side = self.has_class("-wide") and self._tap is None
        facts.show(lines_of(detail, side=max(20, facts.size.width) if side else None))

    def _draw_tap(self) -> None:
        """The newest that was seen of the tapped flow; it stays when the flow has ended."""
        if self._tap is None:
            return
        now = self.console.wall_clock()
        tap = self.model.shown.tap if self.model.shown is not None else None
        if tap is not None and tap.flow == self._tap.id:
            self._tap_seen = joined(self._tap_seen, tap)
        self.tap_view.show_tap(self._tap_seen, now=now, stale=self._stale(now))
