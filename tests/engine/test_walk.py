"""Walks over all flows: every place once, in bounded slices, while the slab lives under them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest

from udplb.core.address import Address
from udplb.core.backend import Backend
from udplb.core.flow import Flow
from udplb.core.settings import BackendSettings, FlowTerms, HealthSettings
from udplb.core.slab import Slab
from udplb.engine.walk import (
    LOOP_SHARE,
    SAVED_MAX_S,
    SAVED_SHARE,
    SLICE_FLOWS,
    SLICE_S,
    STEP_FLOWS,
    Allowance,
    Steps,
    Walk,
    pause_after,
    steps_over,
)

ADDRESS = Address(IPv4Address("192.0.2.1"), 53)
BACKEND = Backend(BackendSettings(address=ADDRESS, name="b"), HealthSettings(), b"0")


def flow(serial: int) -> Flow:
    client = ("192.0.2.2", serial % 60_000 + 1)
    return Flow(
        serial=serial,
        key=client,
        client=ADDRESS,
        client_address=client,
        local=None,
        backend=BACKEND,
        terms=FlowTerms(),
        now=0.0,
    )


def slab_of(count: int) -> Slab:
    slab = Slab()
    for serial in range(count):
        slab.add(flow(serial))
    return slab


def flows_of(walk: Iterator[object]) -> list[int]:
    found: list[int] = []
    for each in walk:
        assert isinstance(each, list)
        assert 0 < len(each) <= STEP_FLOWS
        found += [flow.id for flow in each if flow is not None]
    return found


@pytest.mark.parametrize(
    "count", [0, 1, STEP_FLOWS - 1, STEP_FLOWS, STEP_FLOWS + 1, 5 * STEP_FLOWS + 7]
)
def test_every_place_is_visited_once_in_order(count: int) -> None:
    assert flows_of(steps_over(slab_of(count))) == list(range(count))


def test_what_comes_behind_the_walk_is_still_met() -> None:
    slab = slab_of(STEP_FLOWS)
    walk = steps_over(slab)
    next(walk)
    late = flow(10_000)
    slab.add(late)
    assert flows_of(walk) == [10_000]


def test_a_slab_that_shrinks_ends_the_walk() -> None:
    slab = slab_of(4 * STEP_FLOWS)
    walk = steps_over(slab)
    next(walk)
    for each in list(slab.places):
        assert each is not None
        slab.remove(each)
    assert flows_of(walk) == []


@pytest.mark.parametrize("seed", range(10))
def test_who_stays_is_met_once_while_others_come_and_go(seed: int) -> None:
    chance = random.Random(seed)
    slab = slab_of(300)
    staying = {each for each in slab.places if each is not None and chance.random() < 0.5}
    serial, met = 10_000, []
    for found in steps_over(slab):
        met += [each for each in found if each in staying]
        for each in list(slab.places):
            if each is not None and each not in staying and chance.random() < 0.2:
                slab.remove(each)
        for _ in range(chance.randrange(30)):
            serial += 1
            slab.add(flow(serial))
    assert len(met) == len(set(met))
    assert set(met) == staying


# Slices


class Clock:
    """A clock that every step moves by `cost_s`."""

    def __init__(self, cost_s: float = 0.0) -> None:
        self.now = 0.0
        self.cost_s = cost_s

    def __call__(self) -> float:
        return self.now

    def steps(self, count: int) -> Steps[str]:
        for _ in range(count):
            self.now += self.cost_s
            yield 0.0
        return "found"


@pytest.mark.parametrize("cost_s", [0.000_001, 0.000_04, 0.000_25, SLICE_S / 2])
def test_a_slice_ends_well_before_its_time_is_over(cost_s: float) -> None:
    clock = Clock(cost_s)
    walk = Walk(clock.steps(1_000))
    while walk.found is None:
        began = clock.now
        assert walk.slice(clock) == 0.0
        assert clock.now - began <= SLICE_S / 2 + cost_s <= SLICE_S
    assert walk.found == "found"


def test_a_slice_has_a_bound_where_time_does_not_pass() -> None:
    clock = Clock()
    walk = Walk(clock.steps(SLICE_FLOWS // STEP_FLOWS))
    walk.slice(clock)
    assert walk.found is None
    walk.slice(clock)
    assert walk.found == "found"


def test_a_walk_that_rests_is_left_alone_for_so_long() -> None:
    def resting() -> Steps[int]:
        yield 0.0
        yield 1.5
        yield 0.000_001
        return 7

    clock = Clock()
    walk = Walk(resting())
    assert walk.slice(clock) == 1.5
    assert walk.slice(clock) == 0.000_001
    assert walk.found is None
    walk.slice(clock)
    assert walk.found == 7


@pytest.mark.parametrize("took_s", [0.0, 1e-6, 0.000_25, 0.001, 0.01])
def test_a_walk_takes_its_share_of_the_time_and_no_more(took_s: float) -> None:
    pause = pause_after(took_s)
    assert took_s <= LOOP_SHARE * pause
    assert pause >= 0.005, "nor does it come every turn of the loop"
    if took_s >= SLICE_S / 4:
        assert took_s == pytest.approx(LOOP_SHARE * pause)


def test_a_walk_may_spend_what_was_saved_and_then_gets_its_share() -> None:
    allowance = Allowance()
    now = began = 100.0
    worked = 0.0
    shares = []
    while worked < 3 * SAVED_MAX_S:
        worked += SLICE_S
        now += SLICE_S
        pause = allowance.pause_after(SLICE_S, now)
        shares.append(SLICE_S / (SLICE_S + pause))
        now += pause
    assert shares[0] == pytest.approx(SAVED_SHARE), "an answer comes soon"
    assert shares[-1] == pytest.approx(LOOP_SHARE), "and costs no more than its share"
    assert worked <= LOOP_SHARE * (now - began) + SAVED_MAX_S + SLICE_S
    assert max(shares) <= SAVED_SHARE + 1e-9


def test_savings_come_back_with_time_but_never_grow_beyond_their_bound() -> None:
    allowance = Allowance()
    now = 100.0
    while allowance.pause_after(SLICE_S, now) < SLICE_S / LOOP_SHARE - 2 * SLICE_S:
        now += SLICE_S
    now += SLICE_S * 3 / LOOP_SHARE
    assert allowance.pause_after(SLICE_S, now) == pytest.approx(SLICE_S * (1 / SAVED_SHARE - 1))
    now += 1_000.0
    spent = 0.0
    while allowance.pause_after(SLICE_S, now) < SLICE_S / LOOP_SHARE - 2 * SLICE_S:
        spent += SLICE_S
    assert spent <= SAVED_MAX_S
