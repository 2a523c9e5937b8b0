"""Questions about flows: close some of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from udplb.engine.control.requests import CLOSES_MAX, CloseFlows, Flows
from udplb.engine.filtering import parse_filter
from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import FlowRow, FlowWindow
from udplb.show.quantities import count, plural
from udplb.tui.dialogs.dialog import Answers, Field
from udplb.tui.dialogs.plan import LISTED_MAX, Plan, Text, listed
from udplb.tui.ink import Piece

if TYPE_CHECKING:
    from textual.timer import Timer

    from udplb.tui.console import Console

MANY_FLOWS = 0.25
"""Of the live flows: to close more needs their number to be typed."""
REST_S = 0.3
"""Seconds without a key before the proxy counts: that is a walk over all flows."""


def closing(console: Console, flows: Sequence[int], pattern: str, engine: str) -> Plan | str:
    """These flows of this engine, or those that match where none is chosen."""
    if not flows:
        return closing_by_filter(console, pattern)
    if engine != _engine(console):
        return "the proxy is another process now: these flows are gone"
    if len(flows) > CLOSES_MAX:
        return f"{count(CLOSES_MAX)} flows at a time; a filter closes any number"
    window = console.model.shown_window
    rows = {row.id: row for row in window.rows} if window is not None else {}
    names = [_called(number, rows.get(number)) for number in flows]
    live = _live(console)

    def lines(answers: Answers) -> Text:
        return [
            [Piece("What their clients send next opens new flows, balanced anew.")],
            [Piece("Replies that are on their way are lost.", "slow")],
            *listed(names),
        ]

    return Plan(
        title=f"Close {names[0] if len(flows) == 1 else plural(len(flows), 'flow')}?",
        verb="Close",
        lines=lines,
        requests=lambda answers: [CloseFlows(flows=tuple(flows))],
        word=lambda answers: str(len(flows)) if len(flows) > max(1, MANY_FLOWS * live) else None,
    )


class Counting:
    """How many flows match a filter: asked of the proxy once for each text that rests a moment."""

    def __init__(self, console: Console, first: str) -> None:
        """`first` is counted at once."""
        self._console = console
        self._first = first
        self._rests: str | None = None
        """The text that is counted soon, if nothing more is typed."""
        self._timer: Timer | None = None
        self._counted: dict[str, FlowWindow] = {}
        self._refused: dict[str, str] = {}
        self._asked: set[str] = set()
        self._told: Callable[[], None] = lambda: None

    def begin(self, console: Console, redraw: Callable[[], None]) -> None:
        """`redraw` is called when something has become known."""
        self._told = redraw
        if self._first and not _wrong(self._first):
            self._count(self._first)

    def window(self, text: str) -> FlowWindow | None:
        """The first flows that match, and how many do; None while that is not known."""
        wanted = text if text and text not in self._asked and not _wrong(text) else None
        if wanted != self._rests:
            self._rest(wanted)
        return self._counted.get(text)

    def _rest(self, text: str | None) -> None:
        """Count this when nothing else was typed for a moment; None: nothing."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self._rests = text
        if text is not None:
            self._timer = self._console.set_timer(REST_S, lambda: self._count(text))

    def _count(self, text: str) -> None:
        self._asked.add(text)

        def counted(window: FlowWindow) -> None:
            self._counted[text] = window
            self._told()

        def refused(error: Exception) -> None:
            self._refused[text] = str(error)
            self._told()

        query = FlowQuery(filter=text, limit=LISTED_MAX)
        self._console.ask(Flows(query=query), counted, refused)

    def why_not(self, text: str) -> str:
        """Why it is not known."""
        return self._refused.get(text, "counting…")


def closing_by_filter(console: Console, pattern: str) -> Plan:
    """All flows that match; the proxy counts them, and closes no more than were counted."""
    counting = Counting(console, pattern)

    def lines(answers: Answers) -> Text:
        text = answers.get("filter", pattern)
        wrong = _wrong(text) if text else "a filter is needed, as client=203.0.113.0/24"
        if wrong:
            return [[Piece(wrong, "slow")]]
        window = counting.window(text)
        if window is None:
            return [[Piece(counting.why_not(text), "quiet")]]
        of = f" of {plural(_live(console), 'flow')}"
        return [
            [Piece(count(window.matched), "heading"), Piece(f"{of} match now")],
            *listed([_called(row.id, row) for row in window.rows]),
        ]

    def requests(answers: Answers) -> Sequence[CloseFlows]:
        text = answers.get("filter", pattern)
        if not text:
            raise ValueError("a filter is needed; all flows are state=current and state=leaving")
        if wrong := _wrong(text):
            raise ValueError(wrong)
        window = counting.window(text)
        if window is None:
            raise ValueError(f"not before they are counted: {counting.why_not(text)}")
        # A proxy of before, which gives no name, does not know the word.
        return [CloseFlows(filter=text, counted=window.matched if _engine(console) else None)]

    def word(answers: Answers) -> str | None:
        window = counting.window(answers.get("filter", pattern))
        if window is None or window.matched <= max(1, MANY_FLOWS * _live(console)):
            return None
        return str(window.matched)

    return Plan(
        title="Close the flows that match?",
        verb="Close",
        lines=lines,
        requests=requests,
        fields=(Field("filter", "filter", pattern, hint="client=203.0.113.0/24 idle>5s"),),
        word=word,
        find_out=counting.begin,
        again=lambda answers: closing_by_filter(console, answers.get("filter", pattern)),
    )


def _wrong(text: str) -> str:
    try:
        parse_filter(text)
    except ValueError as error:
        return str(error)
    return ""


def _engine(console: Console) -> str:
    snapshot = console.model.snapshot
    return "" if snapshot is None else snapshot.engine


def _live(console: Console) -> int:
    snapshot = console.model.snapshot
    return 0 if snapshot is None else snapshot.totals.flows


def _called(number: int, row: FlowRow | None) -> str:
    return f"flow {number}" if row is None else f"{row.client} → {row.backend} (flow {number})"
