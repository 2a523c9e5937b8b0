"""Why a flow is where it is. That it is asked once the cursor rests is in test_flows.py."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from tests.tui import scenes
from udplb.client import Refused
from udplb.engine.control.requests import Explain
from udplb.tui.panes.flow_reason import REST_S, Reason
from udplb.tui.panes.flow_screen import FlowScreen

ONE, TWO, _ = scenes.flow_rows(3)


class FakePane:
    """A cursor, a timer that the test lets ring, and questions that it answers."""

    def __init__(self) -> None:
        self.selected: Any = ONE
        self.model = SimpleNamespace(link=SimpleNamespace(state="live"))
        self.console = self
        self.asked: list[Explain] = []
        self.answers: list[tuple[Callable[[Any], None], Callable[[Exception], None]]] = []
        self.ring: Callable[[], None] = lambda: None
        self.stopped = 0
        self.reason = Reason(cast("FlowScreen", self))

    def set_timer(self, delay: float, ring: Callable[[], None]) -> Any:
        assert delay == REST_S
        self.ring = ring
        return SimpleNamespace(stop=self._stop)

    def _stop(self) -> None:
        self.stopped += 1

    def ask(self, request: Explain, then: Any, otherwise: Any) -> None:
        self.asked.append(request)
        self.answers.append((then, otherwise))


def test_it_is_asked_once_when_the_cursor_rests() -> None:
    pane = FakePane()
    pane.reason.rest()
    pane.reason.rest()
    assert pane.stopped == 1
    assert pane.asked == []
    pane.ring()
    assert pane.asked == [Explain(listener="game", client=ONE.client)]
    assert pane.reason.of(ONE.id) is None
    told: Any = object()
    pane.answers[0][0](told)
    assert pane.reason.of(ONE.id) is told
    assert pane.reason.of(TWO.id) is None
    pane.ring()
    assert len(pane.asked) == 1


def test_an_answer_about_a_flow_that_the_cursor_left_is_forgotten() -> None:
    pane = FakePane()
    pane.ring = lambda: None
    pane.reason.rest()
    pane.ring()
    pane.selected = TWO
    pane.ring()
    late: Any = object()
    pane.answers[0][0](late)
    assert pane.reason.of(ONE.id) is None
    assert pane.reason.of(TWO.id) is None
    pane.answers[0][1](Refused("bad_request", "late, too"))
    assert pane.reason.of(TWO.id) is None


def test_a_refusal_says_why_and_a_lost_proxy_is_not_asked() -> None:
    pane = FakePane()
    pane.reason.rest()
    pane.ring()
    pane.answers[0][1](Refused("not_found", "no listener is called game"))
    assert pane.reason.of(ONE.id) == "no listener is called game"
    pane.model.link.state = "lost"
    pane.selected = TWO
    pane.ring()
    pane.selected = None
    pane.model.link.state = "live"
    pane.ring()
    assert len(pane.asked) == 1
