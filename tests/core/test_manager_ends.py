"""How flows end: idle, answered, by the operator; every knob of the flow terms that ends one."""

from __future__ import annotations

from math import inf

import pytest

from tests.core.conftest import Stage
from tests.core.playbook import START, client_at
from tests.core.transcript import answers, closes, opens, reads, sends
from udplb.core.manager import LOOK_AGAIN_S

A = client_at(1)
B = client_at(2)
TICK = 1 / 64


# Idle


def test_before_the_first_reply_only_the_front_timeout_counts(stage: Stage) -> None:
    play = stage(front_timeout=2.0, back_timeout=60.0)
    play.client(A, b"x")
    play.commands()
    play.wait(2.0 - TICK)
    play.expect()
    play.wait(TICK)
    play.expect(reads(1), closes(1, "idle"))


@pytest.mark.parametrize(
    ("front", "back", "request_at", "reply_at", "idle_at"),
    [
        (4.0, 1.0, 0.0, 1.0, 4.0),
        (4.0, 1.0, 0.0, 3.5, 4.5),
        (1.0, 4.0, 0.0, 0.5, 4.5),
        (4.0, 4.0, 2.0, 1.0, 6.0),
        (1.0, 4.0, 2.0, 0.5, 4.5),
        (4.0, 1.0, 3.0, 3.5, 7.0),
        (0.5, 0.25, 0.25, 0.5, 0.75),
    ],
)
def test_a_flow_is_idle_at_the_later_of_both_terms(
    stage: Stage, front: float, back: float, request_at: float, reply_at: float, idle_at: float
) -> None:
    play = stage(front_timeout=front, back_timeout=back)
    play.client(A, b"x")
    for at, happens in sorted([(request_at, "request"), (reply_at, "reply")]):
        play.commands()
        play.wait(START + at - play.now)
        if happens == "reply":
            play.reply(1, b"r")
        else:
            play.client(A, b"y")
    play.commands()
    play.wait(START + idle_at - TICK - play.now)
    play.expect()
    play.wait(TICK)
    play.expect(reads(1), closes(1, "idle"))


def test_what_waits_in_the_socket_is_activity(stage: Stage) -> None:
    play = stage(front_timeout=2.0, back_timeout=3.0)
    play.client(A, b"x")
    play.commands()
    play.waiting[1] = [b"late", b"and later"]
    play.wait(2.0)
    play.expect(reads(1), answers(1, b"late", b"and later"))
    play.wait(3.0 - TICK)
    play.expect()
    play.wait(TICK)
    play.expect(reads(1), closes(1, "idle"))


def test_the_reply_that_waits_in_the_socket_may_be_the_last_one(stage: Stage) -> None:
    play = stage(front_timeout=2.0, responses=1)
    play.client(A, b"x")
    play.commands()
    play.waiting[1] = [b"late"]
    play.wait(2.0)
    play.expect(reads(1), answers(1, b"late"), closes(1, "answered"))


def test_a_shell_that_does_not_answer_is_asked_again(stage: Stage) -> None:
    play = stage(front_timeout=2.0)
    play.client(A, b"x")
    play.commands()
    play.reading = False
    play.wait(2.0)
    play.expect(reads(1))
    assert play.manager.next_deadline() == play.now + LOOK_AGAIN_S
    play.reading = True
    play.wait(LOOK_AGAIN_S)
    play.expect(reads(1), closes(1, "idle"))


def test_silence_that_is_reported_when_the_flow_is_no_longer_due_closes_nothing(
    stage: Stage,
) -> None:
    play = stage(front_timeout=2.0)
    play.client(A, b"x")
    play.commands()
    play.reading = False
    play.wait(2.0)
    play.expect(reads(1))
    play.client(A, b"y")
    play.expect(sends(1, b"y"))
    assert play.manager.upstream_was_silent(play.now, play.flows[1]) == ()
    assert play.live == [1]


def test_silence_of_a_flow_that_is_closed_closes_nothing(stage: Stage) -> None:
    play = stage(front_timeout=2.0)
    play.client(A, b"x")
    play.commands()
    play.wait(5.0)
    play.expect(reads(1), closes(1, "idle"))
    assert play.manager.upstream_was_silent(play.now, play.flows[1]) == ()


def test_after_its_close_the_client_is_unknown(stage: Stage) -> None:
    play = stage(front_timeout=2.0, backends=2)
    play.client(A, b"x")
    play.commands()
    play.wait(2.0)
    play.commands()
    assert play.manager.next_deadline() == inf
    play.client(A, b"y")
    play.expect(opens(2, "b1"), sends(2, b"y"))


def test_traffic_keeps_a_flow_and_moves_no_deadline(stage: Stage) -> None:
    play = stage(front_timeout=2.0)
    play.client(A, b"x")
    play.commands()
    deadline = play.manager.next_deadline()
    for _ in range(50):
        play.client(A, b"y")
        assert play.manager.next_deadline() <= play.now + 2.0
        if play.now < deadline:
            assert play.manager.next_deadline() == deadline
        play.commands()
        play.wait(1.0)
    play.expect()
    play.wait(1.0)
    play.expect(reads(1), closes(1, "idle"))


# Answered


def test_a_flow_ends_with_its_answer(stage: Stage) -> None:
    play = stage(responses=1)
    play.client(A, b"query")
    play.expect(opens(1, "b0"), sends(1, b"query"))
    play.reply(1, b"answer")
    play.expect(answers(1, b"answer"), closes(1, "answered"))
    assert play.closed() == {"answered": 1}
    assert (play.capacity.live, play.backend("b0").flows) == (0, 0)


