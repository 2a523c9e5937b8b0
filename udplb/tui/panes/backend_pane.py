"""What the screens with a table of backends have in common: order, filter, who is acted on."""

from __future__ import annotations

from functools import cached_property, partial
from shlex import join

from udplb.config.wording import escape
from udplb.engine.snapshot import BackendSnapshot, FlowRow
from udplb.show.quantities import count
from udplb.tui.dialogs.text import TextDialog
from udplb.tui.model import BackendKey, key_of
from udplb.tui.panes.backend_detail import news_of, text_of
from udplb.tui.panes.backend_order import Order, Sort, matching
from udplb.tui.panes.backend_rows import BackendTable
from udplb.tui.panes.looking import Look, Looker
from udplb.tui.panes.pane import Pane
from udplb.tui.widgets.live_table import LiveTable

WAITING = "waiting for the first picture"
SETTLE_S = 0.3
"""The cursor rests for so long before other flows are asked for."""
FIND_S = 0.1
FIND_MAX = 30
"""Looks for a flow on its screen, whose rows come later."""


class BackendPane(Pane):
    """A pane with one BackendTable."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._order = Order()
        self._filter = ""
        self._shown: list[BackendSnapshot] = []
        """In the order of the table."""
        self._basis: object = None
        """What the table was drawn from."""

    @cached_property
    def _looker(self) -> Looker:
        return Looker(self.console)

    @property
    def table(self) -> BackendTable:
        """The backends."""
        return self.query_one(BackendTable)

    def look(self, now: float) -> Look | None:
        """What there is to draw from; None while there is no picture."""
        return self._looker.look(now)

    # Who is acted on

    def selected_backend(self) -> BackendKey | None:
        """The backend under the cursor; None where the keys go to another table."""
        if not self._is_meant() or self.table.row is None:
            return None
        return self._known().get(self.table.row.id)

    def marked_backends(self) -> list[BackendKey]:
        """The marked backends that still exist, or the one under the cursor."""
        if not self._is_meant():
            return []
        known = self._known()
        return [known[each] for each in self.table.ids_marked() if each in known]

    def selected(self) -> BackendSnapshot | None:
        """The backend under the cursor, whatever has the focus."""
        row = self.table.row
        if row is None:
            return None
        return next((each for each in self._shown if key_of(each) == row.id), None)

    def _known(self) -> dict[object, BackendKey]:
        snapshot = self.model.shown
        clusters = () if snapshot is None else snapshot.clusters
        return {key_of(each): key_of(each) for cluster in clusters for each in cluster.backends}

    def _is_meant(self) -> bool:
        focused = self.console.focused
        return not isinstance(focused, LiveTable) or focused is self.table

    # The table

    def draw_backends(self, look: Look | None, now: float) -> None:
        """Rows for what is in view; nothing is done where nothing changed."""
        table = self.table
        if look is None:
            table.show((), sort=self._sort, empty=WAITING)
            self._basis, self._shown = None, []
            return
        held = len(self.console.screen_stack) > 1
        basis = (look, self._order.sort, self._filter, table.first_shown, table.size)
        if basis == self._basis:
            return
        self._basis = basis
        ordered = self._order.ordered(look, now, hold=held)
        self._shown = matching(look, ordered, self._filter)
        every = len(ordered)
        empty = f"0 of {count(every)}; Esc clears the filter" if every else "no backends"
        table.show_backends(look, self._shown, sort=self._sort, empty=empty)

    @property
    def _sort(self) -> tuple[str, bool]:
        return self._order.sort.key, self._order.sort.ascends

    def _redraw(self) -> None:
        self._basis = None
        self.draw(self.console.wall_clock())

    def on_live_table_rows_wanted(self, message: LiveTable.RowsWanted) -> None:
        """Somebody scrolled."""
        if message.table is self.table:
            self._redraw()

    def on_live_table_sort_wanted(self, message: LiveTable.SortWanted) -> None:
        """By the column that was clicked; once more turns it round."""
        if message.table is not self.table:
            return
        if message.key == self._order.sort.key:
            self.do_reverse()
        else:
            self._order.sort = Sort(message.key)
            self._redraw()

    def do_sort(self) -> None:
        """By the next column."""
        self._order.sort = self._order.sort.next()
        self._redraw()

    def do_reverse(self) -> None:
        """The other end first."""
        sort = self._order.sort
        self._order.sort = Sort(sort.key, not sort.reverse)
        self._redraw()

    def do_back(self) -> None:
        """Messages, then marks, then the filter."""
        if self.console.news.dismiss():
            return
        if self.table.marked:
            self.table.marked.clear()
            self.table.refresh()
        elif self._filter:
            self.set_filter("")

    def set_filter(self, text: str) -> str:
        self._filter = text
        self._redraw()
        return ""

    # One of them

    def do_describe(self) -> None:
        """All that is known of the backend, as text."""
        backend, look = self.selected(), self.look(self.console.wall_clock())
        if backend is None or look is None:
            self.console.news.told("put the cursor on a backend first")
            return
        news = news_of(key_of(backend), backend.name, self.model.events)
        title = f"{backend.cluster}/{backend.name}"
        text = text_of(look, backend, news, self.flows_of(backend))
        self.console.push_screen(TextDialog(title, text))

    def flows_of(self, backend: BackendSnapshot) -> list[FlowRow]:
        """Those of its flows that are known."""
        window = self.model.shown_window
        if window is None:
            return []
        return [each for each in window.rows if each.backend_address == backend.address]

    def do_copy(self) -> None:
        """The command that shows the same."""
        clusters = {each.cluster for each in self._shown}
        every = () if self.model.shown is None else self.model.shown.clusters
        one = [*clusters] if len(clusters) == 1 and len(every) > 1 else []
        self.copy(["udplb", "backends", *one])

    def copy(self, words: list[str]) -> None:
        """Put a command line into the clipboard, and say so."""
        command = escape(join(words))
        self.console.copy_to_clipboard(command)
        self.console.news.told(f"copied: {command}")

    # To the flows

    def show_flows(self, backend: BackendSnapshot) -> None:
        """Its flows, on their screen."""
        console = self.console
        console.show_pane("flows")
        console.pane.set_filter(f"backend={backend.address}")
        console.look_at()

    def show_flow(self, flow: object) -> None:
        """One flow, on its screen."""
        self.console.show_pane("flows")
        self._find_flow(flow, FIND_MAX)

    def _find_flow(self, flow: object, looks: int) -> None:
        """Its row may come later: it is looked for as long as the screen is shown."""
        pane = self.console.pane
        if pane.NAME != "flows":
            return
        found = any(table.go_to(flow) for table in pane.query(LiveTable))
        if not found and looks > 1:
            self.set_timer(FIND_S, partial(self._find_flow, flow, looks - 1))
