"""Rendezvous hashing: only the flows of a backend that goes move, and shares follow weights."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.balance.ground import built, chosen, clients, moved, shares, weighted
from tests.core.playbook import backend, came_up, removed, went_down
from udplb.core.balance.hrw import Rendezvous, highest_score
from udplb.core.settings import BackendSettings

MANY = clients(100_000)
SOME = clients(2_000)


@pytest.mark.parametrize("weights", [[1] * 10, [1, 2, 3, 4], [100, 900], [1, 0, 1]])
def test_shares_follow_weights_within_3_percent(weights: list[int]) -> None:
    names = chosen(built(weighted(weights), "hrw"), MANY)
    assert all(0.97 < share < 1.03 for share in shares(names, weights))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 1_000), min_size=2, max_size=12), st.data())
def test_a_backend_that_goes_moves_its_own_flows_alone(
    weights: list[int], data: st.DataObject
) -> None:
    gone = data.draw(st.integers(0, len(weights) - 1))
    cluster = built(weighted(weights), "hrw")
    before = chosen(cluster, SOME)
    way = data.draw(st.sampled_from(["down", "drained", "removed"]))
    away = cluster.backends[gone]
    if way == "down":
        went_down(cluster, away)
    elif way == "drained":
        cluster.drain_began(0.0, away)
    else:
        removed(cluster, away)
    after = chosen(cluster, SOME)
    assert {one for one, _ in moved(before, after)} <= {away.name}
    assert away.name not in after
    assert after == chosen(built(weighted_without(weights, gone), "hrw"), SOME)
    if way == "down":
        came_up(cluster, away)
        assert chosen(cluster, SOME) == before


def weighted_without(weights: list[int], gone: int) -> list[BackendSettings]:
    backends = weighted(weights)
    del backends[gone]
    return backends


@pytest.mark.parametrize("count", [1, 4, 9])
def test_a_backend_that_comes_takes_its_share_and_moves_nothing_else(count: int) -> None:
    some = MANY[:20_000]
    before = chosen(built(count, "hrw"), some)
    after = chosen(built(count + 1, "hrw"), some)
    moves = moved(before, after)
    newcomer = f"b{count}"
    assert {other for _, other in moves} == {newcomer}
    assert moves.total() / len(some) == pytest.approx(1 / (count + 1), rel=0.05)


def test_a_greater_weight_only_draws_clients() -> None:
    before = chosen(built(weighted([5, 5, 5]), "hrw"), SOME)
    after = chosen(built(weighted([5, 5, 8]), "hrw"), SOME)
    assert {other for _, other in moved(before, after)} == {"b2"}


def test_the_order_of_the_file_does_not_matter() -> None:
    backends = weighted([1, 5, 2, 9])
    assert chosen(built(backends, "hrw"), SOME) == chosen(built(backends[::-1], "hrw"), SOME)


def test_without() -> None:
    cluster = built(3, "hrw")
    for client in SOME[:200]:
        first = cluster.select(client)
        assert first is not None
        second = cluster.select(client, without=first)
        went_down(cluster, first)
        assert second is cluster.select(client) is not first
        came_up(cluster, first)


def test_the_only_backend_or_none() -> None:
    (only,) = built(1, "hrw").backends
    assert highest_score([only], 5) is only
    assert highest_score([only], 5, without=only) is None
    assert highest_score([], 5) is None
    assert highest_score([only], only.number) is only, "u is next to 0"
    policy = Rendezvous({only: 1}, 0)
    assert policy.select(1) is None, "nobody is usable yet"


def test_the_choice_is_the_same_for_ever() -> None:
    backends = [backend(index, weight=index + 1) for index in range(6)]
    names = chosen(built(backends, "hrw", seed=b"0"), clients(32))
    assert "".join(name[1] for name in names) == "51253455525332252425552230024415"
