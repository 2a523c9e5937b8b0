"""Least flows: always the one with the fewest for its weight."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.core.balance.ground import admitted, built, clients, weighted
from tests.core.playbook import went_down

SOMEBODY = clients(1)[0]


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 40)), min_size=1, max_size=6),
    st.booleans(),
)
def test_nobody_would_have_been_less_loaded(pairs: list[tuple[int, int]], without: bool) -> None:
    cluster = built(weighted(weight for weight, _ in pairs), "least_flows")
    for each, (_, flows) in zip(cluster.backends, pairs, strict=True):
        each.flows = flows
    barred = cluster.backends[0] if without else None
    selected = cluster.select(SOMEBODY, without=barred)
    loads = {
        each: (each.flows + 1) / each.weight for each in cluster.backends if each is not barred
    }
    if selected is None:
        assert not loads
    else:
        assert loads[selected] == min(loads.values())


def test_flows_that_stay_end_up_by_weight() -> None:
    cluster = built(weighted([1, 2, 3]), "least_flows")
    assert Counter(admitted(cluster, clients(600))) == {"b0": 100, "b1": 200, "b2": 300}


def test_ties_go_to_the_one_that_waited_longest() -> None:
    cluster = built(3, "least_flows")
    names = []
    for client in clients(9):  # short flows: each is gone before the next comes
        selected = cluster.select(client)
        assert selected is not None
        names.append(selected.name)
    assert names == ["b0", "b1", "b2"] * 3


def test_who_is_down_or_of_weight_0_gets_none() -> None:
    cluster = built(weighted([1, 0, 1]), "least_flows")
    cluster.backends[0].flows = 50
    assert set(admitted(cluster, clients(20))) == {"b2"}
    went_down(cluster, cluster.backends[2])
    assert set(admitted(cluster, clients(20))) == {"b0"}
    assert built(0, "least_flows").select(SOMEBODY) is None
