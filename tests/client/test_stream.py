"""A stream: what happens arrives, and a proxy that goes away is found again."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.client.liar import HELLO, Liar
from tests.client.takes import take_until
from tests.engine.control.ground import Ground, happening, picture
from tests.harness import PATIENCE_S, until
from udplb.client import Lost, LostError, NoProxyError, Refused, Resumed, SocketClient
from udplb.client.stream import JITTER, RETRY_MAX_S, SocketStream
from udplb.engine.control.requests import Subscribe
from udplb.engine.control.wire import to_json
from udplb.engine.events import DrainBegan, Missed
from udplb.engine.snapshot import Snapshot

EVENTS_ONLY = Subscribe(snapshots=False)
SUBSCRIBED = {"type": "answer", "id": 1, "answer": {"interval_s": 0.5}}


def quick(path: Path, request: Subscribe = EVENTS_ONLY, **keys: Any) -> SocketStream:
    """A stream that does not wait long before it tries again."""
    return SocketStream(path, request, **{"connect_s": PATIENCE_S, "retry_s": 0.01, **keys})


def numbers(items: list[Any]) -> list[int]:
    return [each.live for each in items if isinstance(each, DrainBegan)]


def test_snapshots_and_events_arrive(ground: Ground) -> None:
    ground.serve()
    with SocketClient(ground.path) as client, client.subscribe(Subscribe(id=9)) as stream:
        items = take_until(stream, lambda items: items)
        assert items == [picture(1)]
        ground.desk.bus.publish(happening(1))
        ground.desk.bus.publish(happening(2))
        items = take_until(stream, lambda items: len(numbers(items)) == 2)
        assert numbers(items) == [1, 2]
        assert stream.take(0) == []
    until(lambda: ground.desk.feeds[0].closed == 1)
    assert stream.take(PATIENCE_S) == [], "at once"


def test_of_many_snapshots_that_wait_only_the_last_is_given(ground: Ground) -> None:
    ground.serve()
    with quick(ground.path, Subscribe(interval_s=0.1)) as stream:
        until(lambda: ground.desk.feeds[0].snapshots >= 4)
        items = stream.take(PATIENCE_S)
        assert len(items) == 1
        assert isinstance(items[0], Snapshot)
        assert items[0].at >= 3


def test_what_was_missed_is_told(ground: Ground) -> None:
    ground.serve()
    with quick(ground.path) as stream:
        for number in range(60_000):
            ground.desk.bus.publish(happening(number))
        items = take_until(stream, lambda items: 59_999 in numbers(items[-1:]))
        missed = sum(each.count for each in items if isinstance(each, Missed))
        assert len(numbers(items)) + missed == 60_000
        assert missed


def test_the_first_time_it_fails_it_says_so(ground: Ground) -> None:
    with pytest.raises(NoProxyError, match="no such file"):
        quick(ground.path)
    ground.serve()
    ground.desk.subscribers_max = 0
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(Refused, match="too many subscribers"):
        quick(ground.path)
    until(lambda: len(os.listdir("/dev/fd")) <= before)


def test_over_a_restart_it_loses_and_resumes(ground: Ground) -> None:
    ground.serve()
    stream = quick(ground.path)
    for number in range(3):
        ground.desk.bus.publish(happening(number))
        items = take_until(stream, numbers)
        assert numbers(items) == [number]
        ground.stop()
        (first, *rest) = take_until(stream, lambda items: len(items) > 3)
        assert isinstance(first, Lost)
        assert first.why == "the proxy ends"
        assert first.retry_in_s is not None
        assert all(isinstance(each, Lost) and "no such file" in each.why for each in rest)
        ground.serve()
        items = take_until(stream, lambda items: isinstance(items[-1:][0], Resumed) if items else 0)
        resumed = items[-1]
        assert isinstance(resumed, Resumed)
        assert resumed.missed_s > 0
    stream.close()


# Taps over a reconnect


def resumed(items: list[Any]) -> bool:
    return any(isinstance(each, Resumed) for each in items)


def taps(ground: Ground) -> list[int | None]:
    return [request.tap for request in ground.desk.subscribed]


def test_a_tap_goes_on_when_only_the_connection_broke(ground: Ground) -> None:
    ground.serve()
    ground.desk.flows = {7}
    with quick(ground.path, Subscribe(tap=7, events=False)) as stream:
        for _ in range(2):
            ground.cut_off()
            take_until(stream, resumed)
    assert taps(ground) == [7, 7, 7]


def test_a_flow_that_ended_meanwhile_is_tapped_no_more(ground: Ground) -> None:
    ground.serve()
    ground.desk.flows = {7}
    with quick(ground.path, Subscribe(tap=7, interval_s=2.5)) as stream:
        ground.desk.flows = set()
        ground.cut_off()
        take_until(stream, resumed)
        ground.cut_off()
        take_until(stream, resumed)
    assert taps(ground) == [7, None, None]
    assert {each.interval_s for each in ground.desk.subscribed} == {2.5}, "all else stays"


def test_the_same_number_in_another_engine_is_another_flow(ground: Ground) -> None:
    """Also where its process has the same id, as in a container."""
    ground.serve()
    ground.desk.flows = {7}
    with quick(ground.path, Subscribe(tap=7)) as stream:
        ground.stop()
        ground.serve()
        take_until(stream, resumed)
        ground.cut_off()
        take_until(stream, resumed)
    assert taps(ground) == [7, None, None]


@pytest.mark.parametrize(("pid", "tap"), [(5, 7), (6, None)])
def test_a_proxy_that_has_only_its_process_id(tmp_path: Path, pid: int, tap: int | None) -> None:
    scripts = ([HELLO, SUBSCRIBED], [{**HELLO, "pid": pid}, SUBSCRIBED, None])
    with (
        Liar(tmp_path / "s", *scripts) as liar,
        quick(tmp_path / "s", Subscribe(tap=7)) as stream,
    ):
        take_until(stream, resumed)
        assert [each.get("tap") for each in liar.heard] == [7, tap]


def test_the_first_time_a_flow_that_is_not_there_is_an_error(ground: Ground) -> None:
    ground.serve()
    with pytest.raises(Refused, match="no flow 7"):
        quick(ground.path, Subscribe(tap=7))


def test_without_a_tap_not_found_is_a_refusal_like_others(tmp_path: Path) -> None:
    gone = {"type": "error", "id": 1, "code": "not_found", "message": "nothing here"}
    with (
        Liar(tmp_path / "s", [HELLO, SUBSCRIBED], [HELLO, gone], [HELLO, SUBSCRIBED, None]) as liar,
        quick(tmp_path / "s") as stream,
    ):
        items = take_until(stream, resumed)
        assert any(isinstance(each, Lost) and each.why == "nothing here" for each in items)
        assert len(liar.heard) == 3


def test_a_proxy_that_is_full_is_tried_again(ground: Ground) -> None:
    ground.serve()
    with quick(ground.path) as stream:
        ground.stop()
        ground.serve(clients=0)
        take_until(stream, lambda items: any("0 clients" in getattr(i, "why", "") for i in items))
        ground.stop()
        ground.serve()
        take_until(stream, lambda items: items and isinstance(items[-1], Resumed))


def test_closing_wakes_who_waits(ground: Ground) -> None:
    ground.serve()
    before = len(os.listdir("/dev/fd"))
    stream = quick(ground.path)
    taken: list[object] = []
    taker = threading.Thread(target=lambda: taken.append(stream.take(3_600)))
    taker.start()
    stream.close()
    taker.join(PATIENCE_S)
    assert taken == [[]]
    until(lambda: ground.desk.feeds[0].closed == 1)
    until(lambda: len(os.listdir("/dev/fd")) <= before)


def test_closing_wakes_who_waits_for_the_next_try(ground: Ground) -> None:
    ground.serve()
    stream = quick(ground.path, retry_s=3_600)
    ground.stop()
    assert isinstance(stream.take(PATIENCE_S)[0], Lost)
    taker = threading.Thread(target=lambda: stream.take(3_600))
    taker.start()
    stream.close()
    taker.join(PATIENCE_S)
    assert not taker.is_alive()


def test_a_closed_stream_holds_no_descriptor(ground: Ground) -> None:
    server = ground.serve()
    before = len(os.listdir("/dev/fd"))
    for _ in range(5):
        quick(ground.path).close()
    until(lambda: server.clients == 0)
    assert len(os.listdir("/dev/fd")) <= before


# The pauses


class Clock:
    """A time that goes on when it is asked: whoever waits for it does not wait long."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def pauses(tmp_path: Path, seed: int) -> list[float]:
    """How long a stream waits before its tries, with nobody there."""
    clock = Clock()
    with Liar(tmp_path / f"{seed}", [HELLO, SUBSCRIBED]):
        stream = SocketStream(
            tmp_path / f"{seed}", EVENTS_ONLY, connect_s=5.0, clock=clock,
            chance=random.Random(seed),
        )  # fmt: skip
    waited = []
    for _ in range(8):
        (lost,) = stream.take(1.0)
        assert isinstance(lost, Lost)
        assert lost.retry_in_s is not None
        waited.append(lost.retry_in_s)
        clock.now += lost.retry_in_s
    stream.close()
    return waited


