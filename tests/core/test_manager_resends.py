"""Refusals and replies as a manager meets them: what is sent again, what counts for health."""

from __future__ import annotations

import pytest

from tests.core.conftest import Stage
from tests.core.playbook import client_at
from tests.core.transcript import answers, closes, resends, sends
from udplb.core.notices import BackendWentDown
from udplb.core.reasons import DropReason
from udplb.core.settings import HealthSettings

A = client_at(1)
B = client_at(2)


# Resends


def test_a_refused_train_goes_out_once_more(stage: Stage) -> None:
    play = stage()
    play.client(A, b"x", b"y")
    play.commands()
    play.refused(1)
    play.expect(resends(1, b"x", b"y"))
    play.refused(1)
    play.expect()
    for counted in (play.backend("b0"), play.manager.counters):
        assert (counted.resent, counted.requests) == (2, 2)
    play.client(A, b"z")
    play.expect(sends(1, b"z"))
    play.unreachable(1)
    play.expect(resends(1, b"z"))


@pytest.mark.parametrize(("after", "again"), [(1.0, True), (1.01, False)])
def test_not_when_the_refusal_comes_late(stage: Stage, after: float, again: bool) -> None:
    play = stage()
    play.client(A, b"x")
    play.commands()
    play.wait(after)
    play.refused(1)
    play.expect(*([resends(1, b"x")] if again else []))


def test_not_when_a_reply_came_since(stage: Stage) -> None:
    play = stage()
    play.client(A, b"x")
    play.commands()
    play.reply(1, b"X")
    play.expect(answers(1, b"X"))
    assert play.capacity.kept_bytes == 0
    play.refused(1)
    play.expect()


def test_not_when_the_refusal_came_out_while_sending(stage: Stage) -> None:
    play = stage()
    play.client(A, b"x")
    play.commands()
    play.refused(1, sending=True)
    play.expect()
    play.refused(1)
    play.expect(resends(1, b"x"))


def test_not_where_the_cluster_forbids_it(stage: Stage) -> None:
    play = stage(resend=False, backends=2, on_backend_down="move")
    play.client(A, b"x")
    play.commands()
    assert play.capacity.kept_bytes == 0
    for datagram in (b"a", b"b", b"c"):
        play.refused(1)
        play.expect()
        play.client(A, datagram)
        play.commands()
    play.fire()
    play.expect()
    assert play.flows[1].state == "leaving", "it moves all the same"
    assert play.manager.counters.resent == 0
    play.client(A, b"d")
    assert play.commands()[0].verb == "opens"


def test_a_flow_that_is_to_leave_for_another_reason_sends_again(stage: Stage) -> None:
    play = stage(backends=2)
    play.client(A, b"x")
    play.commands()
    play.backend_removed("b0", 10.0)
    play.refused(1)
    play.expect(resends(1, b"x"))


def test_not_when_the_flow_has_ended(stage: Stage) -> None:
    play = stage(responses=1)
    play.client(A, b"x")
    play.commands()
    play.reply(1, b"X")
    play.expect(answers(1, b"X"), closes(1, "answered"))
    play.refused(1)
    play.expect()
    assert play.backend("b0").refusals == 1


def test_a_reply_after_a_refusal_of_something_large_ends_the_keeping(stage: Stage) -> None:
    """The flow met a refusal while nothing was kept; what comes after the reply is kept alone."""
    play = stage()
    play.client(A, bytes(5_000))
    play.commands()
    play.refused(1)
    play.expect()
    play.reply(1, b"r")
    play.commands()
    for datagram in (b"x", b"y"):
        play.client(A, datagram)
        play.commands()
    play.refused(1)
    play.expect(resends(1, b"y"))
    assert play.capacity.kept_bytes == 1


def test_what_the_kernel_did_not_take_is_not_sent_again(stage: Stage) -> None:
    play = stage()
    play.client(A, b"x")
    play.commands()
    play.failed(1, b"x", reason="oversize")
    play.expect()
    play.refused(1)
    play.expect()


# Refusals that count


def test_one_forged_refusal_takes_nobody_out_and_three_real_ones_do(stage: Stage) -> None:
    play = stage(backends=2)
    play.client(A, b"x")
    play.commands()
    for _ in range(20):
        play.refused(1)
        play.commands()
    assert play.backend("b0").up, "of one datagram and its resend there are two at most"
    play.client(A, b"y")
    play.commands()
    assert play.told() == []
    play.refused(1)
    play.commands()
    assert play.told() == [BackendWentDown(play.backend("b0"), another_up=True)]
    assert play.backend("b0").health.reason == "3 refusals, ejected for 5 s"


