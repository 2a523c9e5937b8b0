"""A subscriber: never more on its way than it reads, and nothing lost that is not told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.control.ground import FakeDesk, FakeFeed, happening
from udplb.engine.control.requests import Subscribe
from udplb.engine.control.subscriber import (
    BUNCH_EVENTS,
    EVENTS_EVERY_S,
    SPACING_S,
    Subscriber,
    bounded,
)
from udplb.engine.control.wire import Happened, Pictured, Press, read, read_event, read_snapshot
from udplb.engine.events import QUEUE_MAX, DrainBegan, Missed


class Handle:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeLoop:
    """A loop whose time the test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, Callable[[], None], Handle]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, what: Callable[[], None]) -> Handle:
        handle = Handle()
        self.timers.append((self.now + delay, what, handle))
        return handle

    @property
    def armed(self) -> list[float]:
        return [at for at, _, handle in self.timers if not handle.cancelled]

    def advance(self, seconds: float) -> None:
        """Move the time, and fire what is due on the way."""
        end = self.now + seconds
        while True:
            due = [each for each in self.timers if not each[2].cancelled and each[0] <= end + 1e-9]
            if not due:
                break
            first = min(due, key=lambda each: each[0])
            self.timers.remove(first)
            self.now = max(self.now, first[0])
            first[1]()
        self.now = end


class Stage:
    """A subscriber between a feed over a real bus and an outlet that the test empties."""

    def __init__(self, request: Subscribe | None = None, *, reads: bool = True) -> None:
        self.loop = FakeLoop()
        self.desk = FakeDesk()
        self.reads = reads
        self.held: list[bytes] = []
        self.seen: list[str | int] = []
        self.puts: list[int] = []
        self.press = Press()
        self.subscriber = self.subscribe(request or Subscribe())

    def subscribe(self, request: Subscribe) -> Subscriber:
        feed = self.desk.feed(request)
        return Subscriber(cast(Any, self.loop), request, feed, self.press, self)

    @property
    def feed(self) -> FakeFeed:
        return self.desk.feeds[-1]

    @property
    def clear(self) -> bool:
        return not self.held

    def put(self, lines: bytes) -> None:
        self.puts.append(lines.count(b"\n"))
        self.held.append(lines)
        if self.reads:
            self._read()

    def read(self) -> None:
        """The client reads all; the connection then calls, as it does when it becomes clear."""
        self._read()
        self.subscriber.pump()

    def _read(self) -> None:
        for line in b"".join(self.held).splitlines():
            said = read(line)
            match said:
                case Pictured(snapshot=raw):
                    self.seen.append(f"picture {read_snapshot(raw).at:g}")
                case Happened(event=raw):
                    event = read_event(raw)
                    if isinstance(event, Missed):
                        self.seen.append(f"missed {event.count}")
                    elif isinstance(event, DrainBegan):
                        self.seen.append(event.live)
        self.held.clear()

    def publish(self, *numbers: int) -> None:
        for number in numbers:
            self.desk.bus.publish(happening(number))


def test_a_first_snapshot_at_once_and_then_one_an_interval() -> None:
    stage = Stage(Subscribe(events=False, interval_s=0.5))
    stage.subscriber.pump()
    assert stage.seen == ["picture 1"]
    stage.loop.advance(0.49)
    assert len(stage.seen) == 1
    stage.loop.advance(0.02)
    assert len(stage.seen) == 2
    stage.loop.advance(5.0)
    assert len(stage.seen) == 12
    assert stage.feed.snapshots == 12, "made once each"


def test_snapshots_of_many_come_one_by_one() -> None:
    """Else datagrams would wait until the last of them is written."""
    stage = Stage(Subscribe(events=False, interval_s=0.1))
    others = [stage.subscribe(Subscribe(events=False, interval_s=0.1)) for _ in range(31)]
    for each in (stage.subscriber, *others):
        each.pump()
    assert len(stage.puts) == 1
    for turn in range(1, 32):
        stage.loop.advance(SPACING_S)
        assert len(stage.puts) == 1 + turn
    assert sorted(feed.snapshots for feed in stage.desk.feeds) == [1] * 32
    stage.loop.advance(1.0)
    assert {feed.snapshots for feed in stage.desk.feeds} <= {10, 11}, "nobody goes without"


def test_events_come_soon_and_in_order() -> None:
    stage = Stage(Subscribe(snapshots=False))
    stage.subscriber.pump()
    stage.publish(1, 2, 3)
    assert stage.seen == []
    stage.loop.advance(EVENTS_EVERY_S)
    assert stage.seen == [1, 2, 3]
    stage.loop.advance(10.0)
    assert stage.seen == [1, 2, 3]


def test_only_what_was_asked_for() -> None:
    stage = Stage(Subscribe(events=False, snapshots=False))
    stage.subscriber.pump()
    stage.publish(1)
    stage.loop.advance(100.0)
    assert stage.seen == []
    assert stage.loop.armed == [], "nothing to do"


def test_many_events_go_in_bunches_one_a_turn() -> None:
    stage = Stage(Subscribe(snapshots=False))
    stage.publish(*range(BUNCH_EVENTS * 2 + 1))
    stage.subscriber.pump()
    assert stage.puts == [BUNCH_EVENTS]
    stage.loop.advance(0.0)
    assert stage.puts == [BUNCH_EVENTS, BUNCH_EVENTS, 1]
    assert stage.seen == list(range(BUNCH_EVENTS * 2 + 1))


@pytest.mark.parametrize("count", [BUNCH_EVENTS - 1, BUNCH_EVENTS, BUNCH_EVENTS + 1])
def test_a_bunch_has_its_limit(count: int) -> None:
    stage = Stage(Subscribe(snapshots=False))
    stage.publish(*range(count))
    stage.subscriber.pump()
    assert stage.puts == [min(count, BUNCH_EVENTS)]
    assert stage.subscriber.waiting == max(0, count - BUNCH_EVENTS)


