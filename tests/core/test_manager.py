"""A datagram's way: known and unknown clients, failed sends, news about backends."""

from __future__ import annotations

from tests.core.conftest import Stage
from tests.core.playbook import START, client_at
from tests.core.test_reception import picture
from tests.core.transcript import answers, closes, opens, reopens, resends, sends
from udplb.core.cluster import Cluster
from udplb.core.flow import ClientAddress
from udplb.core.manager import REOPEN_PAUSE_S
from udplb.core.reasons import DropReason

A = client_at(1)
B = client_at(2)


# Known and unknown clients


def test_a_datagram_opens_a_flow_and_its_reply_comes_home(stage: Stage) -> None:
    play = stage()
    play.client(A, b"hello")
    play.expect(opens(1, "b0"), sends(1, b"hello"))
    play.reply(1, b"hello yourself")
    play.expect(answers(1, b"hello yourself"))
    play.client(A, b"more", b"and more")
    play.expect(sends(1, b"more", b"and more"))


def test_counters_stand_on_flow_backend_and_listener(stage: Stage) -> None:
    play = stage()
    play.client(A, b"12345", b"67")
    play.commands()
    play.reply(1, b"abc")
    play.commands()
    for counted in (play.flows[1], play.backend("b0"), play.manager.counters):
        assert (counted.requests, counted.request_bytes) == (2, 7)
        assert (counted.replies, counted.reply_bytes) == (1, 3)
    assert play.backend("b0").flows == play.backend("b0").admitted == 1
    assert play.manager.counters.admitted == play.capacity.live == 1


def test_times_stand_on_the_flow(stage: Stage) -> None:
    play = stage()
    play.client(A, b"x")
    play.commands()
    flow = play.flows[1]
    assert (flow.admitted_at, flow.last_request_at, flow.first_reply_at) == (START, START, None)
    for seconds, happens in enumerate(("request", "reply", "request", "reply"), 1):
        play.wait(1.0)
        if happens == "reply":
            play.reply(1, b"r")
        else:
            play.client(A, b"x")
        play.commands()
        assert play.now == START + seconds
    assert (flow.admitted_at, flow.last_request_at) == (START, START + 3)
    assert (flow.first_reply_at, flow.last_reply_at) == (START + 2, START + 4)


def test_each_port_and_each_local_address_is_a_flow_of_its_own(stage: Stage) -> None:
    play = stage()
    here, there = (b"\xc0\x00\x02\x01", 0), (b"\xc0\x00\x02\x02", 0)
    play.client(client_at(1, 1_000), b"a")
    play.expect(opens(1, "b0"), sends(1, b"a"))
    play.client(client_at(1, 1_001), b"b")
    play.expect(opens(2, "b0"), sends(2, b"b"))
    play.client(A, b"c", local=here)
    play.expect(opens(3, "b0"), sends(3, b"c"))
    play.client(A, b"d", local=there)
    play.expect(opens(4, "b0"), sends(4, b"d"))
    play.client(A, b"e", local=here)
    play.expect(sends(3, b"e"))
    assert [play.flows[number].local for number in (1, 3, 4)] == [None, here, there]


def test_replies_go_to_the_client_as_its_socket_names_it(stage: Stage) -> None:
    play = stage()
    mapped: ClientAddress = ("::ffff:198.18.0.9", 7, 0, 0)
    play.client(mapped, b"x")
    play.expect(opens(1, "b0"), sends(1, b"x"))
    assert play.flows[1].client_address == mapped
    assert str(play.flows[1].client) == "198.18.0.9:7"


def test_a_reply_that_nobody_asked_for_is_relayed(stage: Stage) -> None:
    play = stage()
    play.client(A, b"subscribe")
    play.commands()
    for news in (b"one", b"two", b""):
        play.reply(1, news)
        play.expect(answers(1, news))


# Sends that fail


