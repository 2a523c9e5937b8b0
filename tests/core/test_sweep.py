"""A sweep visits every flow that was there when it began, once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.test_flow import new_flow
from udplb.core.flow import Flow
from udplb.core.reasons import CloseReason
from udplb.core.slab import Slab
from udplb.core.sweep import Sweep

VISITS = 2_048


def slab_of(count: int) -> Slab:
    slab = Slab()
    for number in range(count):
        flow = new_flow()
        flow.id = number
        slab.add(flow)
    return slab


def sweep_of(every: int = 1) -> Sweep:
    return Sweep(lambda flow: flow.id % every == 0, CloseReason.OPERATOR, leave_by=None)


@given(st.integers(0, 300), st.integers(1, 64), st.integers(1, 4), st.booleans())
def test_every_flow_once(count: int, slice_max: int, every: int, closing: bool) -> None:
    slab, sweep = slab_of(count), sweep_of(every)
    found: list[Flow] = []
    finished = False
    while not finished:
        flows, finished = sweep.slice(slab, slice_max, VISITS)
        assert len(flows) <= slice_max
        assert finished or len(flows) == slice_max
        found.extend(flows)
        for flow in flows if closing else ():
            slab.remove(flow)
    assert [flow.id for flow in found] == list(range(0, count, every))


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_a_slice_visits_so_many(beyond: int) -> None:
    sweep, slab = sweep_of(every=1 << 30), slab_of(VISITS + beyond)
    assert [flow.id for flow in sweep.slice(slab, 256, VISITS)[0]] == [0]
    _, finished = sweep_of(every=1 << 30).slice(slab, 256, VISITS)
    assert finished is (beyond <= 0)


def test_a_slab_that_was_emptied_meanwhile_ends_the_sweep() -> None:
    slab, sweep = slab_of(10), sweep_of()
    sweep.slice(slab, 5, VISITS)
    for flow in [flow for flow in slab.places if flow is not None]:
        slab.remove(flow)
    assert sweep.slice(slab, 5, VISITS) == ([], True)