def test_who_does_not_read_gets_nothing_and_holds_little() -> None:
    stage = Stage(reads=False)
    stage.publish(*range(10))
    stage.subscriber.pump()
    assert len(stage.held) == 1, "a bunch of events, and the snapshot waits for that"
    for number in range(100):
        stage.publish(number)
        stage.loop.advance(1.0)
    assert len(stage.held) == 1
    assert stage.subscriber.waiting == 0
    assert stage.feed.snapshots == 0, "none is made for nobody"
    assert stage.loop.armed == []


def test_who_reads_a_little_at_a_time_holds_little() -> None:
    stage = Stage(Subscribe(snapshots=False), reads=False)
    for _ in range(20):
        stage.publish(*range(QUEUE_MAX + 1_000))
        stage.read()
        assert stage.subscriber.waiting <= QUEUE_MAX + 1, "those and one that tells of the missed"
        assert len(stage.held) == 1


def test_nothing_is_put_behind_an_answer_that_is_not_read() -> None:
    stage = Stage(reads=False)
    stage.publish(1)
    stage.put(b'{"type":"answer","id":1,"answer":null}\n')
    stage.subscriber.pump()
    assert len(stage.held) == 1
    stage.reads = True
    stage.read()
    assert stage.seen == [1, "picture 1"]


def test_who_reads_again_gets_the_newest_snapshot_and_no_others() -> None:
    stage = Stage(Subscribe(events=False), reads=False)
    stage.subscriber.pump()
    stage.loop.advance(100.0)
    assert stage.feed.snapshots == 1
    stage.reads = True
    stage.read()
    assert stage.seen == ["picture 1", "picture 2"]
    stage.loop.advance(0.49)
    assert len(stage.seen) == 2, "nothing is caught up on"
    stage.loop.advance(0.02)
    assert len(stage.seen) == 3


@pytest.mark.parametrize("beyond", [-1, 0, 1, 5_000])
def test_who_reads_again_is_told_what_it_missed(beyond: int) -> None:
    stage = Stage(Subscribe(snapshots=False), reads=False)
    stage.publish(-1)
    stage.subscriber.pump()
    stage.publish(*range(QUEUE_MAX + beyond))
    stage.loop.advance(10.0)
    stage.reads = True
    stage.read()
    stage.loop.advance(1.0)
    lost = max(0, beyond)
    missed = [f"missed {lost}"] if lost else []
    assert stage.seen == [-1, *missed, *range(lost, QUEUE_MAX + beyond)]


def test_the_last_is_told_at_the_end() -> None:
    stage = Stage()
    stage.subscriber.pump()
    stage.publish(*range(QUEUE_MAX))
    stage.subscriber.finish()
    assert stage.seen == ["picture 1", *range(QUEUE_MAX), "picture 2"]


def test_the_end_waits_for_nobody() -> None:
    stage = Stage(reads=False)
    stage.publish(1)
    stage.subscriber.pump()
    held = list(stage.held)
    stage.publish(2)
    stage.subscriber.finish()
    assert stage.held == held


def test_a_closed_one_is_silent() -> None:
    stage = Stage()
    stage.subscriber.pump()
    stage.subscriber.close()
    stage.loop.advance(10.0)
    assert stage.seen == ["picture 1"]
    assert stage.feed.closed == 1


def test_another_subscription_inherits_what_was_not_sent() -> None:
    stage = Stage(Subscribe(snapshots=False))
    stage.subscriber.pump()
    stage.publish(*range(BUNCH_EVENTS + 5))
    stage.loop.advance(0.0)
    before, feed = stage.subscriber, stage.feed
    stage.reads = False
    before.pump()
    assert before.waiting == 5
    stage.publish(1_000)
    stage.subscriber = stage.subscribe(Subscribe(snapshots=False))
    stage.subscriber.inherit(before)
    assert feed.closed == 1
    stage.publish(1_001)
    stage.reads = True
    stage.read()
    stage.loop.advance(1.0)
    assert stage.seen == [*range(BUNCH_EVENTS + 5), 1_000, 1_001]


def test_who_subscribes_again_and_again_and_never_reads_holds_little() -> None:
    stage = Stage(Subscribe(snapshots=False), reads=False)
    stage.publish(0)
    stage.subscriber.pump()
    for _ in range(5):
        stage.publish(*range(3_000))
        before, stage.subscriber = stage.subscriber, stage.subscribe(Subscribe(snapshots=False))
        stage.subscriber.inherit(before)
        assert stage.subscriber.waiting <= QUEUE_MAX
    assert sum(feed.closed for feed in stage.desk.feeds) == 5
    stage.reads = True
    stage.read()
    stage.loop.advance(1.0)
    missed = 15_000 - (QUEUE_MAX - 1)
    assert stage.seen[:2] == [0, f"missed {missed}"]
    assert len(stage.seen) == 1 + QUEUE_MAX


@given(st.lists(st.integers(1, 9), max_size=30), st.integers(0, 40))
def test_what_is_bounded_counts_what_it_loses(missed: list[int], more: int) -> None:
    """`missed` events that stand for many, between others; and so many beyond the limit."""
    events = [
        *[each for count in missed for each in (Missed(at=1.0, count=count), happening(0))],
        *[happening(n) for n in range(QUEUE_MAX - 60 + more)],
    ]
    kept = bounded(events)
    assert len(kept) == min(len(events), QUEUE_MAX)

    def told(events: Any) -> int:
        return sum(each.count if isinstance(each, Missed) else 1 for each in events)

    assert told(kept) == told(events)
    assert not kept or kept[-1] == events[-1]
