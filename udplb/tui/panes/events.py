"""The screen: what has happened, the newest at the bottom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, NamedTuple, cast

from textual.app import ComposeResult

from udplb.engine.events import BackendEvent, Event, OperatorActed
from udplb.show.events import Told, kind_of, line_of_event, tell
from udplb.show.page import Cell
from udplb.show.quantities import count, time_of_day, times
from udplb.tui.exporting import ask_where, proposed
from udplb.tui.ink import Piece, piece_of
from udplb.tui.model import Happening
from udplb.tui.panes.pane import Pane
from udplb.tui.widgets.columns import LiveColumn, LiveRow
from udplb.tui.widgets.framed import Framed
from udplb.tui.widgets.live_table import LiveTable

DETAILS_MAX = 50
"""Lines below one event."""
COLUMNS = (
    LiveColumn("TIME", width_max=10),
    LiveColumn("", width_max=2),
    LiveColumn("EVENT", width_max=1_000),
)


class _Shown(NamedTuple):
    """What stands here of one happening."""

    times: int
    event: Event | None
    rows: tuple[LiveRow, ...]
    """None of them where the filter has no place for it."""


class Events(Pane):
    """Follows the news, until somebody goes up; `f` follows again."""

    NAME: ClassVar[str] = "events"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._filter = ""
        self._follows = True
        self._basis: object = None
        self._shown: dict[int, _Shown] = {}
        """By the happening's number, the oldest first: what stays is not made anew."""

    def compose(self) -> ComposeResult:
        with Framed("Events", id="events-frame"):
            yield LiveTable(COLUMNS, id="events-table", empty="nothing has happened yet")

    @property
    def table(self) -> LiveTable:
        """The lines."""
        return self.query_one("#events-table", LiveTable)

    def draw(self, now: float) -> None:
        """New lines, if there are any."""
        happenings = self.model.happenings
        newest = happenings[-1].number if happenings else 0
        times = happenings[-1].times if happenings else 0
        basis = (newest, times, len(happenings), self._filter, self._follows, self.size)
        if basis == self._basis or self.model.paused_at is not None:
            return
        self._basis = basis
        self._take_up()
        rows = [row for each in self._shown.values() for row in each.rows]
        empty = "nothing has happened yet"
        if self._filter:
            empty = f"0 of {count(len(happenings))}; Esc clears the filter"
        self.table.show(rows, empty=empty)
        if self._follows:
            self.table.do_last()
        matched = sum(bool(each.rows) for each in self._shown.values())
        shown = (
            f"{count(matched)} of {count(len(happenings))}"
            if self._filter
            else (count(len(happenings)))
        )
        named = f"Events {shown}{f'  filter: {self._filter}' if self._filter else ''}"
        self.query_one(Framed).name_it(named, "following" if self._follows else "f follows")

    def enter(self) -> None:
        super().enter()
        self._basis = None

    def _take_up(self) -> None:
        """What has happened since, and no more what is forgotten."""
        before, self._shown = self._shown, {}
        for each in self.model.happenings:
            shown = before.get(each.number)
            if shown is None or shown.times != each.times:
                shown = _Shown(each.times, each.event, tuple(self._rows_of(each)))
            self._shown[each.number] = shown

    def _rows_of(self, happening: Happening) -> Iterator[LiveRow]:
        event = happening.event
        first = (happening.number, 0)
        if event is None:
            if not self._filter:
                mark = Piece("▲", "slow")
                yield _row(first, happening.at, mark, happening.text, "slow")
            return
        told = tell(event)
        if not _matches(self._filter, event, told):
            return
        mark = piece_of(Cell(told.glyph, role=told.role))
        text = told.sentence
        if happening.times > 1:
            text = f"{text}  ({times(happening.times)})"
        yield _row(first, happening.at, mark, text)
        details = told.details[:DETAILS_MAX]
        more = len(told.details) - len(details)
        for place, detail in enumerate((*details, *([f"… {more} more"] if more else [])), 1):
            pieces = (Piece(""), Piece(""), Piece(f"  {detail}", "quiet"))
            yield LiveRow((happening.number, place), pieces)

    # Actions

    def do_follow(self) -> None:
        """Stay with the newest, or do not."""
        self._follows = not self._follows
        self._basis = None

    def on_live_table_cursor_moved(self, message: LiveTable.CursorMoved) -> None:
        """Whoever goes up reads; whoever comes to the end follows."""
        table = message.table
        at_end = table.place >= len(table.rows) - 1
        if at_end != self._follows and not self._drawing_end(table):
            self._follows = at_end
            self._basis = None

    def _drawing_end(self, table: LiveTable) -> bool:
        """New lines have come below the cursor, which is about to follow them."""
        return self._follows and self._basis is None and table.place < len(table.rows) - 1

    def on_live_table_opened(self, message: LiveTable.Opened) -> None:
        """To the backend that it is about."""
        event = self._event()
        if isinstance(event, BackendEvent):
            console = self.console
            console.show_pane("backends")
            for table in console.pane.query(LiveTable):
                if table.go_to((event.cluster, event.address)):
                    return
            console.news.told("that backend is there no more")

    def _event(self) -> Event | None:
        row = self.table.row
        if row is None:
            return None
        number, _ = cast(tuple[int, int], row.id)
        shown = self._shown.get(number)
        return None if shown is None else shown.event

    def do_copy(self) -> None:
        """The command line that did the same, or the one that shows these events."""
        event = self._event()
        command = event.command if isinstance(event, OperatorActed) else "udplb events"
        self.console.copy_to_clipboard(command)
        self.console.news.told(f"copied: {command}")

    def do_export(self) -> None:
        """All that match, a line each."""
        matching = [
            each.event
            for each in self.model.happenings
            if each.event is not None and _matches(self._filter, each.event, tell(each.event))
        ]
        content = "".join(f"{line_of_event(event)}\n" for event in matching).encode()
        name = proposed("events", "log", self.console.wall_clock())
        lines = [[Piece(f"{count(len(matching))} events, a line each")]]
        ask_where(
            self.console, "Write the events to a file?", lines, name,
            lambda file, take, refuse: take(content),
        )  # fmt: skip

    def filter_line(self) -> str | None:
        return self._filter

    def set_filter(self, text: str) -> str:
        self._filter = text
        self._shown, self._basis = {}, None
        self.draw(self.console.wall_clock())
        return ""


def _row(id: object, at: float, mark: Piece, text: str, ink: str = "") -> LiveRow:
    return LiveRow(id, (Piece(time_of_day(at), "quiet"), mark, Piece(text, ink)))


def _matches(pattern: str, event: Event, told: Told) -> bool:
    """Whether all words occur: in the kind (`kind=drain`), or anywhere; `!` negates one."""
    if not pattern:
        return True
    kind = kind_of(event)
    text = " ".join((kind, told.sentence, *told.details)).lower()
    for word in re.findall(r"\S+", pattern.lower()):
        negated, bare = word.startswith("!"), word.lstrip("!")
        where = kind if bare.startswith("kind=") else text
        if (bare.removeprefix("kind=") in where) is negated:
            return False
    return True
