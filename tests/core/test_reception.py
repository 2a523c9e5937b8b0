"""The reception: drops at admission, limits, openings that fail."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from tests.core.conftest import Stage
from tests.core.playbook import START, Playbook, client_at
from tests.core.transcript import answers, closes, opens, postpones, sends
from udplb.core.counters import Drop
from udplb.core.flow import ClientAddress
from udplb.core.limits import Capacity
from udplb.core.reasons import DropReason
from udplb.core.reception import ADMISSIONS_PER_ROUND
from udplb.core.settings import HealthSettings

A = client_at(1)
B = client_at(2)
C = client_at(3)

BLIND = HealthSettings(passive=False)
"""What fails here is no news about the backend's health."""


def picture(play: Playbook) -> dict[str, Any]:
    """Everything that the core shows: what was undone must not be seen in it."""
    counters = play.manager.counters
    return {
        "backends": [
            {
                name: getattr(each, name)
                for name in type(each).__slots__
                if name not in ("settings", "unsent")
            }
            for each in play.cluster.backends
        ],
        "counters": {
            name: dict(value) if isinstance(value := getattr(counters, name), dict) else value
            for name in type(counters).__slots__
            if name not in ("shed", "dropped")
        },
        "flows": {
            flow.id: {name: getattr(flow, name) for name in type(flow).__slots__}
            for flow in play.manager.slab.places
            if flow is not None
        },
        "live": play.capacity.live,
        "kept_bytes": play.capacity.kept_bytes,
        "next": play.manager.next_deadline(),
    }


# Drops at admission


def nets(*texts: str) -> tuple[Any, ...]:
    return tuple(map(ip_network, texts))


@pytest.mark.parametrize(
    ("lists", "client", "reason"),
    [
        ({"deny": nets("198.18.0.0/24")}, A, "denied"),
        ({"deny": nets("198.18.0.1/32")}, B, None),
        ({"allow": nets("198.18.0.1/32")}, A, None),
        ({"allow": nets("198.18.0.1/32")}, B, "denied"),
        ({"allow": nets("198.18.0.0/24"), "deny": nets("198.18.0.1/32")}, A, "denied"),
        ({"allow": nets("198.18.0.1/32"), "deny": nets("0.0.0.0/0")}, A, "denied"),
        ({"allow": nets("198.18.0.0/24"), "deny": nets("198.18.0.1/32")}, B, None),
        ({"deny": nets("198.18.0.1/32")}, ("::ffff:198.18.0.1", 40_000, 0, 0), "denied"),
        ({"allow": nets("198.18.0.1/32")}, ("::ffff:198.18.0.1", 40_000, 0, 0), None),
        ({"deny": nets("0.0.0.0/0")}, ("2001:db8::1", 40_000, 0, 0), None),
        ({"deny": nets("::/0")}, A, None),
        ({"deny": nets("2001:db8::/32")}, ("2001:db8::1", 40_000, 0, 0), "denied"),
    ],
)
def test_allow_and_deny(
    stage: Stage, lists: dict[str, Any], client: ClientAddress, reason: str | None
) -> None:
    play = stage(**lists)
    play.client(client, b"x", b"y")
    if reason is None:
        play.expect(opens(1, "b0"), sends(1, b"x", b"y"))
    else:
        play.expect()
        assert play.dropped() == {reason: 2}
        assert list(play.recent_drops) == [Drop(START, client, DropReason[reason.upper()])]


def test_source_port_0_is_no_client(stage: Stage) -> None:
    play = stage()
    play.client(client_at(1, 0), b"x")
    play.expect()
    assert play.dropped() == {"bad_source": 1}


@pytest.mark.parametrize(
    ("client", "own"),
    [
        (("192.0.2.1", 53), True),
        (("192.0.2.1", 54), False),
        (("192.0.2.2", 53), False),
        (("203.0.113.7", 69), True),
        (("203.0.113.8", 69), False),
        (("127.0.0.5", 69), True),
        (("::ffff:203.0.113.7", 69, 0, 0), True),
    ],
)
def test_our_own_listeners_are_no_clients(stage: Stage, client: ClientAddress, own: bool) -> None:
    play = stage(own=["192.0.2.1:53", "0.0.0.0:69"], hosts=["203.0.113.7"])
    play.client(client, b"loop")
    if own:
        play.expect()
        assert play.dropped() == {"bad_source": 1}
    else:
        play.expect(opens(1, "b0"), sends(1, b"loop"))