def test_the_pauses_grow_from_one_second_to_ten(tmp_path: Path) -> None:
    whole = [1, 2, 4, 8, RETRY_MAX_S, RETRY_MAX_S, RETRY_MAX_S, RETRY_MAX_S]
    first, second = pauses(tmp_path, 1), pauses(tmp_path, 2)
    for waited in (first, second):
        for pause, most in zip(waited, whole, strict=True):
            assert most * (1 - JITTER) <= pause <= most
    assert first != second, "not all come back at once"


def test_the_time_without_a_proxy_is_told(tmp_path: Path) -> None:
    clock = Clock()
    with Liar(tmp_path / "s", [HELLO, SUBSCRIBED], [HELLO, SUBSCRIBED, None]):
        stream = SocketStream(
            tmp_path / "s", EVENTS_ONLY, connect_s=5.0, clock=clock, wall_clock=lambda: 77.0
        )
        clock.now += 100.0
        (lost,) = stream.take(1_000.0)
        assert isinstance(lost, Lost)
        assert lost.at == 77.0
        clock.now += 12.0
        assert stream.take(1.0) == [Resumed(missed_s=12.0)]
        stream.close()


# Liars


def event(kind: str) -> dict[str, Any]:
    return {"type": "event", "event": {"type": kind, "at": 1.0, "count": 4}}


