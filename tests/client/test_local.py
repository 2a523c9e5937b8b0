"""The local client: the engine's answers as they are, in any thread but its own."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.client.takes import take_until
from tests.engine.control.ground import Ground, happening, picture
from tests.harness import PATIENCE_S, until
from udplb.client import LocalClient, Lost, LostError, Refused
from udplb.engine.control.requests import Reload, SetWeight, Status, Subscribe
from udplb.engine.events import QUEUE_MAX, DrainBegan, Missed
from udplb.engine.snapshot import Snapshot

WEIGHT = SetWeight(cluster="c", backend="b", weight=3)


def test_the_answer_is_the_desks_own(ground: Ground) -> None:
    with LocalClient(ground) as client:
        assert client.ask(Status()) is ground.desk.answers[Status]
        assert client.ask(WEIGHT) is ground.desk.answers[SetWeight]
    ((request, who), (change, _)) = ground.desk.asked
    assert (request, change) == (Status(), WEIGHT)
    assert who.startswith(f"uid {os.geteuid()} (")
    assert who.endswith(f"process {os.getpid()}")


def test_refusals_and_bugs(ground: Ground) -> None:
    client = LocalClient(ground)
    ground.desk.answers[SetWeight] = Refused("stale", "old", ("p",))
    with pytest.raises(Refused, match="old") as caught:
        client.ask(WEIGHT)
    assert (caught.value.code, caught.value.problems) == ("stale", ("p",))
    ground.desk.answers[SetWeight] = KeyError("x")
    with pytest.raises(Refused, match="a bug in udplb") as caught:
        client.ask(WEIGHT)
    assert caught.value.code == "failed"
    ground.desk.answers[SetWeight] = TimeoutError("of the desk")
    with pytest.raises(Refused, match="TimeoutError: of the desk"):
        client.ask(WEIGHT)


def test_who_only_looks(ground: Ground) -> None:
    client = LocalClient(ground, read_only=True)
    client.ask(Status())
    with pytest.raises(Refused, match="only looks"):
        client.ask(Reload())
    assert len(ground.desk.asked) == 1


def test_the_engine_refuses_what_a_locked_client_did_not(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = LocalClient(ground)
    client.ask(WEIGHT)
    client.lock()
    monkeypatch.setattr(LocalClient, "check", lambda *_: None)
    with pytest.raises(Refused, match="this connection is locked") as caught:
        client.ask(WEIGHT)
    assert caught.value.code == "read_only"
    client.ask(Status())
    with pytest.raises(Refused, match="this connection is locked"):
        LocalClient(ground, read_only=True).ask(WEIGHT)
    LocalClient(ground).ask(WEIGHT)
    assert [type(request) for request, _ in ground.desk.asked] == [SetWeight, Status, SetWeight]


@pytest.mark.parametrize(("request_", "cut_off"), [(Status(), 1), (WEIGHT, 0)])
def test_no_answer_in_time(ground: Ground, request_: Status, cut_off: int) -> None:
    ground.hold()
    with pytest.raises(LostError, match=r"no answer within 0.05 s"):
        LocalClient(ground).ask(request_, timeout_s=0.05)
    ground.release()
    until(lambda: ground.desk.cancelled + ground.desk.finished == 1)
    assert ground.desk.cancelled == cut_off, "a change goes on"


def test_many_threads_ask(ground: Ground) -> None:
    client = LocalClient(ground)
    with ThreadPoolExecutor(16) as pool:
        assert len(list(pool.map(lambda _: client.ask(Status()), range(200)))) == 200


def test_an_engine_that_has_ended(ground: Ground) -> None:
    client = LocalClient(ground)
    ground.end()
    with pytest.raises(LostError, match="the proxy has ended"):
        client.ask(Status())
    with pytest.raises(LostError, match="the proxy has ended"):
        client.subscribe(Subscribe())


def test_a_stream_gives_snapshots_and_events(ground: Ground) -> None:
    with LocalClient(ground).subscribe(Subscribe(interval_s=0.1)) as stream:
        ground.desk.bus.publish(happening(1))
        first = stream.take(PATIENCE_S)
        assert first == [happening(1), picture(1)], "at once"
        ground.desk.bus.publish(happening(2))
        items = take_until(stream, lambda items: len(items) >= 4)
        assert happening(2) in items
        pictures = [each.at for each in items if isinstance(each, Snapshot)]
        assert pictures == sorted(pictures)
    until(lambda: ground.desk.feeds[0].closed == 1)
    assert stream.take(PATIENCE_S) == [], "at once"
    stream.close()
    assert ground.do(lambda: ground.desk.feeds[0].closed) == 1


def test_only_what_was_asked_for(ground: Ground) -> None:
    with LocalClient(ground).subscribe(Subscribe(snapshots=False)) as stream:
        assert stream.take(0.25) == []
        ground.desk.bus.publish(happening(1))
        assert stream.take(PATIENCE_S) == [happening(1)]
        assert stream.take(0) == []
    with LocalClient(ground).subscribe(Subscribe(snapshots=False, events=False)) as stream:
        ground.desk.bus.publish(happening(1))
        assert stream.take(0.15) == []


def test_a_slow_taker_is_told_what_it_missed(ground: Ground) -> None:
    with LocalClient(ground).subscribe(Subscribe(snapshots=False)) as stream:
        for number in range(QUEUE_MAX + 10):
            ground.desk.bus.publish(happening(number))
        items = stream.take(PATIENCE_S)
        assert items[0] == Missed(at=7.0, count=10)
        assert isinstance(items[-1], DrainBegan)
        assert len(items) == QUEUE_MAX + 1


def test_a_subscription_may_be_refused(ground: Ground) -> None:
    ground.desk.subscribers_max = 0
    with pytest.raises(Refused, match="too many") as caught:
        LocalClient(ground).subscribe(Subscribe())
    assert caught.value.code == "busy"


def test_closing_wakes_who_waits(ground: Ground) -> None:
    stream = LocalClient(ground).subscribe(Subscribe(snapshots=False))
    taken: list[object] = []
    taker = threading.Thread(target=lambda: taken.append(stream.take(3_600)))
    taker.start()
    stream.close()
    taker.join(PATIENCE_S)
    assert taken == [[]]


def test_the_end_of_the_engine_is_told_once(ground: Ground) -> None:
    stream = LocalClient(ground).subscribe(Subscribe(events=False, interval_s=0.1))
    assert len(stream.take(PATIENCE_S)) == 1
    ground.do(ground.desk.feeds[0].close)
    ground.end()
    (lost,) = stream.take(PATIENCE_S)
    assert isinstance(lost, Lost)
    assert (lost.why, lost.retry_in_s) == ("the proxy has ended", None)
    assert stream.take(0.15) == []
    stream.close()