def test_an_empty_datagram_opens_no_flow(stage: Stage) -> None:
    play = stage()
    play.client(A, b"", b"")
    play.expect()
    assert play.dropped() == {"empty": 2}
    assert play.shed() == {}


def test_empty_datagrams_before_the_first_full_one_are_dropped_and_those_after_it_pass(
    stage: Stage,
) -> None:
    play = stage()
    play.client(A, b"", b"", b"x", b"", b"y")
    play.expect(opens(1, "b0"), sends(1, b"x", b"", b"y"))
    assert play.dropped() == {"empty": 2}
    play.client(A, b"")
    play.expect(sends(1, b""))
    assert play.flows[1].requests == 4


def test_a_denied_client_is_denied_before_anything_else_is_looked_at(stage: Stage) -> None:
    play = stage(deny=nets("198.18.0.0/16"), max_flows=1, new_flows_per_second=1)
    play.client(client_at(1, 0), b"")
    play.expect()
    assert play.dropped() == {"denied": 1}


def test_lists_are_checked_at_admission_only(stage: Stage) -> None:
    play = stage(own=["192.0.2.1:53", "0.0.0.0:69"])
    client: ClientAddress = ("203.0.113.7", 69)
    play.client(client, b"x")
    play.expect(opens(1, "b0"), sends(1, b"x"))
    play.own.hosts_changed([play.flows[1].client.ip])
    play.client(client, b"y")
    play.expect(sends(1, b"y"))


def test_no_backend(stage: Stage) -> None:
    play = stage(backends=0, new_flows_per_second=1)
    for _ in range(3):
        play.client(A, b"x", b"y")
        play.expect()
    assert play.dropped() == {"no_backend": 6}, "and never new_flows_per_second"
    assert play.shed() == {}


def test_what_the_shell_dropped_is_counted(stage: Stage) -> None:
    play = stage()
    for reason in ("oversize", "queue_full", "stray"):
        play.manager.datagrams_dropped(play.now, A, DropReason[reason.upper()], 2)
    play.client(A, b"x")
    play.commands()
    play.manager.reply_failed(play.now, play.flows[1], 3, DropReason.SEND_FAILED)
    assert play.dropped() == {"oversize": 2, "queue_full": 2, "stray": 2, "send_failed": 3}
    assert play.manager.counters.replies == 0
    assert [drop.client_address for drop in play.recent_drops] == [A] * 4


# Limits: at limit - 1, limit, limit + 1


def test_max_flows_of_the_listener(stage: Stage) -> None:
    play = stage(max_flows=3)
    for number in (1, 2, 3):
        play.client(client_at(number), b"x")
        play.expect(opens(number, "b0"), sends(number, b"x"))
    play.client(client_at(4), b"x", b"y")
    play.expect()
    assert (play.dropped(), play.shed()) == ({"max_flows": 2}, {"max_flows": 1})
    play.client(A, b"still here")
    play.expect(sends(1, b"still here"))
    play.flows_ended("operator", lambda flow: flow.id == 2)
    play.fire()
    play.expect(closes(2, "operator"))
    play.client(client_at(4), b"x")
    play.expect(opens(4, "b0"), sends(4, b"x"))


def test_max_flows_of_all_listeners_together(stage: Stage) -> None:
    capacity = Capacity(2)
    first, second = stage(capacity=capacity), stage(capacity=capacity)
    first.client(A, b"x")
    first.expect(opens(1, "b0"), sends(1, b"x"))
    second.client(A, b"x")
    second.expect(opens(2, "b0"), sends(2, b"x"))
    for play in (first, second):
        play.client(B, b"x")
        play.expect()
        assert play.shed() == {"max_flows": 1}
    capacity.change(3)
    second.client(B, b"x")
    second.expect(opens(3, "b0"), sends(3, b"x"))
    capacity.change(1)
    first.client(A, b"a cap below the live count closes nobody")
    assert capacity.live == 3
    first.commands()
    first.client(B, b"x")
    first.expect()


