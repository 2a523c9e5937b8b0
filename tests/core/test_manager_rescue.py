"""Rescues at their edges: nobody takes the trains, flows that were leaving, two listeners."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.conftest import Stage
from tests.core.playbook import client_at, went_down
from tests.core.test_manager_failover import ejected
from tests.core.transcript import answers, closes, opens, postpones, resends, sends
from udplb.core.flow import State
from udplb.core.reasons import DropReason
from udplb.core.reception import ADMISSIONS_PER_ROUND
from udplb.core.settings import HealthSettings

A = client_at(1)
B = client_at(2)
C = client_at(3)


# Successors that are refused


@pytest.mark.parametrize("reason", ["no_port", "no_descriptor", "unreachable"])
def test_a_refused_train_that_nobody_could_take_ends_its_flow(stage: Stage, reason: str) -> None:
    play = stage(backends=2, on_backend_down="move")
    play.client(A, b"x")
    play.commands()
    ejected(play, 1)
    play.unopenable["b1"] = DropReason[reason.upper()]
    play.fire()
    play.expect(opens(2, "b1"), closes(1, "refused"))
    assert play.dropped() == {reason: 3}
    assert play.shed() == {reason: 1}
    assert play.manager.counters.requests == 1
    assert play.manager.counters.succession_refused == 0
    assert play.capacity.kept_bytes == 0


@pytest.mark.parametrize("cap", ["max_flows", "max_flows_per_source"])
def test_a_flow_that_was_given_up_makes_room_at_a_cap(stage: Stage, cap: str) -> None:
    """Else its client would stay with a dead backend as long as it sends."""
    play = stage(backends=2, on_backend_down="move", **{cap: 1})
    play.client(A, b"x")
    play.commands()
    play.goes_down("b0")
    play.fire()
    play.client(A, b"y")
    play.expect(closes(1, "moved"), opens(2, "b1"), sends(2, b"y"))
    assert play.dropped() == play.shed() == {}


def test_refused_trains_find_room_at_a_cap(stage: Stage) -> None:
    play = stage(backends=2, on_backend_down="move", max_flows=1)
    play.client(A, b"x")
    play.commands()
    ejected(play, 1)
    play.fire()
    (closing, opening, _) = play.commands()
    assert [closing, opening] == [closes(1, "moved"), opens(2, "b1")]
    assert play.dropped() == {}


def test_a_flow_that_is_drained_makes_room_at_a_cap(stage: Stage) -> None:
    play = stage(backends=2, max_flows=1)
    play.client(A, b"x")
    play.commands()
    play.cluster.drain_began(play.now, play.backend("b0"), 0.0, "move")
    play.fire()
    play.client(A, b"y")
    play.expect(closes(1, "drained"), opens(2, "b1"), sends(2, b"y"))


def test_a_reply_to_a_flow_that_just_gave_up_is_passed_on(stage: Stage) -> None:
    """One firing looks into a leaving flow's socket and closes it to make room: a reply waits."""
    play = stage(backends=2, on_backend_down="move", responses=1, back_timeout=1, max_flows=1)
    play.client(A, b"q")
    play.commands()
    play.refused(1)
    play.commands()
    play.wait(1.2)
    play.goes_down("b0")
    play.waiting[1] = [b"r"]
    play.fire()
    commands = play.commands()
    assert [line for line in commands if line.verb == "closes"] == [closes(1, "moved")]


def test_a_moved_flow_that_met_no_refusal_carries_on(stage: Stage) -> None:
    play = stage(backends=2, on_backend_down="move", new_flows_per_second=1)
    play.client(A, b"x")
    play.commands()
    play.goes_down("b0")
    play.fire()
    play.client(A, b"y")
    play.expect(sends(1, b"y"))
    play.refused(1)
    play.expect(closes(1, "refused"))
    assert play.dropped() == {"new_flows_per_second": 1}
    assert play.manager.counters.succession_refused == 1


@pytest.mark.parametrize("keys", [{"resend": False, "backends": 2}, {"requests": 1}])
def test_where_nothing_was_to_be_rescued_the_old_flow_carries_on(
    stage: Stage, keys: dict[str, Any]
) -> None:
    play = stage(on_backend_down="move", new_flows_per_second=1, **keys)
    play.client(A, b"x")
    play.commands()
    play.refused(1)
    play.commands()
    play.goes_down("b0")
    play.fire()
    play.client(A, b"y")
    play.expect(sends(1, b"y"))
    assert play.manager.counters.succession_refused == 1


def test_a_rescued_train_of_a_client_that_is_barred_by_now_is_dropped(stage: Stage) -> None:
    play = stage(backends=2, on_backend_down="move", own=["0.0.0.0:40000"])
    play.client(A, b"x")
    play.commands()
    ejected(play, 1)
    play.own.hosts_changed([play.flows[1].client.ip])
    play.fire()
    play.expect()
    assert play.dropped() == {"bad_source": 3}


def test_a_rescue_waits_for_the_next_round_where_this_one_admitted_enough(stage: Stage) -> None:
    play = stage(backends=2, on_backend_down="move")
    play.client(A, b"x")
    play.commands()
    play.goes_down("b0")
    play.fire()
    crowd = [(client_at(number), [b"x"]) for number in range(2, ADMISSIONS_PER_ROUND + 2)]
    play.round(*crowd)
    play.commands()
    play.refused(1)
    play.expect(postpones(A, b"x"))
    play.round()
    play.expect(opens(66, "b1"), sends(66, b"x"))


# Flows that were leaving already


