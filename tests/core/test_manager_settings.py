"""Settings that change under live flows: of the listener, of its cluster, and who has to go."""

from __future__ import annotations

from ipaddress import ip_network
from math import inf
from typing import Any

import pytest

from tests.core.conftest import Stage
from tests.core.playbook import Playbook, backend, client_at
from tests.core.transcript import answers, closes, opens, reads, resends, sends
from udplb.core.flow import ClientAddress, client_of
from udplb.core.manager import CLOSES_PER_FIRING
from udplb.core.settings import HealthSettings

A = client_at(1)
B = client_at(2)
C = client_at(3)
TICK = 1 / 64


def net(*clients: ClientAddress) -> tuple[Any, ...]:
    return tuple(ip_network(client[0]) for client in clients)


def with_flows(stage: Stage, *clients: ClientAddress, **keys: Any) -> Playbook:
    """Each of these clients has a flow, 1, 2, ... on b0, b1, ..."""
    play = stage(**{"backends": 2, **keys})
    for client in clients:
        play.client(client, b"x")
        play.commands()
    return play


# Of the listener


def test_who_is_denied_now_goes_and_nobody_else(stage: Stage) -> None:
    play = with_flows(stage, A, B, C)
    play.listener_changed(deny=net(A, C))
    assert play.manager.next_deadline() == 0.0
    play.fire()
    play.expect(closes(1, "denied"), closes(3, "denied"))
    play.client(A, b"y")
    play.client(B, b"y")
    play.expect(sends(2, b"y"))
    assert play.dropped() == {"denied": 1}
    play.listener_changed(deny=())
    play.client(A, b"z")
    play.expect(opens(4, "b1"), sends(4, b"z"))


def test_who_is_no_longer_allowed_goes_leaving_or_not(stage: Stage) -> None:
    play = with_flows(stage, A, B, requests=1)
    play.listener_changed(allow=net(B))
    play.fire()
    play.expect(closes(1, "denied"))
    play.listener_changed(allow=net(B, A))
    play.fire()
    play.expect()


def test_the_denied_go_in_slices_and_who_is_allowed_again_stays(stage: Stage) -> None:
    play = stage(backends=2)
    for number in range(CLOSES_PER_FIRING + 10):
        play.round((client_at(number), [b"x"]))
        play.commands()
    everybody = (ip_network("198.18.0.0/15"),)
    play.listener_changed(deny=everybody)
    play.listener_changed(deny=(*everybody, *net(A)))
    play.fire()
    assert len(play.commands()) == CLOSES_PER_FIRING
    play.listener_changed(deny=())
    play.fire()
    play.expect()
    assert len(play.live) == 10
    assert not play.manager.sweeping


def test_the_denied_behind_a_walk_go_as_well(stage: Stage) -> None:
    play = stage(backends=2)
    for number in range(CLOSES_PER_FIRING + 10):
        play.round((client_at(number), [b"x"]))
        play.commands()
    everybody = (ip_network("198.18.0.0/15"),)
    play.listener_changed(deny=everybody)
    play.fire()
    play.commands()
    play.listener_changed(deny=())
    play.client(A, b"x")  # in a place that the walk has behind it
    play.commands()
    play.listener_changed(deny=everybody)
    while play.manager.sweeping:
        play.fire()
        play.commands()
    assert play.live == []


def test_other_changes_of_the_listener_close_nobody(stage: Stage) -> None:
    play = with_flows(stage, A, B, deny=net(C))
    play.listener_changed(max_flows=1, max_flows_per_source=1, new_flows_per_second=1)
    assert not play.manager.sweeping
    play.client(client_at(4), b"x")
    play.client(A, b"y")
    play.expect(sends(1, b"y"))
    assert play.shed() == {"max_flows": 1}
    play.listener_changed(max_flows=0)
    play.client(client_at(4), b"x")
    play.expect(opens(3, "b0"), sends(3, b"x"))
    play.client(client_at(5), b"x")
    assert play.shed() == {"max_flows": 1, "new_flows_per_second": 1}


def test_a_replaced_listener_relays_what_its_clients_are_owed(stage: Stage) -> None:
    play = with_flows(stage, A, B, front_timeout=60.0, back_timeout=4.0)
    play.manager.listener_replaced(play.now, play.now + 6.0)
    play.fire()
    play.expect()
    assert {flow.state for flow in play.flows.values()} == {"leaving"}
    for _ in range(2):
        play.wait(3.0 - TICK)
        play.commands()
        play.reply(1, b"X")
        play.expect(answers(1, b"X"))
    assert play.ended == {2: "listener_removed"}, "nobody replied any more"
    play.client(C, b"x")
    assert play.dropped() == {"draining": 1}
    play.wait(2 * TICK)
    play.expect(closes(1, "listener_removed"))


def test_a_replaced_listeners_flows_hear_of_backends_to_their_end(stage: Stage) -> None:
    play = with_flows(stage, A, B, on_backend_down="close")
    play.manager.listener_replaced(play.now, inf)
    play.fire()
    play.goes_down("b0")
    play.fire()
    play.expect(closes(1, "backend_down"))


