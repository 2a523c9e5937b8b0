"""Counters begin at zero; recent drops are the latest."""

from __future__ import annotations

import pytest

from udplb.core.counters import RECENT_DROPS_MAX, Counters, Drop, RecentDrops
from udplb.core.reasons import CloseReason, DropReason


def test_counters_begin_at_zero() -> None:
    counters = Counters()
    assert set(counters.closed) == set(CloseReason)
    assert set(counters.dropped) == set(counters.shed) == set(DropReason)
    for name in Counters.__slots__:
        value = getattr(counters, name)
        assert value == 0 or set(value.values()) == {0}


@pytest.mark.parametrize("count", [RECENT_DROPS_MAX - 1, RECENT_DROPS_MAX, RECENT_DROPS_MAX + 1])
def test_the_ring_keeps_the_latest(count: int) -> None:
    ring = RecentDrops()
    for number in range(count):
        ring.append(Drop(float(number), ("198.18.0.1", 1), DropReason.DENIED))
    assert len(ring) == min(count, RECENT_DROPS_MAX)
    assert (ring[0].at, ring[-1].at) == (max(0, count - RECENT_DROPS_MAX), count - 1)