def test_max_flows_per_source_counts_the_ports_of_a_host(stage: Stage) -> None:
    play = stage(max_flows_per_source=2)
    for port in (1, 2):
        play.client(client_at(1, port), b"x")
        play.expect(opens(port, "b0"), sends(port, b"x"))
    play.client(client_at(1, 3), b"x")
    play.client(("::ffff:198.18.0.1", 4, 0, 0), b"x")
    play.expect()
    assert play.shed() == play.dropped() == {"max_flows_per_source": 2}
    play.client(client_at(2, 1), b"x")
    play.expect(opens(3, "b0"), sends(3, b"x"))


def test_an_ipv6_source_is_a_64(stage: Stage) -> None:
    play = stage(max_flows_per_source=2)
    play.client(("2001:db8:0:1::1", 1, 0, 0), b"x")
    play.commands()
    play.client(("2001:db8:0:1:ffff::1", 1, 0, 0), b"x")
    play.commands()
    play.client(("2001:db8:0:1::2", 1, 0, 0), b"x")
    play.expect()
    play.client(("2001:db8:0:2::1", 1, 0, 0), b"x")
    play.expect(opens(3, "b0"), sends(3, b"x"))


def test_new_flows_per_second(stage: Stage) -> None:
    play = stage(new_flows_per_second=2)
    for number in (1, 2):
        play.client(client_at(number), b"x")
        play.expect(opens(number, "b0"), sends(number, b"x"))
    play.client(C, b"x")
    play.expect()
    assert play.shed() == play.dropped() == {"new_flows_per_second": 1}
    play.wait(0.499)
    play.client(C, b"x")
    play.expect()
    play.wait(0.001)
    play.client(C, b"x")
    play.expect(opens(3, "b0"), sends(3, b"x"))


def test_a_refused_cap_takes_no_token(stage: Stage) -> None:
    play = stage(new_flows_per_second=2, max_flows=1)
    play.client(A, b"x")
    play.commands()
    for _ in range(5):
        play.client(B, b"x")
    play.flows_ended("operator")
    play.fire()
    play.commands()
    play.client(B, b"x")
    play.expect(opens(2, "b0"), sends(2, b"x"))


def test_a_draining_listener_takes_no_new_flows(stage: Stage) -> None:
    play = stage()
    play.client(A, b"x")
    play.commands()
    play.drain_began()
    play.client(B, b"x")
    play.expect()
    assert play.shed() == play.dropped() == {"draining": 1}
    play.client(A, b"y")
    play.expect(sends(1, b"y"))
    play.reply(1, b"z")
    play.expect(answers(1, b"z"))


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_a_round_admits_so_many_and_postpones_the_rest(stage: Stage, beyond: int) -> None:
    play = stage()
    clients = [client_at(number) for number in range(1, ADMISSIONS_PER_ROUND + beyond + 1)]
    play.round(*((client, [b"x"]) for client in clients))
    came = play.commands()
    admitted = min(len(clients), ADMISSIONS_PER_ROUND)
    assert len(play.live) == admitted
    late = [postpones(client, b"x") for client in clients[ADMISSIONS_PER_ROUND:]]
    assert came[2 * admitted :] == late
    if late:
        play.round()
        play.expect(opens(65, "b0"), sends(65, b"x"))
    assert play.dropped() == {}


def test_known_clients_are_not_postponed(stage: Stage) -> None:
    play = stage()
    play.client(A, b"x")
    play.commands()
    crowd = [(client_at(number), [b"x"]) for number in range(2, ADMISSIONS_PER_ROUND + 2)]
    play.round(*crowd, (A, [b"y"]))
    assert play.commands()[-1] == sends(1, b"y")


# Openings that fail


@pytest.mark.parametrize("reason", ["no_descriptor", "no_port", "unreachable"])
@pytest.mark.parametrize("balance", ["round_robin", "hrw", "maglev"])
def test_an_admission_whose_opening_failed_was_never_made(
    stage: Stage, balance: str, reason: str
) -> None:
    play = stage(
        backends=1,
        balance=balance,
        health=BLIND,
        new_flows_per_second=2,
        max_flows_per_source=2,
    )
    play.client(B, b"there before")
    play.commands()
    before = picture(play)
    for attempt in (2, 3, 4):
        play.open_failures.append(DropReason[reason.upper()])
        play.client(A, b"x", b"y")
        play.expect(opens(attempt, "b0"))
    if reason == "unreachable":
        assert play.backend("b0").unreachable == 3
        play.backend("b0").unreachable = 0
    assert picture(play) == before
    assert play.shed() == {reason: 3}
    assert play.dropped() == {reason: 6}
    play.client(A, b"x")
    play.expect(opens(5, "b0"), sends(5, b"x"))