def test_a_removed_listener_closes_all_and_takes_nobody(stage: Stage) -> None:
    play = with_flows(stage, A, B)
    play.manager.listener_removed()
    play.client(C, b"x")
    play.expect()
    play.fire()
    play.expect(closes(1, "listener_removed"), closes(2, "listener_removed"))
    play.client(A, b"x")
    play.expect()
    assert play.dropped() == {"draining": 2}


def test_who_withdrew_hears_nothing_any_more(stage: Stage) -> None:
    play = stage(backends=2)
    play.manager.withdraw()
    assert play.manager not in play.cluster.watchers
    play.reconfigured(resend=False)
    play.reconfigured(resend=True)


# Of the cluster


def test_backends_that_go_together_are_left_in_one_walk(stage: Stage) -> None:
    play = with_flows(stage, A, B, C, backends=3, front_timeout=60.0, back_timeout=50.0)
    play.reconfigured(8.0, backends=(backend(2), backend(5)))
    play.fire()
    assert not play.manager.sweeping, "one firing saw all"
    assert [str(play.flows[number].state) for number in (1, 2, 3)] == [
        "leaving", "leaving", "current",
    ]  # fmt: skip
    play.reply(1, b"late")
    play.expect(answers(1, b"late"))
    play.client(A, b"y")
    play.expect(opens(4, "b2"), sends(4, b"y"))
    play.wait(8.0)
    ended = sorted(play.commands(), key=lambda line: line.flow)
    assert ended == [closes(1, "backend_removed"), closes(2, "backend_removed")]


def test_a_backend_that_comes_back_is_another(stage: Stage) -> None:
    play = with_flows(stage, A, backends=1, back_timeout=60.0)
    before = play.cluster.settings.backends
    play.reconfigured(8.0, backends=())
    play.reconfigured(8.0, backends=before)
    play.fire()
    play.client(A, b"y")
    play.expect(opens(2, "b0"), sends(2, b"y"))
    assert play.flows[1].backend is not play.flows[2].backend
    play.wait(8.0)
    play.expect(closes(1, "backend_removed"))
    assert play.backend("b0").flows == 1


@pytest.mark.parametrize("on_backend_down", ["move", "close"])
def test_what_happens_to_flows_of_those_down_changes_at_once(
    stage: Stage, on_backend_down: str
) -> None:
    play = with_flows(stage, A, B, on_backend_down="keep")
    play.goes_down("b0")
    play.fire()
    play.expect()
    play.reconfigured(on_backend_down=on_backend_down)
    play.fire()
    play.expect(*([closes(1, "backend_down")] if on_backend_down == "close" else []))
    play.client(A, b"y")
    play.expect(opens(3, "b1"), sends(3, b"y"))


@pytest.mark.parametrize("before", ["move", "close"])
@pytest.mark.parametrize("after", ["keep", "move", "close"])
def test_what_was_begun_otherwise_is_not_gone_on_with(
    stage: Stage, before: str, after: str
) -> None:
    play = with_flows(stage, A, B, on_backend_down=before)
    play.goes_down("b0")
    play.reconfigured(on_backend_down=after)
    play.fire()
    play.expect(*([closes(1, "backend_down")] if after == "close" else []))
    if after != "close":
        assert play.flows[1].state == ("leaving" if after == "move" else "current")


def test_flows_of_those_down_go_when_a_backend_joins_that_is_up(stage: Stage) -> None:
    play = with_flows(stage, A, backends=1, on_backend_down="close")
    play.goes_down("b0")
    play.fire()
    play.expect()
    play.reconfigured(backends=(backend(0), backend(1)))
    play.fire()
    play.expect(closes(1, "backend_down"))


def test_and_when_one_stops_to_drain(stage: Stage) -> None:
    """Nobody was told that all are down: none was to take new flows."""
    play = with_flows(stage, A, backends=[backend(0), backend(1, state="drain")], responses=1,
                      on_backend_down="close")  # fmt: skip
    play.drains("b0")
    play.goes_down("b0")
    play.fire()
    play.expect()
    assert not play.cluster.all_down
    play.cluster.drain_ended(play.now, play.backend("b1"))
    play.fire()
    play.expect(closes(1, "backend_down"))


def test_live_flows_keep_their_terms(stage: Stage) -> None:
    play = with_flows(stage, A, responses=1, front_timeout=5.0)
    play.reconfigured(responses=2, front_timeout=50.0)
    play.reply(1, b"X")
    play.expect(answers(1, b"X"), closes(1, "answered"))
    play.client(A, b"x")
    play.expect(opens(2, "b1"), sends(2, b"x"))
    play.reply(2, b"X")
    play.expect(answers(2, b"X"))
    play.reply(2, b"Y")
    play.expect(answers(2, b"Y"), closes(2, "answered"))


def test_affinity_and_policy_are_of_new_flows(stage: Stage) -> None:
    play = with_flows(stage, A, B)
    play.reconfigured(balance="least_flows", backends=(backend(0), backend(1), backend(2)))
    play.client(A, b"y")
    play.expect(sends(1, b"y"))
    for number, name in ((3, "b2"), (4, "b0")):
        play.client(client_at(number), b"x")
        play.expect(opens(number, name), sends(number, b"x"))