def test_fifty_pipelined_queries_get_fifty_answers(stage: Stage) -> None:
    play = stage(responses=1)
    for number in range(50):
        play.client(A, b"query %d" % number)
        play.commands()
    for number in reversed(range(49)):
        play.reply(1, b"answer %d" % number)
        play.expect(answers(1, b"answer %d" % number))
    play.reply(1, b"the last")
    play.expect(answers(1, b"the last"), closes(1, "answered"))


def test_queries_and_answers_that_cross(stage: Stage) -> None:
    play = stage(responses=2)
    play.client(A, b"x")
    play.commands()
    play.reply(1, b"X1")
    play.expect(answers(1, b"X1"))
    play.client(A, b"y", b"z")
    play.expect(sends(1, b"y", b"z"))
    play.reply(1, b"X2", b"Y1", b"Y2", b"Z1")
    play.expect(answers(1, b"X2", b"Y1", b"Y2", b"Z1"))
    play.reply(1, b"Z2")
    play.expect(answers(1, b"Z2"), closes(1, "answered"))


def test_a_train_of_more_replies_than_are_owed_is_delivered_whole(stage: Stage) -> None:
    play = stage(responses=2)
    play.client(A, b"x")
    play.commands()
    play.reply(1, b"1", b"2", b"3", b"4")
    play.expect(answers(1, b"1", b"2", b"3", b"4"), closes(1, "answered"))


def test_responses_0_counts_nothing(stage: Stage) -> None:
    play = stage(responses=0)
    play.client(A, b"x")
    play.commands()
    play.reply(1, *[b"r"] * 64)
    assert [line.verb for line in play.commands()] == ["answers"]


def test_unanswered_queries_end_by_the_timeout(stage: Stage) -> None:
    play = stage(responses=1, front_timeout=5.0, back_timeout=5.0)
    play.client(A, b"x", b"y")
    play.commands()
    play.wait(1.0)
    play.reply(1, b"X")
    play.commands()
    play.wait(5.0)
    play.expect(reads(1), closes(1, "idle"))


# By somebody else


@pytest.mark.parametrize("reason", ["denied", "operator", "listener_removed", "shutdown"])
def test_flows_that_somebody_ends(stage: Stage, reason: str) -> None:
    play = stage(backends=2, requests=2)
    play.client(A, b"x", b"y", b"z")
    play.commands()
    play.client(B, b"x")
    play.commands()
    play.flows_ended(reason, lambda flow: flow.id != 3)
    assert play.manager.next_deadline() <= play.now
    play.fire()
    play.expect(closes(1, reason), closes(2, reason))
    assert play.closed() == {reason: 2}
    assert play.live == [3]
    play.client(A, b"")
    play.expect()
    assert play.dropped() == {"empty": 1}, "no leaving flow of A is left"


# Age


def test_a_flow_of_max_age_is_leaving(stage: Stage) -> None:
    play = stage(backends=2, max_age=10.0, front_timeout=6.0, back_timeout=3.0)
    play.client(A, b"x")
    play.commands()
    for _ in range(5):
        play.wait(1.875)
        play.client(A, b"y")
        play.expect(sends(1, b"y"))
    play.wait(0.625 - TICK)
    play.client(A, b"the last")
    play.expect(sends(1, b"the last"))
    play.wait(TICK)
    play.expect()
    assert play.flows[1].state == "leaving"
    play.client(A, b"z")
    play.expect(opens(2, "b1"), sends(2, b"z"))
    play.wait(2.0)
    play.reply(1, b"r")
    play.expect(answers(1, b"r"))
    play.wait(3.0 - TICK)
    assert play.live == [1, 2]
    play.client(A, b"to the successor")
    play.expect(sends(2, b"to the successor"))
    play.wait(TICK)
    play.expect(reads(1), closes(1, "max_age"))


def test_max_age_0_is_never(stage: Stage) -> None:
    play = stage(front_timeout=100_000.0)
    play.client(A, b"x")
    play.commands()
    play.wait(99_999.0)
    assert play.flows[1].state == "current"


def test_a_flow_that_is_silent_ends_before_its_max_age(stage: Stage) -> None:
    play = stage(front_timeout=2.0, max_age=10.0)
    play.client(A, b"x")
    play.commands()
    play.wait(2.0)
    play.expect(reads(1), closes(1, "idle"))


def test_an_old_flow_that_has_long_been_silent_ends_at_once(stage: Stage) -> None:
    play = stage(front_timeout=30.0, back_timeout=1.0, max_age=10.0)
    play.client(A, b"x")
    play.commands()
    play.wait(10.0 - TICK)
    play.expect()
    play.wait(TICK)
    play.expect(reads(1), closes(1, "max_age"))


@pytest.mark.parametrize("step", range(40))
def test_max_age_does_not_close_a_busy_flow_for_a_rounding_error(stage: Stage, step: int) -> None:
    """At now == admitted_at + max_age, now - admitted_at may round to less than max_age."""
    play = stage(front_timeout=3.0, max_age=0.1 * (step + 1), backends=2)
    play.now = 0.1 * (step + 1)
    play.client(A, b"x")
    play.commands()
    flow = play.flows[1]
    age = flow.terms.max_age
    # The timer fires late, at an instant that is as good as any.
    play.now = flow.admitted_at + age
    while play.manager.next_deadline() > play.now:
        play.now = play.manager.next_deadline()
    play.fire()
    play.expect()
    assert flow.state == "leaving"


@pytest.mark.parametrize("now", [0.1 * step for step in range(1, 200)])
def test_due_and_outlived_agree(stage: Stage, now: float) -> None:
    play = stage(front_timeout=3.0, max_age=0.3)
    play.now = now
    play.client(A, b"x")
    play.commands()
    flow = play.flows[1]
    assert flow.due() == now + 0.3
    assert flow.outlived(flow.due())
