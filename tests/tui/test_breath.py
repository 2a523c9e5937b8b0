"""Breath: how long a console works at a stretch, on a clock that the test moves."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator

import pytest

from tests.harness import need_linux
from udplb.tui import breath
from udplb.tui.breath import NICENESS, REST_S, WORK_S, Breath, breathing


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.rests: list[float] = []

    def __call__(self) -> float:
        return self.now

    def rest(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def breath_of(clock: Clock) -> Breath:
    made = Breath(clock, clock.rest)
    made.on = True
    return made


def test_off_nobody_rests(clock: Clock) -> None:
    made = Breath(clock, clock.rest)
    for _ in range(5):
        clock.now += 1.0
        made.breathe()
    assert clock.rests == []


def test_after_a_bit_of_work_there_is_a_rest(clock: Clock) -> None:
    made = breath_of(clock)
    made.breathe()
    assert clock.rests == [REST_S]
    for _ in range(10):
        clock.now += WORK_S / 4
        made.breathe()
    assert clock.rests == [REST_S] * 3


def test_work_is_counted_from_the_end_of_a_rest(clock: Clock) -> None:
    made = breath_of(clock)
    made.breathe()
    clock.now += WORK_S * 0.9
    made.breathe()
    assert clock.rests == [REST_S]


@pytest.fixture
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_a_console_of_its_own_breathes_and_collects_seldom(thresholds: None) -> None:
    assert not breath._BREATH.on
    with breathing(embedded=False):
        assert breath._BREATH.on
        assert gc.get_threshold()[0] > 700
    assert not breath._BREATH.on


def test_it_ends_breathing_however_it_ends(thresholds: None) -> None:
    with pytest.raises(RuntimeError), breathing(embedded=False):
        raise RuntimeError
    assert not breath._BREATH.on


def test_beside_an_engine_only_the_drawing_thread_is_nice() -> None:
    need_linux()
    niceness: list[int] = []
    collected = gc.get_threshold()

    def draw() -> None:
        with breathing(embedded=True):
            niceness.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    thread = threading.Thread(target=draw)
    thread.start()
    thread.join()
    assert niceness == [NICENESS]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < NICENESS
    assert gc.get_threshold() == collected, "the engine has its own"
