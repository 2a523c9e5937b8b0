"""The lag of the loop, on a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from udplb.engine.lag import EVERY_S, REMEMBERED_S, LagMeter


class Timer:
    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """A loop with one timer, and a clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timer: Timer | None = None
        self.timers = 0

    def call_later(self, delay: float, call: Callable[[], None]) -> Timer:
        assert delay == EVERY_S
        self.timers += 1
        self.timer = Timer(self.now + delay, call)
        return self.timer

    def tick(self, late: float = 0.0) -> None:
        """The timer fires, so much later than due."""
        assert self.timer is not None
        self.now = self.timer.at + late
        self.timer.call()


@pytest.fixture
def loop() -> Loop:
    return Loop()


def meter_of(loop: Loop) -> LagMeter:
    return LagMeter(cast(asyncio.AbstractEventLoop, loop), lambda: loop.now)


def near(seconds: float) -> object:
    return pytest.approx(seconds, abs=1e-6)


def test_the_worst_of_the_last_second_and_of_the_last_minute(loop: Loop) -> None:
    meter = meter_of(loop)
    assert meter.worst(REMEMBERED_S) == 0.0
    meter.start()
    for late in (0.001, 0.030, 0.002):
        loop.tick(late)
    assert meter.worst(1.0) == near(0.030)
    loop.tick(0.5)
    assert (meter.worst(1.0), meter.worst(REMEMBERED_S)) == (near(0.5), near(0.5))
    for _ in range(11):
        loop.tick(0.003)
    assert (meter.worst(1.0), meter.worst(REMEMBERED_S)) == (near(0.003), near(0.5))
    for _ in range(700):
        loop.tick(0.002)
    assert (meter.worst(1.0), meter.worst(REMEMBERED_S)) == (near(0.002), near(0.002))


def test_what_is_overdue_now_counts(loop: Loop) -> None:
    meter = meter_of(loop)
    meter.start()
    loop.now += EVERY_S + 2.0
    assert meter.worst(1.0) == near(2.0)
    loop.tick(2.0)
    assert meter.worst(1.0) == near(2.0)
    loop.now += EVERY_S / 2
    assert meter.worst(1.0) == near(2.0), "what is not due yet is not late"


def test_a_clock_that_is_early_is_no_lag(loop: Loop) -> None:
    meter = meter_of(loop)
    meter.start()
    loop.tick(-0.001)
    assert meter.worst(1.0) == 0.0


def test_one_timer_at_a_time_and_bounded_memory(loop: Loop) -> None:
    meter = meter_of(loop)
    meter.start()
    for number in range(5_000):
        loop.tick((5_000 - number) * 1e-6)  # each less late than the one before: all are kept
    assert loop.timers == 5_001
    assert len(meter._worst) <= REMEMBERED_S / EVERY_S + 1


def test_when_it_is_stopped_nothing_fires(loop: Loop) -> None:
    meter = meter_of(loop)
    meter.stop()
    meter.start()
    timer = loop.timer
    meter.stop()
    assert timer is not None
    assert timer.cancelled
    loop.now += 1_000
    assert meter.worst(1.0) == 0.0
