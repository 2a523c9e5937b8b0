"""Samples: a walk that asks for rates finds those of the last seconds, whoever else walks."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from tests.engine.test_walk import slab_of
from udplb.core.flow import SAMPLE_MIN_S, Flow
from udplb.engine.samples import GOOD_FOR_S, GRAIN_S, Samples
from udplb.engine.walk import STEP_FLOWS

STEP_S = 0.001


class Ground:
    """Flows that have sent for long, and a clock that every step moves."""

    def __init__(self, count: int = 3 * STEP_FLOWS) -> None:
        self.now = 1_000.0
        self.samples = Samples()
        slab = slab_of(count)
        self.flows: list[Flow] = [each for each in slab.places if each is not None]
        for each in self.flows:
            each.requests = 1_000_000
        self.listeners: Sequence[Any] = [SimpleNamespace(manager=SimpleNamespace(slab=slab))]

    def clock(self) -> float:
        return self.now

    def make_current(self) -> float:
        """Let a walk begin; the seconds that it had to wait."""
        began = self.now
        for rest in self.samples.make_current(self.listeners, self.clock):
            self.now += rest or STEP_S
        return self.now - began


def test_the_first_walk_waits_for_two_samples() -> None:
    ground = Ground()
    assert SAMPLE_MIN_S <= ground.make_current() < SAMPLE_MIN_S + 0.1
    assert all(each.sampled(ground.now) == 0.0 for each in ground.flows), "nothing came since"


@pytest.mark.parametrize("seconds", [SAMPLE_MIN_S, 2.0, GOOD_FOR_S - 0.01])
def test_the_next_one_waits_for_nothing(seconds: float) -> None:
    ground = Ground()
    ground.make_current()
    ground.samples.taken(ground.now)
    ground.now += seconds
    assert ground.make_current() == 0.0


def test_one_that_comes_soon_waits_for_the_rest_of_the_second() -> None:
    ground = Ground()
    ground.samples.taken(ground.now)
    ground.now += SAMPLE_MIN_S / 4
    assert ground.make_current() == pytest.approx(SAMPLE_MIN_S * 3 / 4)


def test_one_that_comes_late_begins_anew() -> None:
    ground = Ground()
    ground.make_current()
    ground.now += GOOD_FOR_S + 0.01
    assert ground.make_current() >= SAMPLE_MIN_S


def test_a_timer_that_is_early_is_set_once_more() -> None:
    ground = Ground()
    ground.samples.taken(ground.now)
    walk = ground.samples.make_current(ground.listeners, ground.clock)
    ground.now += next(walk) - 0.001
    assert next(walk) == pytest.approx(0.001)
    ground.now += 0.001
    assert list(walk) == []


def test_many_walks_in_a_row_let_everybody_begin() -> None:
    """However many end within a second, the oldest of them is remembered."""
    ground = Ground()
    walk = ground.samples.make_current(ground.listeners, ground.clock)
    ground.samples.taken(ground.now)
    waited = 0.0
    for rest in walk:
        waited += 0.01
        ground.now += 0.01
        ground.samples.taken(ground.now)
        assert rest <= SAMPLE_MIN_S
        assert waited < 2 * SAMPLE_MIN_S
    assert waited == pytest.approx(SAMPLE_MIN_S, abs=0.02)


def test_one_walks_for_all_who_come_at_the_same_time() -> None:
    ground = Ground()
    first, second = (ground.samples.make_current(ground.listeners, ground.clock) for _ in range(2))
    assert next(first) == 0.0
    assert next(second) == GRAIN_S, "nothing to do for it"
    for rest in first:
        ground.now += rest or STEP_S
    assert list(second) == []


def test_another_walks_when_the_one_who_did_is_asked_for_no_more() -> None:
    ground = Ground()
    first, second = (ground.samples.make_current(ground.listeners, ground.clock) for _ in range(2))
    next(first)
    assert next(second) == GRAIN_S
    first.close()
    assert next(second) == 0.0


def test_it_goes_in_steps() -> None:
    ground = Ground(10 * STEP_FLOWS)
    walk = ground.samples.make_current(ground.listeners, ground.clock)
    assert [next(walk) for _ in range(10)] == [0.0] * 10
    assert next(walk) == SAMPLE_MIN_S
