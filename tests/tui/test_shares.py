"""Shares: who gets which part of the new flows, now and after a change."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.tui.scenes import backend, busy
from udplb.engine.snapshot import ClusterSnapshot
from udplb.tui.shares import growth, serving, shares, with_backend, without


def cluster(*backends: dict[str, Any], fail_open: bool = True) -> ClusterSnapshot:
    made = tuple(
        backend(f"b{number}", number, **{"weight": 1, **how})
        for number, how in enumerate(backends, 1)
    )
    return msgspec.structs.replace(busy().clusters[0], backends=made, fail_open=fail_open)


def names(cluster: ClusterSnapshot) -> list[str]:
    return [each.name for each in serving(cluster)]


@pytest.mark.parametrize(
    ("backends", "fail_open", "who"),
    [
        ([{}, {}], True, ["b1", "b2"]),
        ([{}, {"up": False}], True, ["b1"]),
        ([{}, {"draining": True}], True, ["b1"]),
        ([{}, {"weight": 0}], True, ["b1"]),
        ([{}, {"backup": True}], True, ["b1"]),
        ([{"up": False}, {"backup": True}], True, ["b2"]),
        ([{"up": False}, {"up": False, "backup": True}], True, ["b1"]),
        ([{"up": False}, {"up": False}], False, []),
        ([{"draining": True}, {"weight": 0}], True, []),
        ([], True, []),
    ],
)
def test_who_serves(backends: list[dict[str, Any]], fail_open: bool, who: list[str]) -> None:
    assert names(cluster(*backends, fail_open=fail_open)) == who


def test_shares_follow_the_weights() -> None:
    one = cluster({"weight": 3}, {"weight": 1}, {"weight": 4, "up": False})
    assert shares(one) == {"10.0.0.11:5000": 0.75, "10.0.0.12:5000": 0.25}
    assert shares(cluster()) == {}


def test_what_changes_with_a_backend_and_without_one() -> None:
    one = cluster({}, {}, {})
    after = without(one, ["10.0.0.11:5000"])
    assert names(after) == ["b2", "b3"]
    assert growth(one, after) == pytest.approx(0.5)
    assert growth(one, without(one, shares(one))) is None
    heavier = with_backend(one, msgspec.structs.replace(one.backends[1], weight=2))
    assert [each.name for each in heavier.backends] == ["b1", "b2", "b3"], "in its place"
    assert shares(heavier)["10.0.0.12:5000"] == pytest.approx(0.5)
    more = with_backend(one, backend("new", 9, weight=1))
    assert len(more.backends) == 4
    assert growth(one, more) == pytest.approx(-0.25)
