"""Drains of a backend: no new flows, a count, an end that is told once, and a deadline."""

from __future__ import annotations

from math import inf

import pytest

from tests.core.conftest import Stage
from tests.core.playbook import Playbook, backend, client_at
from tests.core.transcript import answers, closes, opens, reads, sends
from udplb.core.notices import (
    AllBackendsWentDown,
    BackendDrainBegan,
    BackendDrained,
    BackendDrainEnded,
    DrainDeadlinePassed,
)
from udplb.core.settings import AtDeadline, OnBackendDown

A = client_at(1)
B = client_at(2)
C = client_at(3)


def drained(stage: Stage, deadline_s: float = inf, **keys: object) -> Playbook:
    """Flow 1 of A is on b0, which then drains, and flow 2 of B on b1."""
    play = stage(**{"backends": 2, "responses": 1, "front_timeout": 60.0, **keys})
    for client in (A, B):
        play.client(client, b"x")
        play.commands()
    play.drains("b0", deadline_s)
    assert play.told() == [BackendDrainBegan(play.backend("b0"), deadline_s)]
    return play


def test_no_new_flow_and_none_lost(stage: Stage) -> None:
    play = drained(stage)
    play.fire()
    play.expect()
    for number in range(3, 8):
        play.client(client_at(number), b"x")
        play.expect(opens(number, "b1"), sends(number, b"x"))
    play.client(A, b"y")
    play.expect(sends(1, b"y"))
    play.tick(1.0)
    assert play.told() == []
    assert play.backend("b0").flows == 1


def test_completion_is_told_once(stage: Stage) -> None:
    play = drained(stage)
    play.tick(1.0)
    play.wait(1.5)
    play.reply(1, b"X")
    play.expect(answers(1, b"X"), closes(1, "answered"))
    assert play.told() == []
    for _ in range(5):
        play.tick(0.5)
    assert play.told() == [BackendDrained(play.backend("b0"), took_s=3.0)]
    drain = play.backend("b0").drain
    assert drain is not None
    assert (drain.drained, drain.expired) == (True, False)


def test_a_backend_without_flows_is_drained_at_once(stage: Stage) -> None:
    play = stage(backends=2)
    play.drains("b0", 0.0)
    b0 = play.backend("b0")
    assert play.told() == [BackendDrainBegan(b0, 0.0), BackendDrained(b0, took_s=0.0)]
    play.tick(10.0)
    assert play.told() == [], "and its deadline is nobody's business any more"


def test_a_leaving_flow_counts(stage: Stage) -> None:
    play = drained(stage, requests=1)
    assert play.flows[1].state == "leaving"
    play.tick(1.0)
    assert play.told() == []
    play.reply(1, b"X")
    play.commands()
    play.tick()
    assert play.told() == [BackendDrained(play.backend("b0"), took_s=1.0)]


@pytest.mark.parametrize("on_backend_down", ["keep", "close", "move"])
@pytest.mark.parametrize("way", [None, "move", "close"])
def test_at_its_deadline_the_rest_moves_or_closes(
    stage: Stage, on_backend_down: OnBackendDown, way: AtDeadline | None
) -> None:
    play = drained(stage, on_backend_down=on_backend_down, back_timeout=2.0)
    play.drains("b0", 10.0, way)
    assert play.told() == [BackendDrainBegan(play.backend("b0"), 10.0)]
    ends = way or ("move" if on_backend_down == "move" else "close")
    play.tick(9.99)
    play.fire()
    play.expect()
    assert play.told() == []
    for _ in range(3):
        play.tick(0.01)
    assert play.told() == [DrainDeadlinePassed(play.backend("b0"), ends)]
    play.fire()
    if ends == "close":
        play.expect(closes(1, "drained"))
    else:
        play.expect(reads(1), closes(1, "drained"))
    play.client(A, b"y")
    play.expect(opens(3, "b1"), sends(3, b"y"))
    play.client(B, b"y")
    play.expect(sends(2, b"y"))
    play.tick()
    assert [type(each) for each in play.told()] == [BackendDrained]


