"""Backends that refuse and go down: what is sent again, what moves, and what stays."""

from __future__ import annotations

import pytest

from tests.core.conftest import Stage
from tests.core.playbook import Playbook, client_at
from tests.core.transcript import answers, closes, opens, reads, resends, sends
from udplb.core.notices import AllBackendsWentDown, BackendCameUp, BackendWentDown

A = client_at(1)
B = client_at(2)
C = client_at(3)


def ejected(play: Playbook, flow: int) -> None:
    """The flow's client sends a, b and c, and each is refused: the third ejects the backend."""
    client = play.flows[flow].client_address
    for datagram in (b"a", b"b"):
        play.client(client, datagram)
        play.expect(sends(flow, datagram))
        play.refused(flow)
        play.expect(resends(flow, datagram))
    play.client(client, b"c")
    play.expect(sends(flow, b"c"))
    assert play.flows[flow].backend.up
    play.refused(flow)
    assert not play.flows[flow].backend.up


# Keep


def test_keep_leaves_flows_where_they_are(stage: Stage) -> None:
    play = stage(backends=2, on_backend_down="keep")
    play.client(A, b"x")
    play.commands()
    ejected(play, 1)
    play.expect(resends(1, b"c"))
    assert play.manager.next_deadline() > play.now
    play.client(A, b"d")
    play.expect(sends(1, b"d"))
    for number in range(2, 6):
        play.client(client_at(number), b"x")
        play.expect(opens(number, "b1"), sends(number, b"x"))
    play.wait(5.0)
    play.tick()
    assert play.backend("b0").up
    play.reply(1, b"back")
    play.expect(answers(1, b"back"))
    assert play.backend("b0").health.standing == "trusted"


# Move


def test_under_move_all_that_was_refused_goes_to_the_new_backend_at_once(stage: Stage) -> None:
    play = stage(backends=2, on_backend_down="move", responses=1)
    play.client(A, b"x")
    play.commands()
    play.reply(1, b"X")
    play.commands()
    play.client(A, b"")
    play.expect()
    play.client(A, b"0")
    play.expect(opens(2, "b1"), sends(2, b"0"))
    play.client(B, b"1")
    play.expect(opens(3, "b0"), sends(3, b"1"))
    ejected(play, 3)
    play.expect()
    assert play.manager.next_deadline() <= play.now, "the timer has to fire"
    play.fire()
    play.expect(opens(4, "b1"), sends(4, b"a", b"b", b"c"))
    assert (play.flows[3].state, play.flows[3].requests) == ("leaving", 4)
    assert (play.flows[4].requests, play.flows[4].replies) == (3, 0)
    counters = play.manager.counters
    assert counters.resent == 2 + 3
    assert (counters.requests, counters.request_bytes) == (6, 6), "each counts once"
    assert [each.requests for each in play.cluster.backends] == [5, 4]
    play.reply(4, b"A", b"B")
    play.expect(answers(4, b"A", b"B"))
    play.reply(4, b"C")
    play.expect(answers(4, b"C"), closes(4, "answered"))
    play.wait(60.0)
    play.expect(reads(3), closes(3, "moved"), reads(2), closes(2, "idle"))


def test_what_others_sent_since_refusals_began_goes_too(stage: Stage) -> None:
    """Their refusals may never come: hosts limit how many they send."""
    play = stage(backends=2, balance="least_flows", on_backend_down="move")
    for client, _ in zip((A, B, C), range(3), strict=True):
        play.cluster.backends[1].flows += 10
        play.client(client, b"early")
        play.commands()
        play.cluster.backends[1].flows -= 10
    play.wait(0.5)
    play.client(A, b"a")
    play.commands()
    play.refused(1)
    play.commands()
    play.wait(0.25)
    play.client(B, b"in vain")
    play.commands()
    play.refused(1)
    play.commands()
    play.client(A, b"b")
    play.commands()
    play.refused(1)
    play.expect()
    play.fire()
    # What was sent up to a second before comes along: it had no reply, so it may be lost as well.
    play.expect(
        opens(4, "b1"), sends(4, b"a", b"b"), opens(5, "b1"), sends(5, b"early", b"in vain")
    )
    assert [play.flows[number].state for number in (1, 2, 3)] == ["leaving"] * 3
    play.client(C, b"late")
    play.expect(opens(6, "b1"), sends(6, b"late"))


def test_a_refusal_that_is_read_after_the_flow_moved(stage: Stage) -> None:
    play = stage(backends=2, on_backend_down="move")
    play.client(A, b"x")
    play.commands()
    play.goes_down("b0")
    play.fire()
    play.expect()
    play.refused(1)
    play.expect(opens(2, "b1"), sends(2, b"x"))
    play.refused(1)
    play.expect()
    play.client(A, b"y")
    play.expect(sends(2, b"y"))


def test_such_a_refusal_follows_its_client_to_the_flow_that_it_has(stage: Stage) -> None:
    play = stage(backends=2, on_backend_down="move")
    play.client(A, b"x")
    play.commands()
    play.goes_down("b0")
    play.fire()
    play.client(A, b"y")
    play.expect(opens(2, "b1"), sends(2, b"y"))
    play.refused(1)
    play.expect(sends(2, b"x"))
    assert play.manager.counters.requests == 2
    assert play.manager.counters.resent == 1


def test_also_to_one_on_the_backend_that_refused_and_is_back(stage: Stage) -> None:
    play = stage(backends=2, on_backend_down="move")
    play.client(A, b"x")
    play.commands()
    play.goes_down("b0")
    play.fire()
    play.comes_up("b0")
    play.goes_down("b1")
    play.fire()
    play.client(A, b"y")
    play.expect(opens(2, "b0"), sends(2, b"y"))
    play.refused(1)
    play.expect(sends(2, b"x"))


