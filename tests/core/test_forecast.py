"""A forecast: which flows seem to be over, and when the last of these closes."""

from __future__ import annotations

from math import inf

import pytest

from tests.core.test_flow import new_flow
from udplb.core.flow import Flow, State
from udplb.core.forecast import QUIET_GAPS, QUIET_MIN_S, Forecast, is_quiet

BORN = 100.0


def flow(requests: int, last_request: float, last_reply: float = BORN) -> Flow:
    """A flow that was admitted at BORN and had so many client datagrams until then."""
    made = new_flow(BORN, front_timeout=30.0, back_timeout=30.0)
    made.requests, made.last_request_at, made.last_reply_at = requests, last_request, last_reply
    return made


@pytest.mark.parametrize("beyond", [-0.01, 0.0, 0.01])
def test_a_flow_is_quiet_after_so_many_of_its_gaps(beyond: float) -> None:
    steady = flow(requests=6, last_request=BORN + 10.0)  # a datagram each 2 s
    assert is_quiet(steady, BORN + 10.0 + QUIET_GAPS * 2.0 + beyond) is (beyond >= 0)


@pytest.mark.parametrize("beyond", [-0.01, 0.0, 0.01])
@pytest.mark.parametrize("requests", [0, 1, 1_000])
def test_no_flow_is_quiet_sooner_than_the_least(requests: int, beyond: float) -> None:
    """One datagram has no gap; a thousand in a second have a short one."""
    dense = flow(requests, last_request=BORN + (1.0 if requests > 1 else 0.0))
    assert is_quiet(dense, dense.last_request_at + QUIET_MIN_S + beyond) is (beyond >= 0)


def test_a_reply_is_no_quiet() -> None:
    heard = flow(requests=1, last_request=BORN, last_reply=BORN + 50.0)
    assert not is_quiet(heard, BORN + 50.5)
    assert is_quiet(heard, BORN + 51.0)


def test_a_flow_that_is_leaving_is_over_but_for_its_replies() -> None:
    leaving = flow(requests=1, last_request=BORN)
    leaving.state = State.LEAVING
    assert is_quiet(leaving, BORN)


def test_the_last_quiet_flow_tells_the_time() -> None:
    now = BORN + 10.0
    early, late = flow(2, BORN + 1.0), flow(4, BORN + 3.0)
    busy = flow(100, now)
    forecast = Forecast()
    assert forecast == (0, 0, -inf)
    for each in (early, late, busy, early):
        forecast = forecast.with_flow(each, now)
    assert forecast == Forecast(active=1, quiet=3, quiet_until=BORN + 33.0)
