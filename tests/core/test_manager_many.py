"""Many flows at once: sweeps, crowds of deadlines, and what one firing may do of them."""

from __future__ import annotations

import pytest

from tests.core.conftest import Stage
from tests.core.playbook import Playbook, client_at
from tests.core.transcript import closes, opens, sends
from udplb.core.manager import CLOSES_PER_FIRING, VISITS_PER_FIRING


def crowd(play: Playbook, count: int) -> Playbook:
    """So many flows, all admitted now."""
    play.without_checks()
    for number in range(count):
        play.client(client_at(number), b"x")
        play.transcript.clear()
    play.manager.check_invariants()
    return play


@pytest.mark.parametrize(
    "count", [CLOSES_PER_FIRING - 1, CLOSES_PER_FIRING, CLOSES_PER_FIRING + 1, 600]
)
def test_a_sweep_closes_so_many_at_a_time(stage: Stage, count: int) -> None:
    play = crowd(stage(), count)
    play.flows_ended("operator")
    left = count
    while left:
        assert play.manager.next_deadline() <= play.now
        play.fire()
        came = play.commands()
        assert len(came) == min(left, CLOSES_PER_FIRING)
        assert {line.verb for line in came} == {"closes"}
        left -= len(came)
        play.manager.check_invariants()
        assert len(play.live) == left
    play.fire()
    play.expect()
    assert play.closed() == {"operator": count}


def test_a_sweep_visits_so_many_at_a_time(stage: Stage) -> None:
    play = crowd(stage(), VISITS_PER_FIRING + 2)
    play.flows_ended("operator", lambda flow: flow.id > VISITS_PER_FIRING)
    play.fire()
    play.expect()
    assert play.manager.next_deadline() <= play.now, "it goes on"
    play.fire()
    play.expect(
        closes(VISITS_PER_FIRING + 1, "operator"), closes(VISITS_PER_FIRING + 2, "operator")
    )
    assert play.manager.next_deadline() > play.now


def test_datagrams_pass_between_the_slices(stage: Stage) -> None:
    play = crowd(stage(), 300)
    play.flows_ended("operator")
    play.fire()
    play.commands()
    survivor = play.live[0]
    play.client(client_at(survivor - 1), b"still")
    assert [line.verb for line in play.commands()] == ["sends"]
    play.client(client_at(1_000), b"new")
    assert [line.verb for line in play.commands()] == ["opens", "sends"]
    play.fire()
    assert len(play.commands()) >= 44
    play.manager.check_invariants()


def test_sweeps_follow_each_other(stage: Stage) -> None:
    play = crowd(stage(), CLOSES_PER_FIRING)
    play.flows_ended("denied", lambda flow: flow.id % 3 == 0)
    play.flows_ended("operator", lambda flow: flow.id % 3 == 1)
    play.fire()
    play.commands()
    denied = CLOSES_PER_FIRING // 3
    assert play.closed() == {"denied": denied, "operator": denied + 1}, "both in one firing"
    assert all(number % 3 == 2 for number in play.live)


def test_a_removed_backend_lets_so_many_leave_at_a_time(stage: Stage) -> None:
    each = CLOSES_PER_FIRING + 44
    play = crowd(stage(backends=2), 2 * each)
    play.backend_removed("b0", 10.0)
    for left in (44, 0):
        play.fire()
        play.expect()
        states = [play.flows[number].state for number in play.live]
        assert states.count(states[1]) == each + left
        play.manager.check_invariants()
    play.wait(10.0)
    assert len(play.commands()) == each
    assert play.closed() == {"backend_removed": each}


@pytest.mark.parametrize(
    "count", [CLOSES_PER_FIRING - 1, CLOSES_PER_FIRING, CLOSES_PER_FIRING + 1, 600]
)
def test_a_firing_reads_so_many_idle_flows(stage: Stage, count: int) -> None:
    play = crowd(stage(front_timeout=2.0), count)
    play.now += 2.0
    left = count
    while left:
        assert play.manager.next_deadline() <= play.now
        play.fire()
        came = play.commands()
        assert len(came) == 2 * min(left, CLOSES_PER_FIRING)
        left -= len(came) // 2
    assert play.manager.next_deadline() > play.now
    assert play.closed() == {"idle": count}


def test_a_firing_lets_so_many_old_flows_leave(stage: Stage) -> None:
    play = crowd(stage(front_timeout=60.0, back_timeout=30.0, max_age=2.0), CLOSES_PER_FIRING + 44)
    play.now += 2.0
    play.fire()
    play.expect()
    states = [play.flows[number].state for number in play.live]
    assert states.count(play.flows[1].state) in (44, CLOSES_PER_FIRING)
    assert play.manager.next_deadline() <= play.now
    play.fire()
    play.expect()
    assert {str(play.flows[number].state) for number in play.live} == {"leaving"}
    assert play.manager.next_deadline() > play.now