def test_a_reply_on_any_flow_sets_the_count_to_0(stage: Stage) -> None:
    play = stage()
    for client in (A, B):
        play.client(client, b"x")
        play.commands()
    for _ in range(10):
        for datagram in (b"a", b"b"):
            play.client(A, datagram)
            play.commands()
            play.refused(1, sending=True)
        assert play.backend("b0").suspect
        play.reply(2, b"still here")
        play.expect(answers(2, b"still here"))
        assert not play.backend("b0").suspect
    assert play.backend("b0").up


def test_openings_that_fail_count(stage: Stage) -> None:
    play = stage(backends=2)
    play.unopenable["b0"] = DropReason.UNREACHABLE
    while play.backend("b0").up:
        play.client(client_at(len(play.flows) + 1), b"x")
        play.commands()
    assert play.backend("b0").unreachable == 3
    play.client(client_at(99), b"x")
    assert [line.what[0] for line in play.commands()] == ["b1", b"x"], "no longer tried first"
    assert play.shed() == {}


def test_news_from_hosts_on_the_way_counts(stage: Stage) -> None:
    play = stage(backends=2)
    for _ in range(3):
        assert play.backend("b0").up
        play.client(A, b"x")
        play.commands()
        play.unreachable(1)
        play.commands()
    assert not play.backend("b0").up


def test_a_route_that_stays_lost_counts(stage: Stage) -> None:
    play = stage(backends=2)
    play.client(A, b"x")
    play.commands()
    play.lost(1, b"x")
    play.commands()
    for count in (1, 2, 3):
        assert play.backend("b0").up
        play.client(A, b"x")
        play.expect(sends(1, b"x"))
        play.lost(1, b"x")
        play.expect()
        assert play.dropped() == {"unreachable": count}
    assert not play.backend("b0").up


# What replies tell


def test_the_time_to_the_first_reply(stage: Stage) -> None:
    play = stage()
    for client, flow, seconds in ((A, 1, 0.25), (B, 2, 0.75)):
        play.client(client, b"x")
        play.commands()
        play.wait(seconds / 2)
        play.client(client, b"x")
        play.commands()
        play.wait(seconds / 2)
        play.reply(flow, b"X")
        play.commands()
        play.wait(1.0)
        play.reply(flow, b"more")
        play.commands()
    backend = play.backend("b0")
    assert (backend.first_replies, backend.first_reply_s) == (2, 1.0)


@pytest.mark.parametrize(
    ("queries", "replies", "answered"),
    [(4, [1, 1], 2), (4, [2, 3, 2], 7), (4, [8, 1], 8), (4, [7, 9], 8), (1, [3], 2)],
)
def test_owed_replies_that_came_are_counted_once(
    stage: Stage, queries: int, replies: list[int], answered: int
) -> None:
    """Two are owed for each query; a backend that answers more often gains nothing."""
    play = stage(responses=2)
    play.client(A, *[b"x"] * queries)
    play.commands()
    for count in replies:
        if play.live:
            play.reply(1, *[b"r"] * count)
            play.commands()
    assert play.backend("b0").answered == answered


def test_a_backend_that_answers_too_little_is_ejected(stage: Stage) -> None:
    health = HealthSettings(eject_below=0.8)
    play = stage(backends=2, responses=1, health=health, front_timeout=60.0)
    play.tick()
    for number in range(1, 101):
        play.client(client_at(number), b"x")
        play.commands()
        if number % 2 == 0 or number % 4 == 1:  # b1 answers all, b0 half of them
            play.reply(number, b"r", b"r again")
            play.commands()
    play.tick(10.0)
    play.tick(1.0)
    assert [each.health.answered_share for each in play.cluster.backends] == [0.5, 1.0]
    assert [each.up for each in play.cluster.backends] == [False, True]
    assert play.backend("b0").health.reason == "50% of 50 replies came, ejected for 5 s"


@pytest.mark.parametrize("responses", [0, 1])
def test_where_no_replies_are_owed_no_share_is_told(stage: Stage, responses: int) -> None:
    play = stage(responses=responses, front_timeout=60.0)
    play.tick()
    for number in range(1, 51):
        play.client(client_at(number), b"x")
        play.commands()
    play.tick(10.0)
    play.tick(1.0)
    assert play.backend("b0").health.answered_share == (0.0 if responses else None)
    assert play.backend("b0").up
