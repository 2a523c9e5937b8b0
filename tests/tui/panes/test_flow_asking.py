"""Asking for windows: one at a time, and the latest that is wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from tests.tui import scenes
from tests.tui.fake_proxy import NOW
from udplb.client import LostError, Refused
from udplb.engine.control.requests import Flows
from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import FlowWindow
from udplb.tui.console import Console
from udplb.tui.model import Model
from udplb.tui.news import News
from udplb.tui.panes.flow_asking import WindowAsker

TOP = FlowQuery(sort="rate", limit=100)
BELOW = FlowQuery(sort="rate", offset=100, limit=100)
OTHER = FlowQuery(sort="age", limit=100)


class FakeConsole:
    """Keeps what was asked until the test answers it."""

    def __init__(self) -> None:
        self.model = Model()
        self.news = News(lambda: NOW)
        self.asked: list[FlowQuery] = []
        self.looks = 0
        self.wanted: FlowQuery | None = TOP
        self.asker = WindowAsker(cast("Console", self), lambda: self.wanted)
        self._answers: list[tuple[Callable[[FlowWindow], None], Callable[[Exception], None]]] = []

    def wall_clock(self) -> float:
        return NOW

    def ask(self, request: Flows, then: Any, otherwise: Any) -> None:
        self.asked.append(request.query)
        self._answers.append((then, otherwise))

    def look_at(self) -> None:
        self.looks += 1

    def answer(self, at: float = 1.0) -> FlowWindow:
        window = FlowWindow(rows=scenes.flow_rows(2), matched=2, at=at)
        self._answers.pop(0)[0](window)
        return window

    def fail(self, error: Exception) -> None:
        self._answers.pop(0)[1](error)


def test_an_answer_is_shown_and_the_stream_looks_at_the_same() -> None:
    console = FakeConsole()
    console.asker.ask()
    window = console.answer()
    assert console.asked == [TOP]
    assert (console.model.window, console.model.window_query) == (window, TOP)
    assert console.looks == 1


def test_while_an_answer_is_on_its_way_only_the_last_wish_counts() -> None:
    console = FakeConsole()
    console.asker.ask()
    for console.wanted in (OTHER, BELOW):
        console.asker.ask()
    assert console.asked == [TOP]
    first = console.answer()
    assert console.model.window is first  # other rows of the same view
    assert console.looks == 0
    assert console.asked == [TOP, BELOW]
    second = console.answer()
    assert (console.model.window, console.looks) == (second, 1)


def test_an_answer_to_another_view_is_not_shown() -> None:
    console = FakeConsole()
    console.asker.ask()
    console.wanted = OTHER
    console.answer()
    assert console.model.window is None
    assert console.asked == [TOP, OTHER]


def test_nothing_is_asked_or_shown_while_nobody_looks() -> None:
    console = FakeConsole()
    console.asker.ask()
    console.wanted = None
    console.answer()
    assert (console.model.window, console.looks) == (None, 0)
    console.asker.ask()
    assert console.asked == [TOP]
    console.wanted = TOP
    console.asker.ask()
    assert console.asked == [TOP, TOP]


def test_a_refusal_is_told_and_a_loss_is_not() -> None:
    console = FakeConsole()
    console.asker.ask()
    console.fail(LostError("gone"))
    assert console.news.latest() is None
    assert console.asked == [TOP]  # the stream brings it when there is one again
    console.asker.ask()
    console.fail(Refused("bad_request", "no such filter"))
    said = console.news.latest()
    assert said is not None
    assert said.text == "no such filter"