def test_a_firing_ends_with_a_later_deadline_or_its_bound(stage: Stage) -> None:
    play = crowd(stage(front_timeout=2.0), 100)
    play.now += 1.0
    for number in range(50):
        play.client(client_at(number), b"y")
        play.transcript.clear()
    play.now += 1.0
    play.fire()
    assert len(play.commands()) == 100
    assert play.manager.next_deadline() > play.now
    assert len(play.live) == 50


def test_a_slab_that_empties_gives_its_places_back(stage: Stage) -> None:
    play = crowd(stage(), 100)
    play.flows_ended("operator", lambda flow: flow.id != 50)
    play.fire()
    play.commands()
    play.fire()
    play.commands()
    assert (len(play.manager.slab), len(play.manager.slab.places)) == (1, 100)
    play.client(client_at(500), b"x")
    play.commands()
    assert len(play.manager.slab.places) == 100, "a freed place is used again"


# Backends that go down


def crowd_on_b0(play: Playbook, count: int) -> Playbook:
    """So many flows on b0 and one on b1, that goes down when b0 is meant to be alone."""
    play.backend("b1").flows += 1 << 20
    crowd(play, count)
    play.backend("b1").flows -= 1 << 20
    assert play.backend("b0").flows == count
    return play


@pytest.mark.parametrize("count", [63, 64, 65, 2_000])
@pytest.mark.parametrize("way", ["move", "close"])
def test_flows_of_a_backend_that_went_down_go_so_many_at_a_time(
    stage: Stage, way: str, count: int
) -> None:
    play = crowd_on_b0(stage(backends=2, balance="least_flows", on_backend_down=way), count)
    play.goes_down("b0")
    left = count
    while left:
        assert play.manager.next_deadline() <= play.now
        play.fire()
        gone = min(left, CLOSES_PER_FIRING)
        left -= gone
        came = play.commands()
        assert [line.verb for line in came] == (["closes"] * gone if way == "close" else [])
        current = [flow for flow in play.manager.slab.places if flow and flow.state == "current"]
        assert len(current) == left
        play.manager.check_invariants()
    play.fire()
    play.expect()
    assert play.manager.next_deadline() > play.now


@pytest.mark.parametrize("count", [63, 64, 65, 2_000])
def test_trains_of_a_crowd_are_rescued_so_many_at_a_time(stage: Stage, count: int) -> None:
    play = crowd_on_b0(stage(backends=2, balance="least_flows", on_backend_down="move"), count)
    for number in range(3):
        play.client(client_at(number), b"y")
        play.transcript.clear()
        play.refused(number + 1)
        play.transcript.clear()
    assert not play.backend("b0").up
    left = count
    while left:
        assert play.manager.next_deadline() <= play.now
        play.fire()
        gone = min(left, CLOSES_PER_FIRING)
        left -= gone
        assert [line.verb for line in play.commands()] == ["opens", "sends"] * gone
        play.manager.check_invariants()
    play.fire()
    play.expect()
    assert play.postponed == []
    assert play.backend("b1").flows == play.backend("b0").flows == count
    assert play.manager.counters.requests == count + 3
    assert play.backend("b1").requests == count + 2, "all that was sent since the first refusal"


def test_a_rescued_train_waits_for_no_flow_whose_turn_to_leave_comes_later(stage: Stage) -> None:
    """The first client has a leaving flow at the begin of the slab and a current one at its end."""
    play = stage(backends=2, balance="least_flows", on_backend_down="move", requests=2)
    crowd_on_b0(play, CLOSES_PER_FIRING)
    play.backend("b1").flows += 1 << 20
    for datagram in (b"y", b"z"):
        play.client(client_at(0), datagram)
        play.transcript.clear()
    play.backend("b1").flows -= 1 << 20
    successor = play.flows[CLOSES_PER_FIRING + 1]
    assert (play.flows[1].state, successor.state) == ("leaving", "current")
    for _ in range(3):
        play.refused(successor.id)
        play.transcript.clear()
        play.refused(2)
        play.transcript.clear()
    assert not play.backend("b0").up
    play.fire()
    assert play.commands()[:2] == [opens(66, "b1"), sends(66, b"y")]
    assert successor.state == "leaving"
    play.fire()
    assert play.commands() == [sends(66, b"z")]
