"""Round robin: exact by weight, in turn, and a turn that is given back comes first."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.balance.ground import built, chosen, clients, weighted
from tests.core.playbook import came_up, removed, went_down

SOMEBODY = clients(1)[0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=8).filter(any), st.integers(1, 5))
def test_every_cycle_is_exact(weights: list[int], cycles: int) -> None:
    cluster = built(weighted(weights), "round_robin")
    for _ in range(cycles):
        counts = Counter(chosen(cluster, [SOMEBODY] * sum(weights)))
        assert [counts[f"b{index}"] for index in range(len(weights))] == weights


@pytest.mark.parametrize("weights", [[1, 1_000], [1_000, 999, 1], [7, 11, 13, 17, 19]])
def test_heavy_weights_are_exact_too(weights: list[int]) -> None:
    cluster = built(weighted(weights), "round_robin")
    for _ in range(20):
        counts = Counter(chosen(cluster, [SOMEBODY] * sum(weights)))
        assert [counts[f"b{index}"] for index in range(len(weights))] == weights


@given(st.lists(st.integers(1, 9), min_size=2, max_size=6))
def test_turns_are_spread(weights: list[int]) -> None:
    """In no prefix is anybody ahead of its share by more than one turn per backend."""
    cluster, counts, total = built(weighted(weights), "round_robin"), Counter[str](), sum(weights)
    for turn, name in enumerate(chosen(cluster, [SOMEBODY] * total), 1):
        counts[name] += 1
        for index, weight in enumerate(weights):
            assert abs(counts[f"b{index}"] - turn * weight / total) <= len(weights) / 2 + 1


def test_equal_weights_go_in_the_order_of_the_file() -> None:
    assert chosen(built(3, "round_robin"), clients(7)) == ["b0", "b1", "b2"] * 2 + ["b0"]


def test_who_comes_back_catches_up_with_nothing() -> None:
    cluster = built(3, "round_robin")
    went_down(cluster, cluster.backends[1])
    assert chosen(cluster, clients(100)) == ["b0", "b2"] * 50
    came_up(cluster, cluster.backends[1])
    counts = Counter(chosen(cluster, clients(30)))
    assert counts == {"b0": 10, "b1": 10, "b2": 10}


def test_who_was_never_away_keeps_its_turn() -> None:
    cluster = built(4, "round_robin")
    chosen(cluster, clients(2))
    went_down(cluster, cluster.backends[0])
    assert chosen(cluster, clients(3)) == ["b2", "b3", "b1"]


def test_an_undone_turn_comes_again() -> None:
    cluster = built(weighted([1, 2, 3]), "round_robin")
    untouched = chosen(built(weighted([1, 2, 3]), "round_robin"), clients(60))
    names = []
    for number, client in enumerate(clients(60)):
        for _ in range(number % 4):
            selected = cluster.select(client)
            assert selected is not None
            cluster.select_undone(selected)
        names += chosen(cluster, [client])
    assert names == untouched


def test_undone_turns_of_two() -> None:
    cluster = built(3, "round_robin")
    first = cluster.select(SOMEBODY)
    assert first is not None
    cluster.select_undone(first)
    second = cluster.select(SOMEBODY, without=first)
    assert second is not None
    assert second is not first
    cluster.select_undone(second)
    names = chosen(cluster, clients(9))
    assert Counter(names) == {"b0": 3, "b1": 3, "b2": 3}
    assert set(names[:3]) == {"b0", "b1", "b2"}


def test_an_undone_turn_of_somebody_who_went_is_forgotten() -> None:
    cluster = built(3, "round_robin")
    first = cluster.select(SOMEBODY)
    assert first is not None
    cluster.select_undone(first)
    removed(cluster, first)
    assert "b0" not in chosen(cluster, clients(6))


def test_without() -> None:
    cluster = built(2, "round_robin")
    first, second = cluster.backends
    assert [cluster.select(SOMEBODY, without=first) for _ in range(3)] == [second] * 3
    went_down(cluster, second)
    assert cluster.select(SOMEBODY, without=first) is None
    assert cluster.select(SOMEBODY) is first


def test_nobody() -> None:
    assert built(0, "round_robin").select(SOMEBODY) is None
