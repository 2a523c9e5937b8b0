"""The screen: the live flows. The proxy sorts and filters them; this asks for the rows in view."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from udplb.engine.filtering import parse_filter
from udplb.engine.ranking import FlowQuery
from udplb.tui.dialogs.text import TextDialog
from udplb.tui.dialogs.which import ask_which
from udplb.tui.panes.flow_asking import WindowAsker
from udplb.tui.panes.flow_detail import text_of
from udplb.tui.panes.flow_export import command_of, export_flows, export_tap
from udplb.tui.panes.flow_follow import Followed
from udplb.tui.panes.flow_screen import FlowScreen
from udplb.tui.panes.flow_window import SORTS, next_sort, window_over
from udplb.tui.widgets.live_table import LiveTable

HOLD_S = 3.0
"""Seconds after a movement of the cursor for which rows keep their places."""


class Flows(FlowScreen):
    """What keys do to the flows, or to the view of them."""

    NAME: ClassVar[str] = "flows"

    def on_mount(self) -> None:
        """Who asks the proxy for rows."""
        self._asker = WindowAsker(self.console, self._wanted)

    def flows_chosen(self) -> list[int]:
        """The numbers of the marked flows, or of the one under the cursor."""
        if self._tap is not None and self.tap_view.has_focus:
            return [self._tap.id]
        return sorted(int(str(each)) for each in self.table.ids_marked())

    # What is asked for

    def window(self) -> FlowQuery | None:
        return self._query

    def tapped(self) -> int | None:
        if self._tap is None or (self._tap_seen is not None and not self._tap_seen.live):
            return None
        return self._tap.id

    def enter(self) -> None:
        (self.tap_view if self._tap is not None else self.table).focus()
        self._asker.ask()

    def filter_line(self) -> str | None:
        return self._query.filter

    def set_filter(self, text: str) -> str:
        try:
            parse_filter(text)
        except ValueError as error:
            return str(error)
        self._look(msgspec.structs.replace(self._query, filter=text))
        return ""

    def _wanted(self) -> FlowQuery | None:
        return self._query if self.console.pane is self else None

    def _look(self, query: FlowQuery) -> None:
        """Another view, from its first row on."""
        self._query = window_over(query, 0, self.table.rows_in_view)
        self._held_until = 0.0
        self.table.to_top()
        self._asker.ask()
        self.console.draw()

    def do_sort(self) -> None:
        """By the next key, the highest first."""
        key = next_sort(self._query.sort)
        self._look(msgspec.structs.replace(self._query, sort=key, ascending=False))

    def do_reverse(self) -> None:
        """The other end first."""
        self._look(msgspec.structs.replace(self._query, ascending=not self._query.ascending))

    def on_live_table_sort_wanted(self, message: LiveTable.SortWanted) -> None:
        """By the column that was clicked; once more turns it round."""
        if message.key == self._query.sort:
            self.do_reverse()
            return
        for key in SORTS:
            if key == message.key:
                self._look(msgspec.structs.replace(self._query, sort=key, ascending=False))

    def on_live_table_rows_wanted(self, message: LiveTable.RowsWanted) -> None:
        """Rows are looked at that are not here."""
        if message.table is not self.table:
            return
        query = window_over(self._query, self.table.first_shown, self.table.rows_in_view)
        if query != self._query:
            self._query = query
            self._asker.ask()
        else:
            self._draw_rows(self.console.wall_clock())

    # Moving

    def on_live_table_cursor_moved(self, message: LiveTable.CursorMoved) -> None:
        """Another flow: its detail; and while the cursor moves, rows stay where they are."""
        if message.table is not self.table:
            return
        if message.by_hand:
            self._held_until = self.console.wall_clock() + HOLD_S
        self._reason.rest()
        self._draw_detail()

    def do_next_part(self) -> None:
        """Between the flows and the datagrams."""
        to_tap = self._tap is not None and not self.tap_view.has_focus
        (self.tap_view if to_tap else self.table).focus()

    def do_back(self) -> None:
        """Messages, then the tap, the marks, the filter, what is followed."""
        if self.console.news.dismiss():
            return
        if self._tap is not None:
            self.do_tap()
        elif self.table.marked:
            self.table.marked.clear()
            self.table.refresh()
        elif self._query.filter:
            self.set_filter("")
        else:
            self._followed = None

    def do_follow(self) -> None:
        """Keep the flow in view, wherever it goes; or no longer."""
        row = self.selected
        if self._followed is not None and (row is None or row.id == self._followed.row.id):
            self._followed = None
            self.console.news.told("no flow is followed now")
        elif row is None:
            self.console.news.failed("put the cursor on a flow first")
        else:
            self._followed = Followed(row)
            self.draw(self.console.wall_clock())
            self.table.to_pinned()

    # Looking closer

    def do_tap(self) -> None:
        """Show the flow's datagrams as they come, or no longer."""
        if self._tap is not None:
            self._tap = self._tap_seen = None
            self.table.focus()
        elif self.selected is None:
            self.console.news.failed("put the cursor on a flow first")
            return
        else:
            self._tap = self.selected
            self.tap_view.show_tap(None)
            self.tap_view.focus()
        self.set_class(self._tap is not None, "-tapping")
        self.console.look_at()

    def on_live_table_opened(self, message: LiveTable.Opened) -> None:
        """Enter, or a second click."""
        if message.table is not self.tap_view:
            self.do_describe()
        elif text := self.tap_view.text_of_datagram():
            self.app.push_screen(TextDialog(*text))

    def do_describe(self) -> None:
        """All that is known of the flow, as text."""
        detail = self._detail()
        if detail is not None:
            title = f"flow {detail.row.id}"
            self.app.push_screen(TextDialog(title, text_of(detail)))

    def do_which(self) -> None:
        """Where its client would go, and why."""
        row = self.selected
        ask_which(self.console, *((row.listener, row.client) if row is not None else ()))

    def do_export(self) -> None:
        """The datagrams of the tap, or the rows of the view."""
        window = self.model.shown_window
        if self._tap_seen is not None and self.tap_view.has_focus:
            export_tap(self.console, self._tap_seen)
        elif window is None:
            self.console.news.failed("there is nothing to export yet")
        else:
            export_flows(self.console, self._query, window.matched)

    def do_copy(self) -> None:
        """The same view as a command."""
        command = command_of(self._query)
        self.console.copy_to_clipboard(command)
        self.console.news.told(f"copied: {command}")
