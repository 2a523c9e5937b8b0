"""A drain: what it knows from its beginning. What it does stands in test_manager_drain.py."""

from __future__ import annotations

from math import inf

from udplb.core.drain import Drain


def test_a_drain_begins_with_everything_before_it() -> None:
    drain = Drain(100.0, inf, "move")
    assert (drain.began_at, drain.deadline, drain.way) == (100.0, inf, "move")
    assert not drain.expired
    assert not drain.drained
