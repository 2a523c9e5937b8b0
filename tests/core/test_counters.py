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


def test_what_others_have_done_is_counted_as_well() -> None:
    one, other = Counters(), Counters()
    for number, name in enumerate(Counters.__slots__, 1):
        for counters in (one, other):
            if isinstance(getattr(counters, name), dict):
                getattr(counters, name).update(dict.fromkeys(getattr(counters, name), number))
            else:
                setattr(counters, name, number)
    one.add(other)
    one.add(Counters())
    for number, name in enumerate(Counters.__slots__, 1):
        value = getattr(one, name)
        assert value == 2 * number or set(value.values()) == {2 * number}
        assert getattr(other, name) != value