def test_requests_that_the_kernel_refused_were_never_made(stage: Stage) -> None:
    play = stage(requests=3)
    play.client(A, b"x")
    play.commands()
    play.reply(1, b"X")
    play.commands()
    before = picture(play)
    play.refuse_next("send_failed")
    play.client(A, b"four")
    play.expect(sends(1, b"four"))
    assert picture(play) == before
    assert play.dropped() == {"send_failed": 1}
    play.client(A, b"y", b"z")
    play.expect(sends(1, b"y", b"z"))
    assert play.flows[1].state == "leaving", "the refused one was not one of the three"


def test_a_flow_whose_missing_answers_will_not_be_owed_is_answered(stage: Stage) -> None:
    play = stage(responses=1)
    play.client(A, b"x", b"y")
    play.commands()
    play.reply(1, b"X")
    play.expect(answers(1, b"X"))
    play.failed(1, b"y", reason="oversize")
    play.expect(closes(1, "answered"))


def test_requests_that_fail_after_the_close_are_taken_back(stage: Stage) -> None:
    play = stage(responses=1)
    play.client(A, b"x", b"y")
    play.commands()
    play.reply(1, b"X", b"Y")
    play.expect(answers(1, b"X", b"Y"), closes(1, "answered"))
    play.failed(1, b"y", reason="queue_full")
    play.expect()
    assert play.manager.counters.requests == play.backend("b0").requests == 1
    play.lost(1, b"x")
    play.expect()
    assert play.manager.counters.requests == 0
    assert play.dropped() == {"queue_full": 1, "unreachable": 1}


def test_a_lost_route_opens_the_upstream_anew_once(stage: Stage) -> None:
    play = stage()
    play.client(A, b"x")
    play.commands()
    play.lost(1, b"x")
    play.expect(reopens(1), sends(1, b"x"))
    play.lost(1, b"x")
    play.expect()
    assert play.dropped() == {"unreachable": 1}
    assert play.flows[1].requests == 0
    play.client(A, b"y")
    play.expect(sends(1, b"y"))
    play.reply(1, b"Y")
    play.expect(answers(1, b"Y"))
    play.lost(1, b"z")
    play.expect(reopens(1), sends(1, b"z"))


def test_a_route_that_is_gone_for_long_is_tried_again_and_again(stage: Stage) -> None:
    """Its client sends on, so the flow never idles out; and no reply may ever come."""
    play = stage()
    play.client(A, b"x")
    play.commands()
    play.open_failures.append(DropReason.UNREACHABLE)
    play.lost(1, b"x")
    play.expect(reopens(1))
    for pause, lines in (
        (REOPEN_PAUSE_S - 0.001, []),
        (0.001, [reopens(1), sends(1, b"x")]),
    ):
        play.now += pause
        play.client(A, b"x")
        play.expect(sends(1, b"x"))
        play.lost(1, b"x")
        play.expect(*lines)


def test_an_upstream_that_cannot_be_opened_anew_loses_the_train(stage: Stage) -> None:
    play = stage()
    play.client(A, b"x", b"y")
    play.commands()
    play.open_failures.append(DropReason.UNREACHABLE)
    play.lost(1, b"x", b"y")
    play.expect(reopens(1))
    assert play.dropped() == {"unreachable": 2}
    assert play.live == [1]


def test_news_about_a_backend_is_counted_on_it(stage: Stage) -> None:
    play = stage()
    play.client(A, b"x")
    play.commands()
    play.refused(1)
    play.expect(resends(1, b"x"))
    play.refused(1)
    play.unreachable(1)
    play.expect()
    assert (play.backend("b0").refusals, play.backend("b0").unreachable) == (2, 1)
    assert play.live == [1]


def test_two_listeners_share_a_cluster(stage: Stage) -> None:
    first = stage(backends=2)
    second = stage(cluster=first.cluster)
    assert isinstance(first.cluster, Cluster)
    first.client(A, b"x")
    first.expect(opens(1, "b0"), sends(1, b"x"))
    second.client(A, b"x")
    second.expect(opens(1, "b1"), sends(1, b"x"))
    first.client(B, b"x")
    first.expect(opens(2, "b0"), sends(2, b"x"))
    assert first.backend("b0").flows == 2
    first.flows_ended("listener_removed")
    first.fire()
    assert len(first.commands()) == 2
    assert [each.flows for each in first.cluster.backends] == [0, 1]
