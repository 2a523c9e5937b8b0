"""The model's windows of the flows: which of them is shown, and how fast their flows go."""

from __future__ import annotations

import msgspec
import pytest

from tests.tui import scenes
from tests.tui.fake_proxy import NOW
from udplb.client import Lost, Resumed
from udplb.engine import events
from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import FlowWindow
from udplb.tui.model import AGES_S, EVENTS_MAX, FLOW_HISTORY, FLOWS_TRACED_MAX, Model

RATE, AGE = FlowQuery(sort="rate"), FlowQuery(sort="age")
(ROW,) = scenes.flow_rows(1)


def window(at: float = 10.0, requests: int = 100, request_bytes: int = 1_000) -> FlowWindow:
    row = msgspec.structs.replace(
        ROW, requests=requests, request_bytes=request_bytes, replies=0, reply_bytes=0
    )
    return FlowWindow(rows=(row,), matched=1, at=at)


def test_an_older_answer_to_the_same_query_comes_too_late() -> None:
    model, newer = Model(), window(12.0)
    model.took_window(newer, NOW, RATE)
    model.took_window(window(10.0), NOW, RATE)
    assert model.window is newer


def test_an_answer_to_another_query_may_be_older() -> None:
    model, other = Model(), window(10.0)
    model.took_window(window(12.0), NOW, RATE)
    model.took_window(other, NOW, AGE)
    assert model.window is other
    assert model.window_query == AGE


def test_a_clock_that_began_anew_is_believed() -> None:
    model, anew = Model(), window(12.0)
    model.took_window(window(12.0 + AGES_S), NOW, RATE)
    model.took_window(anew, NOW, RATE)
    assert model.window is anew


@pytest.mark.parametrize(("query", "taken"), [(RATE, False), (AGE, True), (None, True)])
def test_a_picture_with_a_window_that_nobody_looks_at_any_more(
    query: FlowQuery | None, taken: bool
) -> None:
    model = Model()
    model.looking_at = AGE
    model.took([msgspec.structs.replace(scenes.busy(), window=window())], NOW, query)
    assert (model.window is not None) is taken


def test_another_process_begins_anew() -> None:
    model = Model()
    model.took([msgspec.structs.replace(scenes.busy(at=1_000.0), window=window(1_000))], NOW, RATE)
    other, fresh = scenes.busy(at=5.0), window(5.0)
    model.took([msgspec.structs.replace(other, pid=7, window=fresh)], NOW, RATE)
    assert model.window is fresh
    assert model.flow_paces[ROW.id].history == (ROW.rate,)


def test_an_engine_is_known_by_its_name() -> None:
    model = Model()
    for name, at, era in (("a", 5.0, 0), ("a", 60.0, 0), ("b", 3_000.0, 1), ("b", 3_001.0, 1)):
        model.took([scenes.named(name, at=at)], NOW)
        assert model.era == era, "also where process and age say nothing"


def test_a_pause_holds_the_rows_until_others_are_asked_for() -> None:
    model, first, other = Model(), window(10.0), window(14.0)
    model.took_window(first, NOW, RATE)
    model.pause(NOW)
    model.took_window(window(12.0), NOW, RATE)
    assert (model.shown_window, model.shown_query) == (first, RATE)
    model.took_window(other, NOW, AGE)
    assert (model.shown_window, model.shown_query) == (other, AGE)
    model.pause(NOW)
    assert (model.shown_window, model.shown_query) == (other, AGE)


def test_paces_are_the_difference_of_two_looks() -> None:
    model = Model()
    model.took_window(window(10.0, 100, 1_000), NOW, RATE)
    first = model.flow_paces[ROW.id]
    assert first.datagrams == pytest.approx(ROW.rate)
    assert first.bytes == pytest.approx(ROW.rate * 10)
    model.took_window(window(12.0, 140, 5_000), NOW, RATE)
    pace = model.flow_paces[ROW.id]
    assert (pace.requests, pace.replies, pace.request_bytes) == (20.0, 0.0, 2_000.0)
    assert pace.history == (ROW.rate, 20.0)


def test_a_flow_that_was_out_of_the_window_goes_on_where_it_was() -> None:
    model = Model()
    model.took_window(window(10.0, 100), NOW, RATE)
    model.took_window(FlowWindow(rows=(), matched=0, at=12.0), NOW, RATE)
    model.took_window(window(14.0, 140), NOW, RATE)
    assert model.flow_paces[ROW.id].history == (ROW.rate, 10.0)
    model.took_window(window(15.0 + AGES_S, 900), NOW, RATE)
    assert model.flow_paces[ROW.id].history == (ROW.rate,)


