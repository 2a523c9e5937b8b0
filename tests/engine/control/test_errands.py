"""Errands: answered once, in time, and no change is cut off halfway."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import Iterator

import pytest

from tests.engine.control.ground import FakeDesk
from udplb.engine.control.errands import Errand, Errands, as_refused
from udplb.engine.control.requests import AnyRequest, Refused, Reload, SetWeight, Status

CHANGE = SetWeight(cluster="c", backend="b", weight=1)


class Bench:
    """Errands over a loop that the test turns."""

    def __init__(self, at_most: int = 3, patience_s: float = 60.0) -> None:
        self.loop = asyncio.new_event_loop()
        self.desk = FakeDesk()
        self.told: list[object] = []
        self.done: list[Errand] = []
        self.errands = Errands(self.loop, self.desk, at_most=at_most, patience_s=patience_s)

    def start(self, request: AnyRequest) -> Errand:
        return self.errands.start(request, "me", self.told.append, self.done.append)

    def turn(self) -> None:
        """Let the loop do what it can do now."""
        for _ in range(5):
            self.loop.run_until_complete(asyncio.sleep(0))

    def until_told(self) -> None:
        async def wait() -> None:
            while not self.told:
                await asyncio.sleep(0.001)

        self.loop.run_until_complete(wait())

    def hold(self) -> asyncio.Event:
        self.desk.gate = asyncio.Event()
        return self.desk.gate


@pytest.fixture
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = Bench(**getattr(request, "param", {}))
    yield made
    made.errands.cancel()
    made.loop.run_until_complete(made.errands.wait())
    assert len(made.errands) == 0
    made.loop.close()


def refusals(bench: Bench) -> list[str]:
    return [each.code for each in bench.told if isinstance(each, Refused)]


def test_an_answer_is_told_later_and_once(bench: Bench) -> None:
    errand = bench.start(Status())
    assert bench.told == []
    assert len(bench.errands) == 1
    bench.turn()
    assert bench.told == [bench.desk.answers[Status]]
    assert bench.done == [errand]
    assert bench.desk.asked == [(Status(), "me")]
    assert len(bench.errands) == 0


def test_what_is_answered_is_forgotten(bench: Bench) -> None:
    """An answer may be large, and the patience for it is long."""
    errand = weakref.ref(bench.start(Status()))
    bench.turn()
    bench.done.clear()
    gc.collect()
    assert errand() is None


def test_a_refusal_is_told_as_it_is(bench: Bench) -> None:
    refused = bench.desk.answers[Status] = Refused("stale", "old", ("a", "b"))
    bench.start(Status())
    bench.turn()
    assert bench.told == [refused]


def test_a_bug_is_told_and_logged(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.desk.answers[Status] = KeyError("nothing\x1b[2J")
    with caplog.at_level(logging.ERROR):
        bench.start(Status())
        bench.turn()
    (refused,) = bench.told
    assert isinstance(refused, Refused)
    assert refused.code == "failed"
    assert "KeyError" in refused.message
    assert refused.message.isprintable()
    assert "a bug in answering a request" in caplog.text
    assert as_refused(refused) is refused


@pytest.mark.parametrize(("running", "room"), [(1, True), (2, True), (3, False)])
def test_there_are_so_many_and_no_more(bench: Bench, running: int, room: bool) -> None:
    gate = bench.hold()
    for _ in range(running):
        bench.start(Status())
    if room:
        bench.start(Status())
    else:
        with pytest.raises(Refused, match="3 requests wait already") as caught:
            bench.start(Status())
        assert caught.value.code == "busy"
    gate.set()
    bench.turn()
    assert len(bench.told) == running + room
    bench.start(Status())


@pytest.mark.parametrize("bench", [{"patience_s": 0.01}], indirect=True)
def test_who_looks_for_too_long_is_told_and_cut_off(bench: Bench) -> None:
    bench.hold()
    bench.start(Status())
    bench.until_told()
    bench.turn()
    assert refusals(bench) == ["busy"]
    assert bench.desk.cancelled == 1
    assert len(bench.done) == 1
    assert len(bench.told) == 1, "once"


@pytest.mark.parametrize("bench", [{"patience_s": 0.01}], indirect=True)
@pytest.mark.parametrize("request_", [CHANGE, Reload()], ids=["weight", "reload"])
def test_what_changes_for_too_long_goes_on(bench: Bench, request_: AnyRequest) -> None:
    bench.desk.answers[Reload] = bench.desk.answers[SetWeight]
    gate = bench.hold()
    bench.start(request_)
    bench.until_told()
    bench.turn()
    assert refusals(bench) == ["busy"]
    assert bench.desk.cancelled == 0
    assert bench.done == [], "it still takes its place"
    assert len(bench.errands) == 1
    gate.set()
    bench.turn()
    assert bench.desk.finished == 1
    assert len(bench.done) == 1
    assert len(bench.told) == 1, "once"


@pytest.mark.parametrize(("request_", "cut_off"), [(Status(), 1), (CHANGE, 0)])
def test_an_asker_who_goes_takes_only_looks_along(
    bench: Bench, request_: AnyRequest, cut_off: int
) -> None:
    gate = bench.hold()
    errand = bench.start(request_)
    bench.turn()
    errand.abandon()
    bench.turn()
    assert bench.desk.cancelled == cut_off
    gate.set()
    bench.turn()
    assert bench.desk.finished == 1 - cut_off
    assert bench.told == []
    assert bench.done == [errand]


def test_the_end_cuts_off_everything(bench: Bench) -> None:
    bench.hold()
    bench.start(Status())
    bench.start(CHANGE)
    bench.turn()
    bench.errands.cancel()
    bench.loop.run_until_complete(bench.errands.wait())
    assert refusals(bench) == ["ended", "ended"]
    assert bench.desk.cancelled == 2