def test_an_undone_admission_has_used_its_place_in_the_round(stage: Stage) -> None:
    """A failed opening costs as much as one that succeeds: a flood of them is bounded, too."""
    play = stage()
    play.open_failures.extend([DropReason.NO_DESCRIPTOR] * 10)
    crowd = [(client_at(number), [b"x"]) for number in range(ADMISSIONS_PER_ROUND + 10)]
    play.round(*crowd)
    assert len(play.live) == ADMISSIONS_PER_ROUND - 10
    assert sum(line.verb == "postpones" for line in play.commands()) == 10


def test_round_robin_goes_on_as_if_the_failed_turn_had_not_been(stage: Stage) -> None:
    failing, untouched = stage(backends=3), stage(backends=3)
    chosen: dict[str, list[str]] = {"failing": [], "untouched": []}
    for step in range(12):
        if step in (1, 5, 6):
            failing.open_failures.append(DropReason.NO_DESCRIPTOR)
            failing.client(client_at(200 + step), b"x")
            failing.commands()
        for name, play in (("failing", failing), ("untouched", untouched)):
            play.client(client_at(step), b"x")
            chosen[name].append(str(play.commands()[0].what[0]))
    assert chosen["failing"] == chosen["untouched"] == ["b0", "b1", "b2"] * 4


@pytest.mark.parametrize("balance", ["round_robin", "least_flows", "hrw", "maglev", "random"])
def test_one_other_backend_is_tried_where_the_first_is_unreachable(
    stage: Stage, balance: str
) -> None:
    play = stage(backends=3, balance=balance)
    play.open_failures.append(DropReason.UNREACHABLE)
    play.client(A, b"x")
    first, second, sent = play.commands()
    assert first.what != second.what
    assert (first.verb, second.verb, sent) == ("opens", "opens", sends(1, b"x"))
    tried, used = (play.backend(str(line.what[0])) for line in (first, second))
    assert (tried.flows, tried.admitted, tried.unreachable) == (0, 0, 1)
    assert (used.flows, used.admitted, used.unreachable) == (1, 1, 0)
    assert play.dropped() == play.shed() == {}
    assert play.flows[1].backend is used


def test_a_third_backend_is_not_tried(stage: Stage) -> None:
    play = stage(backends=3, health=BLIND)
    before = picture(play)
    play.open_failures.extend([DropReason.UNREACHABLE] * 2)
    play.client(A, b"x", b"y")
    play.expect(opens(1, "b0"), opens(1, "b1"))
    assert (play.shed(), play.dropped()) == ({"unreachable": 1}, {"unreachable": 2})
    assert [each.unreachable for each in play.cluster.backends] == [1, 1, 0]
    for each in play.cluster.backends:
        each.unreachable = 0
    assert picture(play) == before


def test_no_other_backend_is_tried_where_no_backend_could_help(stage: Stage) -> None:
    play = stage(backends=3)
    play.open_failures.append(DropReason.NO_DESCRIPTOR)
    play.client(A, b"x")
    play.expect(opens(1, "b0"))
    assert play.shed() == {"no_descriptor": 1}


def test_a_backend_without_ports_does_not_take_the_others_out_of_the_round(stage: Stage) -> None:
    play = stage(backends=3)
    for port in range(6):
        play.open_failures.append(DropReason.NO_PORT)
        play.client(client_at(port), b"x")
        play.commands()
    assert sum(each.flows for each in play.cluster.backends) == 6, "by their second choice"
    assert play.shed() == {}


def test_the_second_choice_may_fail_for_another_reason(stage: Stage) -> None:
    play = stage(backends=2)
    play.open_failures.extend([DropReason.UNREACHABLE, DropReason.NO_PORT])
    play.client(A, b"x")
    play.expect(opens(1, "b0"), opens(1, "b1"))
    assert play.shed() == {"no_port": 1}