def test_a_flow_that_moves_at_the_deadline_hears_late_replies_and_takes_nothing_along(
    stage: Stage,
) -> None:
    play = drained(stage, deadline_s=1.0, on_backend_down="move")
    play.tick(1.0)
    play.fire()
    play.expect()
    assert play.flows[1].state == "leaving"
    play.client(A, b"y")
    play.expect(opens(3, "b1"), sends(3, b"y"))
    play.reply(1, b"X")
    play.expect(answers(1, b"X"), closes(1, "answered"))


def test_where_no_other_takes_them_flows_stay_to_carry_on(stage: Stage) -> None:
    play = stage(on_backend_down="move")
    play.client(A, b"x")
    play.commands()
    play.drains("b0", 1.0)
    play.tick(1.0)
    play.fire()
    play.client(A, b"y")
    play.expect(sends(1, b"y"))
    play.client(B, b"x")
    play.expect()
    assert play.dropped() == {"no_backend": 1}


def test_an_operator_may_think_better_of_it(stage: Stage) -> None:
    play = drained(stage, deadline_s=1.0)
    play.cluster.drain_ended(play.now, play.backend("b0"))
    assert play.backend("b0").drain is None
    assert play.told() == [BackendDrainEnded(play.backend("b0"))]
    play.cluster.drain_ended(play.now, play.backend("b0"))
    play.tick(5.0)
    play.fire()
    play.expect()
    assert play.told() == []
    play.client(C, b"x")
    play.expect(opens(3, "b0"), sends(3, b"x"))


def test_also_when_the_deadline_has_just_passed(stage: Stage) -> None:
    play = drained(stage, deadline_s=1.0)
    play.tick(1.0)
    play.cluster.drain_ended(play.now, play.backend("b0"))
    play.fire()
    play.expect()
    assert play.flows[1].state == "current"


def test_another_deadline_takes_the_place_of_the_first(stage: Stage) -> None:
    play = drained(stage, deadline_s=5.0)
    play.tick(4.0)
    play.drains("b0", 4.0)
    assert play.told() == [BackendDrainBegan(play.backend("b0"), 4.0)]
    play.tick(3.99)
    assert play.told() == []
    play.tick(0.01)
    assert play.told() == [DrainDeadlinePassed(play.backend("b0"), "close")]
    play.fire()
    play.expect(closes(1, "drained"))
    play.tick(1.0)
    assert play.told() == [BackendDrained(play.backend("b0"), took_s=9.0)], "since the first"


def test_a_drain_after_a_drain_begins_anew(stage: Stage) -> None:
    play = drained(stage)
    play.tick(3.0)
    play.cluster.drain_ended(play.now, play.backend("b0"))
    play.drains("b0")
    play.reply(1, b"X")
    play.commands()
    play.told()
    play.tick(2.0)
    assert play.told() == [BackendDrained(play.backend("b0"), took_s=2.0)]


def test_a_backend_that_drains_from_the_start_is_no_operators_drain(stage: Stage) -> None:
    play = stage(backends=[backend(0, state="drain"), backend(1)])
    play.tick(1.0)
    assert play.told() == []


def test_a_drain_can_leave_only_backends_that_are_down(stage: Stage) -> None:
    play = drained(stage, fail_open=False)
    play.goes_down("b1")
    assert play.told()[-1] == AllBackendsWentDown()
    play.client(C, b"x")
    play.expect()
    assert play.dropped() == {"no_backend": 1}


def test_two_listeners_are_drained_together(stage: Stage) -> None:
    first = drained(stage, deadline_s=5.0)
    first.cluster.drain_ended(first.now, first.backend("b0"))
    second = stage(cluster=first.cluster)
    second.client(C, b"x")
    second.expect(opens(1, "b0"), sends(1, b"x"))
    first.drains("b0", 5.0)
    first.reply(1, b"X")
    first.expect(answers(1, b"X"), closes(1, "answered"))
    first.told()
    first.tick(4.0)
    assert first.told() == [], "one is left on the other listener"
    first.tick(1.0)
    for play, lines in ((first, []), (second, [closes(1, "drained")])):
        assert play.manager.next_deadline() <= play.now
        play.fire()
        play.expect(*lines)
    first.tick()
    assert first.told()[-1] == BackendDrained(first.backend("b0"), took_s=5.0)