def test_per_query_flows_are_rescued_too(stage: Stage) -> None:
    play = stage(backends=2, on_backend_down="move", requests=1, responses=1)
    play.backend("b1").flows += 1
    here = (b"\xc0\x00\x02\x01", 0)
    for number, datagram in ((1, b"1"), (3, b"2"), (5, b"3")):
        play.client(A, datagram, local=here)
        play.expect(opens(number, "b0"), sends(number, datagram))
        play.client(B, b"y")
        play.expect(opens(number + 1, "b1"), sends(number + 1, b"y"))
        play.reply(number + 1, b"Y")
        play.commands()
        play.refused(number)
        play.expect(*([resends(number, datagram)] if number < 5 else []))
    play.backend("b1").flows -= 1
    play.fire()
    # While an upstream is opened for the first, its client's others wait for the next round.
    play.expect(opens(7, "b1"), sends(7, b"1"), postpones(A, b"2"), postpones(A, b"3"))
    play.round()
    play.expect(opens(8, "b1"), sends(8, b"2"), opens(9, "b1"), sends(9, b"3"))
    assert {play.flows[number].local for number in (7, 8, 9)} == {here}
    play.wait(60.0)
    reasons = {number: str(play.ended[number]) for number in play.ended}
    assert reasons == {
        **dict.fromkeys((1, 3, 5), "moved"),
        **dict.fromkeys((2, 4, 6), "answered"),
        **dict.fromkeys((7, 8, 9), "requests"),
    }
    play.commands()


def test_a_leaving_flow_and_its_successor_on_the_same_backend_both_move(stage: Stage) -> None:
    play = stage(backends=2, on_backend_down="move", requests=4, balance="least_flows")
    play.backend("b1").flows += 10
    play.client(A, b"x")
    play.expect(opens(1, "b0"), sends(1, b"x"))
    ejected_but_one = ((b"a", True), (b"b", True), (b"c", False))
    for datagram, refused in ejected_but_one:
        play.client(A, datagram)
        play.expect(sends(1, datagram))
        if refused:
            play.refused(1)
            play.expect(resends(1, datagram))
    play.client(A, b"y")
    play.expect(opens(2, "b0"), sends(2, b"y"))
    play.backend("b1").flows -= 10
    play.refused(2)
    play.expect()
    assert not play.backend("b0").up
    play.fire()
    play.expect(opens(3, "b1"), sends(3, b"a", b"b", b"c"), postpones(A, b"y"))
    play.round()
    play.expect(sends(3, b"y"))
    assert [str(play.flows[number].leave_reason) for number in (1, 2)] == ["moved", "moved"]


# Several listeners


def test_two_listeners_on_one_cluster_both_move(stage: Stage) -> None:
    first = stage(backends=2, on_backend_down="move")
    second = stage(cluster=first.cluster)
    first.client(A, b"x")
    first.expect(opens(1, "b0"), sends(1, b"x"))
    second.client(B, b"y")
    second.expect(opens(1, "b1"), sends(1, b"y"))
    second.client(C, b"z")
    second.expect(opens(2, "b0"), sends(2, b"z"))
    for play in (first, second):
        play.wait(1.0)
    ejected(first, 1)
    first.expect()
    for play, lines in (
        (first, [opens(2, "b1"), sends(2, b"a", b"b", b"c")]),
        (second, []),
    ):
        assert play.manager.next_deadline() <= play.now
        play.fire()
        play.expect(*lines)
    second.client(C, b"!")
    second.expect(opens(3, "b1"), sends(3, b"!"))
    second.reply(1, b"of b1")
    second.expect(answers(1, b"of b1"))


# What is not sent is not lost either


def test_a_train_without_a_route_follows_its_flow(stage: Stage) -> None:
    """The last of the signals that take a backend down: what met it is not dropped."""
    play = stage(backends=2, on_backend_down="move", health=HealthSettings(refusals=1))
    play.client(A, b"x")
    play.commands()
    play.flows[1].reopened_at = play.now
    play.lost(1, b"x")
    play.expect()
    play.fire()
    play.expect(opens(2, "b1"), sends(2, b"x"))
    assert play.dropped() == {}


def test_a_failed_send_forgets_nothing_that_was_refused(stage: Stage) -> None:
    play = stage(backends=2, on_backend_down="move")
    play.client(A, b"a")
    play.commands()
    play.refused(1)
    play.commands()
    play.refuse_next("oversize")
    play.client(A, b"large")
    play.commands()
    play.goes_down("b0")
    play.fire()
    play.expect(opens(2, "b1"), sends(2, b"a"))


def test_old_refusals_bring_no_old_datagrams_back(stage: Stage) -> None:
    """Nobody replies to syslog; a refusal an hour ago says nothing about what was sent since."""
    play = stage(backends=2, on_backend_down="move", balance="hrw", front_timeout=9_000)
    play.client(A, b"a")
    play.commands()
    play.refused(1)
    play.commands()
    for number in range(100):
        play.wait(36.0)
        play.client(A, b"%d" % number)
        play.commands()
    name = play.flows[1].backend.name
    play.goes_down(name)
    play.fire()
    play.expect()


def test_a_thousand_backends_at_once_are_one_sweep(stage: Stage) -> None:
    play = stage(backends=1_000, on_backend_down="move")
    play.without_checks()
    for number in range(10):
        play.client(client_at(number), b"x")
        play.commands()
    for each in play.cluster.backends[:999]:
        went_down(play.cluster, each, play.now)
    play.fire()
    assert not play.manager.sweeping
    assert {flow.state for flow in play.flows.values()} == {State.LEAVING}


def test_who_is_up_again_carries_on_at_a_cap(stage: Stage) -> None:
    play = stage(backends=2, on_backend_down="move", max_flows=1)
    play.client(A, b"x")
    play.commands()
    play.goes_down("b0")
    play.fire()
    play.comes_up("b0")
    play.client(A, b"y")
    play.expect(sends(1, b"y"))
