"""Forecasts of drains: all flows of draining backends are counted, in slices, again and again."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from tests.engine.test_walk import flow
from udplb.core.backend import Backend
from udplb.core.flow import Flow
from udplb.core.settings import BackendSettings, HealthSettings
from udplb.core.slab import Slab
from udplb.engine import forecasts as forecasts_module
from udplb.engine.forecasts import GOOD_FOR_S, Forecasts
from udplb.engine.walk import LOOP_SHARE, SLICE_FLOWS

NOW = 1_000.0


def backends(*draining: bool) -> list[Backend]:
    made = []
    for number, drains in enumerate(draining):
        settings = BackendSettings(address=flow(1).backend.address, name=f"b{number}")
        made.append(Backend(settings, HealthSettings(), b"0"))
        made[-1].draining = drains
    return made


def on(backend: Backend, serial: int, idle_s: float) -> Flow:
    """A flow that asked every 0.1 s for 10 s, and then not any more."""
    made = flow(serial)
    made.backend = backend
    made.admitted_at = NOW - idle_s - 10.0
    made.last_request_at = made.last_reply_at = NOW - idle_s
    made.requests = made.replies = 101
    return made


def listener(*flows: Flow) -> Any:
    slab = Slab()
    for each in flows:
        slab.add(each)
    return SimpleNamespace(name="l", manager=SimpleNamespace(slab=slab))


def finished(forecasts: Forecasts, listeners: Sequence[Any], now: float = NOW) -> int:
    """Slices until a walk is finished."""
    for count in range(1, 1_000):
        pause = forecasts.slice(listeners, lambda: now)
        if pause == GOOD_FOR_S:
            return count
        assert 0 < pause < GOOD_FOR_S
    raise AssertionError("no end")


def test_counts_the_quiet_and_the_active_of_draining_backends_alone() -> None:
    first, second, third = backends(True, False, True)
    forecasts = Forecasts()
    assert forecasts.latest == {}
    flows = [
        on(first, 1, 0.0), on(first, 2, 5.0), on(second, 3, 5.0), on(first, 4, 7.0),
    ]  # fmt: skip
    finished(forecasts, [listener(*flows), listener(on(first, 5, 0.5), on(third, 6, 0.0))])
    assert set(forecasts.latest) == {first, third}
    of_first = forecasts.latest[first]
    assert (of_first.active, of_first.quiet) == (2, 2)
    assert of_first.quiet_until == flows[1].due() == NOW - 5.0 + 30.0
    of_third = forecasts.latest[third]
    assert (of_third.active, of_third.quiet) == (1, 0)


@pytest.mark.parametrize("count", [0, 1, SLICE_FLOWS, SLICE_FLOWS + 1, 3 * SLICE_FLOWS])
def test_a_walk_goes_in_slices_and_misses_nobody(count: int) -> None:
    (first,) = backends(True)
    forecasts = Forecasts()
    flows = [on(first, serial, 5.0) for serial in range(count)]
    slices = finished(forecasts, [listener(*flows), listener()])
    assert slices >= count / SLICE_FLOWS
    assert sum(each.quiet for each in forecasts.latest.values()) == count


def test_the_last_forecast_stands_until_the_next_is_finished() -> None:
    (first,) = backends(True)
    forecasts = Forecasts()
    flows = [on(first, serial, 0.0) for serial in range(3 * SLICE_FLOWS)]
    one = listener(*flows)
    finished(forecasts, [one])
    before = forecasts.latest
    assert before[first].active == len(flows)
    for each in flows[SLICE_FLOWS:]:
        one.manager.slab.remove(each)
    forecasts.slice([one], lambda: NOW)
    assert forecasts.latest is before
    finished(forecasts, [one])
    assert forecasts.latest[first].active == SLICE_FLOWS


def test_an_undrained_backend_is_forgotten_in_the_next_walk() -> None:
    first, second = backends(True, True)
    forecasts = Forecasts()
    one = listener(on(first, 1, 0.0), on(second, 2, 0.0))
    finished(forecasts, [one])
    first.draining = False
    finished(forecasts, [one])
    assert set(forecasts.latest) == {second}
    forecasts.forget()
    assert forecasts.latest == {}


def test_a_forgotten_walk_is_not_gone_on_with() -> None:
    (first,) = backends(True)
    forecasts = Forecasts()
    old = listener(*(on(first, serial, 5.0) for serial in range(2 * SLICE_FLOWS)))
    forecasts.slice([old], lambda: NOW)
    forecasts.forget()
    finished(forecasts, [listener(on(first, 1, 0.0))])
    assert (forecasts.latest[first].active, forecasts.latest[first].quiet) == (1, 0)


def test_it_takes_a_small_share_of_the_loops_time() -> None:
    at = [0.0]

    def clock() -> float:
        at[0] += 0.000_5  # every look at the clock costs
        return at[0]

    (first,) = backends(True)
    forecasts = Forecasts()
    one = listener(*(on(first, serial, 0.0) for serial in range(4 * SLICE_FLOWS)))
    spent = began = 0.0
    while True:
        before = at[0]
        pause = forecasts.slice([one], clock)
        spent += at[0] - before
        at[0] += pause
        if pause == GOOD_FOR_S:
            break
    assert spent / (at[0] - began) <= LOOP_SHARE * 1.5
    assert forecasts_module.GOOD_FOR_S >= 1.0, "nobody reads it more often"