# What is owed


def sent(play: Playbook, client: ClientAddress, *datagrams: bytes) -> None:
    play.client(client, *datagrams)
    play.commands()


def answered(play: Playbook, flow: int, *datagrams: bytes) -> None:
    play.reply(flow, *datagrams)
    play.commands()


def owed(play: Playbook, name: str = "b0") -> tuple[int, int]:
    return play.backend(name).owed, play.backend(name).answered


def test_what_is_owed_goes_by_the_terms_of_each_flow(stage: Stage) -> None:
    play = with_flows(stage, A, backends=1, responses=1)
    play.reconfigured(responses=3)
    sent(play, B, b"x")
    sent(play, A, b"y", b"z")
    assert owed(play) == (1 + 3 + 2, 0)
    answered(play, 2, b"X", b"Y")
    answered(play, 1, b"X")
    assert owed(play) == (6, 3)
    play.reconfigured(responses=0)
    sent(play, C, b"x")
    answered(play, 3, b"X")
    assert owed(play) == (6, 3), "it is not counted any more"
    play.failed(1, b"z", reason="send_failed")
    play.failed(3, b"x", reason="send_failed")
    play.commands()
    assert owed(play) == (5, 3)


def test_a_change_of_responses_ejects_nobody(stage: Stage) -> None:
    """1,000 requests that nobody was to answer, and now each is owed two replies."""
    health = HealthSettings(eject_below=0.9)
    play = with_flows(stage, A, backends=1, health=health)
    for _ in range(100):
        sent(play, A, *[b"x"] * 10)
        play.tick(0.05)
    play.reconfigured(responses=2)
    for _ in range(30):
        sent(play, B, b"x")
        answered(play, max(play.live), b"X", b"Y")
        play.tick(0.5)
    assert play.backend("b0").health.answered_share == 1.0
    assert play.backend("b0").up


# Sending again


def test_what_is_kept_is_not_sent_again_once_that_is_switched_off(stage: Stage) -> None:
    play = with_flows(stage, A)
    play.reconfigured(resend=False)
    play.refused(1)
    play.expect()


def test_what_was_sent_while_it_was_off_is_not_mistaken(stage: Stage) -> None:
    play = with_flows(stage, A)
    play.reconfigured(resend=False)
    play.client(A, b"y")
    play.expect(sends(1, b"y"))
    play.reconfigured(resend=True)
    play.refused(1)
    play.expect()
    play.client(A, b"z")
    play.expect(sends(1, b"z"))
    play.refused(1)
    play.expect(resends(1, b"z"))


def test_nor_does_it_follow_a_flow_that_moves(stage: Stage) -> None:
    play = with_flows(stage, A, on_backend_down="move")
    play.refused(1)
    play.expect(resends(1, b"x"))
    play.reconfigured(resend=False)
    play.goes_down("b0")
    play.fire()
    play.expect()
    play.client(A, b"y")
    play.expect(opens(2, "b1"), sends(2, b"y"))


def test_nor_is_it_waited_for(stage: Stage) -> None:
    """What has no route would go along with a flow that is to move, were it kept."""
    play = with_flows(stage, A, on_backend_down="move")
    play.reconfigured(resend=False)
    play.flows[1].reopened_at = play.now
    play.goes_down("b0")
    play.lost(1, b"x")
    play.expect()
    assert play.dropped() == {"unreachable": 1}


# Unsent, once


@pytest.mark.parametrize("kept", [False, True])
def test_what_has_no_route_is_unsent_once(stage: Stage, kept: bool) -> None:
    play = with_flows(stage, A, on_backend_down="move")
    b0 = play.backend("b0")
    play.flows[1].reopened_at = play.now
    if kept:
        play.goes_down("b0")
    play.lost(1, b"x")
    play.expect()
    # What will follow the flow to another backend was a request of this one, too.
    assert (b0.requests, b0.unsent) == ((1, 0) if kept else (0, 1))
    play.fire()
    play.expect(*([opens(2, "b1"), sends(2, b"x")] if kept else []))
    assert play.dropped() == ({} if kept else {"unreachable": 1})


# Why not


def test_why_a_client_would_get_no_flow(stage: Stage) -> None:
    play = with_flows(stage, A, deny=net(C), max_flows_per_source=1, fail_open=False)
    clients = {"a": client_of(A), "b": client_of(B), "c": client_of(C)}

    def reasons() -> dict[str, str | None]:
        return {name: play.manager.bar_reason(play.now, each) for name, each in clients.items()}

    assert reasons() == {"a": "max_flows_per_source", "b": None, "c": "denied"}
    for name in ("b0", "b1"):
        play.goes_down(name)
    assert reasons() == {"a": "max_flows_per_source", "b": "no_backend", "c": "denied"}
    play.drain_began()
    assert reasons()["b"] == "draining"
    assert play.dropped() == play.shed() == {}
    play.client(A, b"y")
    play.expect(sends(1, b"y"))
    play.wait(60.0)
    play.expect(reads(1), closes(1, "idle"))