def test_an_event_of_a_later_version_is_passed_over(tmp_path: Path) -> None:
    said = [SUBSCRIBED, event("FlowHadABirthday"), event("Missed")]
    with Liar(tmp_path / "s", [HELLO, said, None]), quick(tmp_path / "s") as stream:
        assert take_until(stream, lambda items: items) == [Missed(at=1.0, count=4)]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"garbage\n", "cannot read"),
        ({"type": "snapshot", "snapshot": {"at": 1}}, "cannot read"),
        (b'{"type":"snapshot","snapshot":' + b"[" * 100_000 + b"\n", "cannot read"),
        (b'{"type": "ev', "closed the connection"),
        ({"type": "error", "code": "x", "message": "enough of you"}, "enough of you"),
    ],
)
def test_what_no_proxy_says_ends_the_connection(said: Any, why: str, tmp_path: Path) -> None:
    script = [HELLO, [SUBSCRIBED, event("Missed"), said]]
    with Liar(tmp_path / "s", script, [HELLO, SUBSCRIBED, None]), quick(tmp_path / "s") as stream:
        items = take_until(stream, lambda items: items and isinstance(items[-1], Resumed))
        assert items[0] == Missed(at=1.0, count=4), "what came before it"
        assert isinstance(items[1], Lost)
        assert why in items[1].why


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ([HELLO, event("Missed")], "what nobody asked for"),
        ([HELLO, [], None], "does not answer"),
        ([HELLO, []], "closed the connection"),
    ],
)
def test_a_subscription_that_is_not_answered(said: Any, why: str, tmp_path: Path) -> None:
    with Liar(tmp_path / "s", said), pytest.raises(LostError, match=why):
        quick(tmp_path / "s", connect_s=0.2)
    assert to_json(picture())