def test_paces_and_histories_are_bounded() -> None:
    model = Model()
    for at in range(3):
        rows = tuple(msgspec.structs.replace(ROW, id=at * 1_000 + each) for each in range(1, 1_001))
        model.took_window(FlowWindow(rows=rows, matched=1_000, at=at), NOW, RATE)
    assert len(model.flow_paces) == FLOWS_TRACED_MAX
    assert 3_000 in model.flow_paces
    assert 1 not in model.flow_paces
    for at in range(2 * FLOW_HISTORY):
        model.took_window(window(100.0 + at), NOW, AGE)
    assert len(model.flow_paces[ROW.id].history) == FLOW_HISTORY


# Links, events, pauses


def test_a_link_is_lost_found_and_told_of() -> None:
    model = Model()
    assert str(model.link.state) == "starting"
    assert not model.may_change
    model.took([scenes.busy()], NOW)
    assert model.link.state == "live"
    assert model.may_change
    model.took([Lost(at=NOW + 1, why="refused", retry_in_s=2.0)], NOW + 1)
    model.took([Lost(at=NOW + 3, why="refused", retry_in_s=4.0)], NOW + 3)
    assert (model.link.state, model.link.since, model.link.tries) == ("lost", NOW + 1, 2)
    assert model.link.retry_at == NOW + 7
    assert not model.may_change
    assert model.stale_s(NOW + 5) == 5
    model.took([Resumed(missed_s=6.0), scenes.busy(step=2)], NOW + 7)
    assert model.link.state == "live"
    assert model.stale_s(NOW + 7) is None
    assert "missed 6 s" in model.happenings[-1].text
    assert model.restarted_at is None
    model.took([Lost(at=NOW + 8, why="ended", retry_in_s=None)], NOW + 8)
    assert model.link.state == "ended"


def test_another_process_is_noticed() -> None:
    model = Model()
    model.took([scenes.busy()], NOW)
    model.took([msgspec.structs.replace(scenes.busy(step=1), pid=1)], NOW + 1)
    assert model.restarted_at == NOW + 1
    assert "another process" in model.happenings[-1].text
    assert model.paces is None or model.traces.requests.last is None


def test_a_picture_that_does_not_come_is_stale_after_a_while() -> None:
    model = Model(interval_s=0.5)
    model.took([scenes.busy()], NOW)
    assert model.stale_s(NOW + 1.5) is None
    assert model.stale_s(NOW + 1.6) == pytest.approx(1.6)


def test_a_pause_holds_what_is_shown() -> None:
    model = Model()
    first, second = scenes.busy(), scenes.busy(step=1)
    model.took([first], NOW)
    model.pause(NOW)
    model.took([second], NOW + 1)
    assert model.shown is first
    assert model.snapshot is second
    assert model.paces is not None, "counting goes on"
    model.pause(NOW + 2)
    assert model.shown is second


def test_equal_events_are_folded_and_all_is_bounded() -> None:
    model = Model()
    event = events.ClusterCameUp(at=NOW, cluster="game")
    model.told([event, msgspec.structs.replace(event, at=NOW + 1)])
    assert [(each.event, each.times) for each in model.happenings] == [(event, 2)]
    assert model.events_seen == 2
    model.told([events.Missed(at=NOW, count=5)])
    assert model.events_seen == 7
    many = [events.ClusterCameUp(at=NOW, cluster=str(n)) for n in range(2 * EVENTS_MAX)]
    model.told(many)
    assert len(model.happenings) == len(model.events) == EVENTS_MAX


def test_who_may_not_change() -> None:
    model = Model(read_only=True)
    model.took([scenes.busy()], NOW)
    assert not model.may_change
    model = Model()
    model.took([scenes.busy()], NOW)
    model.mismatch = "versions differ"
    assert not model.may_change


def test_rates_come_from_two_pictures() -> None:
    model = Model()
    model.took([scenes.busy()], NOW)
    model.took([scenes.busy(step=2)], NOW + 1)
    assert model.paces is not None
    assert model.paces.total.requests == pytest.approx(41_200)
    assert model.traces.requests.last == pytest.approx(41_200)
    assert model.drops_per_s() == 0
    assert ("game", "10.0.0.11:5000") in model.backends