def test_what_met_a_refusal_goes_along_for_whatever_reason_the_backend_is_down(
    stage: Stage,
) -> None:
    """A reply on another flow came after the refusal, so that no refusal counts any more."""
    play = stage(backends=3, balance="least_flows", on_backend_down="move")
    for name in ("b1", "b2"):
        play.backend(name).flows += 10
    for client in (A, B):
        play.client(client, b"x")
        play.commands()
    for name in ("b1", "b2"):
        play.backend(name).flows -= 10
    play.refused(1)
    play.expect(resends(1, b"x"))
    play.reply(2, b"X")
    play.commands()
    play.goes_down("b0")
    play.fire()
    play.expect(opens(3, "b1"), sends(3, b"x"))


def test_probes_move_flows_and_take_nothing_along(stage: Stage) -> None:
    """A stopped process refuses nothing; what it has may yet be answered."""
    play = stage(backends=2, on_backend_down="move", back_timeout=3.0)
    play.client(A, b"x")
    play.commands()
    play.goes_down("b0")
    assert play.told() == [BackendWentDown(play.backend("b0"), another_up=True)]
    play.fire()
    play.expect()
    play.client(A, b"y")
    play.expect(opens(2, "b1"), sends(2, b"y"))
    play.reply(1, b"X")
    play.expect(answers(1, b"X"))
    play.wait(3.0)
    play.expect(reads(1), closes(1, "moved"))


def test_who_comes_back_has_new_flows_and_moved_ones_stay(stage: Stage) -> None:
    play = stage(backends=2, on_backend_down="move")
    play.client(A, b"x")
    play.commands()
    play.goes_down("b0")
    play.fire()
    play.client(A, b"y")
    play.expect(opens(2, "b1"), sends(2, b"y"))
    play.told()
    play.comes_up("b0")
    assert play.told() == [BackendCameUp(play.backend("b0"))]
    play.fire()
    play.client(A, b"z")
    play.expect(sends(2, b"z"))
    play.client(B, b"x")
    play.expect(opens(3, "b0"), sends(3, b"x"))


@pytest.mark.parametrize("way", ["move", "close"])
def test_who_comes_back_at_once_keeps_the_flows_that_are_left(stage: Stage, way: str) -> None:
    play = stage(backends=2, on_backend_down=way)
    play.client(A, b"x")
    play.commands()
    play.goes_down("b0")
    play.comes_up("b0")
    play.fire()
    play.expect()
    play.client(A, b"y")
    play.expect(sends(1, b"y"))


@pytest.mark.parametrize("way", ["move", "close"])
def test_with_none_up_all_flows_stay(stage: Stage, way: str) -> None:
    play = stage(backends=2, on_backend_down=way)
    play.goes_down("b1")
    play.client(A, b"x")
    play.expect(opens(1, "b0"), sends(1, b"x"))
    play.told()
    ejected(play, 1)
    play.expect(resends(1, b"c"))
    b0 = play.backend("b0")
    assert play.told() == [BackendWentDown(b0, another_up=False), AllBackendsWentDown()]
    play.fire()
    play.expect()
    play.client(A, b"d")
    play.expect(sends(1, b"d"))
    play.comes_up("b1")
    play.client(A, b"e")
    play.expect(sends(1, b"e"))


@pytest.mark.parametrize("way", ["move", "close"])
def test_who_comes_up_after_the_last_one_went_down_takes_flows_over(stage: Stage, way: str) -> None:
    """While all were down the flows stayed; nobody shall stay with a server that is gone."""
    play = stage(backends=2, on_backend_down=way)
    play.goes_down("b1")
    play.fire()
    play.client(A, b"x")
    play.expect(opens(1, "b0"), sends(1, b"x"))
    play.goes_down("b0")
    play.fire()
    play.client(A, b"meanwhile")
    play.expect(sends(1, b"meanwhile"))
    play.comes_up("b1")
    play.fire()
    play.expect(*([closes(1, "backend_down")] if way == "close" else []))
    play.client(A, b"y")
    play.expect(opens(2, "b1"), sends(2, b"y"))


@pytest.mark.parametrize("way", ["move", "close"])
def test_flows_that_are_left_stay_when_the_others_go_down_too(stage: Stage, way: str) -> None:
    play = stage(backends=2, on_backend_down=way)
    play.client(A, b"x")
    play.commands()
    play.goes_down("b0")
    play.goes_down("b1")
    play.fire()
    play.expect()
    play.client(A, b"y")
    play.expect(sends(1, b"y"))


@pytest.mark.parametrize("fail_open", [True, False])
def test_with_all_down_it_is_said_once_and_not_per_datagram(stage: Stage, fail_open: bool) -> None:
    play = stage(backends=2, fail_open=fail_open)
    for name in ("b0", "b1"):
        play.goes_down(name)
    assert play.told().count(AllBackendsWentDown()) == 1
    for number in range(1, 5):
        play.client(client_at(number), b"x")
        assert len(play.commands()) == (2 if fail_open else 0)
        play.goes_down("b0")
    assert play.dropped() == ({} if fail_open else {"no_backend": 4})
    assert play.told() == []


# Close


def test_close(stage: Stage) -> None:
    play = stage(backends=2, on_backend_down="close")
    for client in (A, B):
        play.client(client, b"x")
        play.commands()
    play.goes_down("b0")
    play.fire()
    play.expect(closes(1, "backend_down"))
    play.client(A, b"y")
    play.expect(opens(3, "b1"), sends(3, b"y"))
