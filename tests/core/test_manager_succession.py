"""Current and leaving flows: who carries which datagram, and who is left when a successor fails."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.conftest import Stage
from tests.core.playbook import Playbook, client_at
from tests.core.transcript import answers, closes, opens, postpones, reads, sends
from udplb.core.reasons import DropReason

A = client_at(1)
B = client_at(2)
TICK = 1 / 64


def test_after_requests_the_next_datagram_admits_a_successor(stage: Stage) -> None:
    play = stage(backends=2, requests=2)
    play.client(A, b"1")
    play.expect(opens(1, "b0"), sends(1, b"1"))
    play.client(A, b"2")
    play.expect(sends(1, b"2"))
    assert play.flows[1].state == "leaving"
    play.client(A, b"3")
    play.expect(opens(2, "b1"), sends(2, b"3"))
    play.client(A, b"4")
    play.expect(sends(2, b"4"))
    play.client(A, b"5")
    play.expect(opens(3, "b0"), sends(3, b"5"))


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_at_the_limit_of_requests(stage: Stage, length: int) -> None:
    play = stage(requests=3)
    play.client(A, *[b"x"] * length)
    play.commands()
    assert play.flows[1].requests == min(length, 3)
    assert play.flows[1].state == ("leaving" if length >= 3 else "current")
    assert play.live == ([1, 2] if length > 3 else [1])


def test_a_train_of_ten_with_three_requests_a_flow(stage: Stage) -> None:
    play = stage(backends=4, requests=3)
    play.client(A, *(b"%d" % number for number in range(10)))
    play.expect(
        opens(1, "b0"),
        sends(1, b"0", b"1", b"2"),
        opens(2, "b1"),
        sends(2, b"3", b"4", b"5"),
        opens(3, "b2"),
        sends(3, b"6", b"7", b"8"),
        opens(4, "b3"),
        sends(4, b"9"),
    )
    play.client(A, b"10", b"11", b"12")
    play.expect(sends(4, b"10", b"11"), opens(5, "b0"), sends(5, b"12"))
    assert {flow.predecessor for flow in play.flows.values()} == {None}, "no chain of dead flows"


def test_per_query_balancing_spreads_400_datagrams_evenly(stage: Stage) -> None:
    play = stage(backends=4, requests=1, responses=1)
    play.client(A, *(b"%d" % number for number in range(400)))
    while play.postponed:
        play.transcript.clear()
        play.round()
    play.commands()
    assert [each.requests for each in play.cluster.backends] == [100] * 4
    assert play.live == list(range(1, 401))
    for number in play.live:
        play.reply(number, b"r%d" % number)
        play.expect(answers(number, b"r%d" % number), closes(number, "answered"))
    assert play.closed() == {"answered": 400}


def test_the_65th_successor_of_a_round_is_postponed_with_all_that_follows(stage: Stage) -> None:
    play = stage(requests=1)
    play.client(A, *(b"%d" % number for number in range(66)))
    came = play.commands()
    assert came[-2:] == [sends(64, b"63"), postpones(A, b"64", b"65")]
    play.round()
    play.expect(opens(65, "b0"), sends(65, b"64"), opens(66, "b0"), sends(66, b"65"))


def test_successors_stay_at_the_local_address_that_the_client_had_sent_to(stage: Stage) -> None:
    play = stage(requests=1)
    here, there = (b"\xc0\x00\x02\x01", 0), (b"\xc0\x00\x02\x02", 0)
    play.client(A, b"1", b"2", local=here)
    play.commands()
    play.client(A, *[b"x"] * 65, local=there)
    play.commands()
    play.round()
    play.expect(opens(67, "b0"), sends(67, b"x"))
    assert {play.flows[number].local for number in (1, 2)} == {here}
    assert {play.flows[number].local for number in range(3, 68)} == {there}
    assert {flow.key for flow in play.flows.values()} == {(A, here), (A, there)}
    assert {flow.client_address for flow in play.flows.values()} == {A}


def test_a_leaving_flow_relays_replies_and_owes_only_its_own(stage: Stage) -> None:
    play = stage(backends=2, requests=2, responses=1)
    play.client(A, b"1", b"2", b"3")
    play.expect(opens(1, "b0"), sends(1, b"1", b"2"), opens(2, "b1"), sends(2, b"3"))
    play.reply(1, b"I")
    play.expect(answers(1, b"I"))
    play.client(A, b"4")
    play.expect(sends(2, b"4"))
    play.reply(2, b"III")
    play.expect(answers(2, b"III"))
    play.reply(1, b"II")
    play.expect(answers(1, b"II"), closes(1, "answered"))
    play.reply(2, b"IV")
    play.expect(answers(2, b"IV"), closes(2, "answered"))


@pytest.mark.parametrize(
    ("replied", "close_after"),
    [(None, 3.0), (2.0, 5.0)],
)
def test_a_leaving_flow_has_the_back_timeout_for_its_last_replies(
    stage: Stage, replied: float | None, close_after: float
) -> None:
    play = stage(requests=1, front_timeout=60.0, back_timeout=3.0)
    play.client(A, b"x")
    play.commands()
    if replied is not None:
        play.wait(replied)
        play.reply(1, b"r")
        play.commands()
    play.wait(close_after - (replied or 0.0) - TICK)
    play.expect()
    play.wait(TICK)
    play.expect(reads(1), closes(1, "requests"))


def test_leaving_can_bring_the_end_nearer(stage: Stage) -> None:
    play = stage(requests=2, front_timeout=1_000.0, back_timeout=0.5)
    play.client(A, b"x")
    play.commands()
    assert play.manager.next_deadline() > play.now + 900.0
    play.client(A, b"y")
    play.commands()
    assert play.manager.next_deadline() == play.now + 0.5


def test_a_leaving_flow_that_hears_something_when_read_stays(stage: Stage) -> None:
    play = stage(requests=1, back_timeout=3.0)
    play.client(A, b"x")
    play.commands()
    play.waiting[1] = [b"r"]
    play.wait(3.0)
    play.expect(reads(1), answers(1, b"r"))
    play.wait(3.0)
    play.expect(reads(1), closes(1, "requests"))


def test_a_leaving_flow_counts_in_caps_and_least_flows(stage: Stage) -> None:
    play = stage(backends=2, requests=1, balance="least_flows", max_flows=4)
    for number in range(1, 5):
        play.client(client_at(number), b"x")
        play.commands()
    assert [each.flows for each in play.cluster.backends] == [2, 2]
    play.client(client_at(5), b"x")
    play.expect()
    assert play.shed() == {"max_flows": 1}


# Refused successors


def settings_that_refuse(reason: str) -> dict[str, Any]:
    return {
        "max_flows": {"max_flows": 1},
        "max_flows_per_source": {"max_flows_per_source": 1},
        "new_flows_per_second": {"new_flows_per_second": 1},
    }.get(reason, {})


@pytest.mark.parametrize(
    "reason",
    [
        "max_flows",
        "max_flows_per_source",
        "new_flows_per_second",
        "draining",
        "no_backend",
        "no_descriptor",
        "no_port",
        "unreachable",
    ],
)
def test_the_old_flow_carries_on_when_its_successor_is_refused(stage: Stage, reason: str) -> None:
    play = stage(requests=2, responses=1, **settings_that_refuse(reason))
    play.client(A, b"1")
    play.commands()
    if reason == "draining":
        play.drain_began()
    elif reason == "no_backend":
        play.cluster.drain_began(0.0, play.backend("b0"))
    opening = []
    if reason in ("no_descriptor", "no_port", "unreachable"):
        play.open_failures.append(DropReason[reason.upper()])
        opening = [opens(2, "b0")]
    play.client(A, b"2", b"3", b"4")
    # The shell opens before it sends what an answer says, and after what the input said.
    play.expect(sends(1, b"2"), *opening, sends(1, b"3", b"4"))
    counters = play.manager.counters
    assert counters.succession_refused == 2
    assert play.dropped() == {}
    assert play.shed() == ({} if reason == "no_backend" else {reason: 1})
    assert (play.flows[1].requests, counters.requests, counters.admitted) == (4, 4, 1)
    assert play.flows[1].state == "leaving"
    play.reply(1, b"I", b"II", b"III")
    play.expect(answers(1, b"I", b"II", b"III"))
    play.reply(1, b"IV")
    play.expect(answers(1, b"IV"), closes(1, "answered"))


def test_a_carried_datagram_is_activity(stage: Stage) -> None:
    play = stage(requests=1, back_timeout=3.0, max_flows=1)
    play.client(A, b"x")
    play.commands()
    for _ in range(10):
        play.wait(2.0)
        play.client(A, b"y")
        play.expect(sends(1, b"y"))
    play.wait(3.0 - TICK)
    play.expect()
    play.wait(TICK)
    play.expect(reads(1), closes(1, "requests"))


def test_the_successor_comes_as_soon_as_it_may(stage: Stage) -> None:
    play = stage(backends=2, requests=1, new_flows_per_second=1)
    play.client(A, b"1")
    play.commands()
    play.client(A, b"2")
    play.expect(sends(1, b"2"))
    play.wait(1.0)
    play.client(A, b"3")
    play.expect(opens(2, "b1"), sends(2, b"3"))


def test_a_denied_client_has_no_successor_and_its_old_flow_carries_nothing(stage: Stage) -> None:
    play = stage(requests=1, own=["0.0.0.0:40000"])
    play.client(A, b"1")
    play.commands()
    play.own.hosts_changed([play.flows[1].client.ip])
    play.client(A, b"2")
    play.expect()
    assert play.dropped() == {"bad_source": 1}


def test_the_youngest_leaving_flow_carries_on(stage: Stage) -> None:
    play = stage(backends=2, requests=1, max_flows=2)
    play.client(A, b"1", b"2", b"3")
    play.expect(opens(1, "b0"), sends(1, b"1"), opens(2, "b1"), sends(2, b"2"), sends(2, b"3"))


def test_a_client_whose_leaving_flow_is_gone_is_unknown(stage: Stage) -> None:
    play = stage(requests=1, responses=1, max_flows=1)
    play.client(A, b"1")
    play.commands()
    play.reply(1, b"I")
    play.expect(answers(1, b"I"), closes(1, "answered"))
    play.client(A, b"")
    play.client(B, b"x")
    play.expect(opens(2, "b0"), sends(2, b"x"))
    play.client(A, b"2")
    play.expect()
    assert play.dropped() == {"empty": 1, "max_flows": 1}


def test_an_empty_datagram_is_a_request_of_a_client_that_has_a_flow(stage: Stage) -> None:
    play = stage(backends=2, requests=1)
    play.client(A, b"x", b"", b"y")
    play.expect(
        opens(1, "b0"),
        sends(1, b"x"),
        opens(2, "b1"),
        sends(2, b""),
        opens(3, "b0"),
        sends(3, b"y"),
    )


def test_an_undone_successor_leaves_no_trace(stage: Stage) -> None:
    play = stage(backends=2, requests=2, new_flows_per_second=2)
    play.client(A, b"1", b"2")
    play.commands()
    for attempt in (2, 3):
        play.open_failures.append(DropReason.NO_DESCRIPTOR)
        play.client(A, b"again")
        play.expect(opens(attempt, "b1"), sends(1, b"again"))
    play.client(A, b"3")
    play.expect(opens(4, "b1"), sends(4, b"3"))
    assert play.manager.counters.admitted == 2


def test_a_predecessor_that_ended_meanwhile_carries_nothing(stage: Stage) -> None:
    """Its last train fails on the way, which leaves it answered, before the successor fails."""
    play = stage(requests=3, responses=1)
    play.refuse_next("send_failed")
    play.client(A, b"1")
    play.expect(opens(1, "b0"), sends(1, b"1"))
    play.reply(1, b"nobody asked")
    play.expect(answers(1, b"nobody asked"))
    play.refuse_next("send_failed", "send_failed")
    play.open_failures.append(DropReason.NO_PORT)
    play.client(A, b"2", b"3", b"4", b"5")
    play.expect(sends(1, b"2", b"3", b"4"), closes(1, "answered"), opens(2, "b0"))
    assert play.dropped() == {"send_failed": 3, "no_port": 1}
    assert play.manager.counters.succession_refused == 0
    play.client(A, b"6")
    play.expect(opens(3, "b0"), sends(3, b"6"))


def test_a_leaving_flow_does_not_become_current_when_its_request_fails(stage: Stage) -> None:
    play = stage(backends=2, requests=1)
    play.refuse_next("oversize")
    play.client(A, b"1")
    play.expect(opens(1, "b0"), sends(1, b"1"))
    play.client(A, b"2")
    play.expect(opens(2, "b1"), sends(2, b"2"))
    assert play.flows[1].requests == 0


# A backend that is removed


def removed(stage: Stage, **keys: Any) -> Playbook:
    """Two flows of A and B on b0 and b1; then b0 is removed with 10 s of drain time."""
    play = stage(backends=2, **keys)
    play.client(A, b"x")
    play.commands()
    play.client(B, b"x")
    play.commands()
    play.backend_removed("b0", 10.0)
    play.fire()
    play.expect()
    return play


def test_flows_of_a_removed_backend_are_leaving(stage: Stage) -> None:
    play = removed(stage)
    assert (play.flows[1].state, play.flows[2].state) == ("leaving", "current")
    play.reply(1, b"late")
    play.expect(answers(1, b"late"))
    play.client(A, b"y")
    play.expect(opens(3, "b1"), sends(3, b"y"))
    play.client(B, b"y")
    play.expect(sends(2, b"y"))


def test_after_the_drain_time_the_rest_is_closed(stage: Stage) -> None:
    play = removed(stage, back_timeout=4.0, front_timeout=60.0)
    for _ in range(4):
        play.wait(2.0)
        play.reply(1, b"r")
        play.expect(answers(1, b"r"))
    play.wait(2.0 - TICK)
    play.reply(1, b"r")
    play.expect(answers(1, b"r"))
    play.wait(TICK)
    play.expect(closes(1, "backend_removed"))
    assert play.live == [2]


def test_a_silent_flow_of_a_removed_backend_ends_sooner(stage: Stage) -> None:
    play = removed(stage, back_timeout=4.0, front_timeout=60.0)
    play.wait(4.0 - TICK)
    play.expect()
    play.wait(TICK)
    play.expect(reads(1), closes(1, "backend_removed"))


def test_a_flow_that_was_leaving_already_ends_by_the_drain_time_too(stage: Stage) -> None:
    play = stage(backends=2, requests=1, back_timeout=60.0)
    play.client(A, b"x")
    play.commands()
    play.backend_removed("b0", 10.0)
    play.fire()
    play.wait(10.0 - TICK)
    play.expect()
    play.wait(TICK)
    play.expect(closes(1, "requests"))


def test_the_old_flow_of_a_removed_backend_carries_on_where_no_other_is(stage: Stage) -> None:
    play = stage(back_timeout=60.0)
    play.client(A, b"x")
    play.commands()
    play.backend_removed("b0", 10.0)
    play.fire()
    play.client(A, b"y")
    play.expect(sends(1, b"y"))
    assert play.manager.counters.succession_refused == 1
    play.wait(10.0)
    play.expect(closes(1, "backend_removed"))
    play.client(A, b"z")
    play.expect()
    assert play.dropped() == {"no_backend": 1}


def test_a_later_end_does_not_put_off_an_earlier_one(stage: Stage) -> None:
    play = removed(stage, back_timeout=60.0)
    play.manager.listener_replaced(play.now, play.now + 20.0)
    play.fire()
    play.expect()
    play.wait(10.0)
    play.expect(closes(1, "backend_removed"))


def test_no_drain_time_at_all(stage: Stage) -> None:
    play = stage(backends=2)
    play.client(A, b"x")
    play.commands()
    play.backend_removed("b0", 0.0)
    play.fire()
    play.expect(closes(1, "backend_removed"))
