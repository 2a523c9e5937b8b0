"""A change of a cluster in the making: in slices, beside the cluster, and good for one state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.core.balance.ground import SEED, built, chosen, clients, weighted
from tests.core.playbook import START, adopted, backend, cluster_settings, removed
from udplb.core.balance.maglev import TABLE_SIZE
from udplb.core.cluster import Cluster
from udplb.core.preparation import NEW_BACKEND_STEPS, Preparation
from udplb.core.settings import BackendSettings, ClusterSettings

SOME = clients(500)


def with_backends(cluster: Cluster, *backends: BackendSettings) -> ClusterSettings:
    return replace(cluster.settings, backends=backends)


def steps_of(preparation: Preparation, steps: int) -> int:
    """How many slices it takes."""
    slices = 1
    while not preparation.build(steps):
        slices += 1
    assert preparation.build(0), "complete is complete"
    return slices


@pytest.mark.parametrize("balance", ["hrw", "maglev", "round_robin", "random", "least_flows"])
def test_nothing_of_the_cluster_changes_meanwhile(balance: str) -> None:
    cluster, twin = built(3, balance), built(3, balance)
    wanted = replace(
        with_backends(cluster, replace(backend(0, weight=0), name="z"), backend(7)),
        affinity="source_ip",
    )
    before, backends = cluster.settings, list(cluster.backends)
    preparation = cluster.prepare(wanted)
    for _ in range(3):
        preparation.build(1)
        cluster.check_invariants()
        assert chosen(cluster, SOME[:50]) == chosen(twin, SOME[:50])
    steps_of(preparation, 10_000)
    cluster.check_invariants()
    assert (cluster.settings, cluster.backends) == (before, backends)
    assert [(each.weight, each.name) for each in backends] == [(1, "b0"), (1, "b1"), (1, "b2")]
    assert not any(each.removed or each.draining for each in backends)
    assert chosen(cluster, SOME) == chosen(twin, SOME)


@pytest.mark.parametrize("steps", [1, 64, 1_000, 1 << 20])
def test_slices_are_as_long_as_was_asked(steps: int) -> None:
    empty = Cluster(cluster_settings(0, balance="maglev"), SEED)
    preparation = empty.prepare(cluster_settings(50, balance="maglev"))
    work = TABLE_SIZE + 50 * NEW_BACKEND_STEPS
    slices = steps_of(preparation, steps)
    assert work / (steps + 64) <= slices <= 2 * work / min(steps, 64)


def test_slices_of_any_length_come_to_the_same() -> None:
    wanted = cluster_settings(weighted([1, 5, 2, 9]), balance="maglev")
    names = []
    for steps in (1, 999, 1 << 20):
        cluster = Cluster(replace(wanted, backends=()), SEED)
        preparation = cluster.prepare(wanted)
        steps_of(preparation, steps)
        cluster.settings_changed(START, preparation, START)
        names.append(chosen(cluster, SOME))
    assert names[0] == names[1] == names[2] == chosen(Cluster(wanted, SEED), SOME)


def test_unfinished_work_is_not_adopted() -> None:
    cluster = built(1, "maglev")
    preparation = cluster.prepare(with_backends(cluster, backend(0), backend(1)))
    assert not preparation.build(100)
    with pytest.raises(AssertionError, match="still being built"):
        cluster.settings_changed(START, preparation, START)


@pytest.mark.parametrize("between", ["another", "there and back"])
def test_work_for_an_older_state_is_not_adopted(between: str) -> None:
    cluster = built(2, "round_robin")
    before = cluster.settings
    preparation = cluster.prepare(with_backends(cluster, backend(0, weight=3), backend(1)))
    assert preparation.build(1_000)
    removed(cluster, cluster.backends[0])
    if between == "there and back":
        adopted(cluster, before)
        assert cluster.settings is before
    with pytest.raises(AssertionError, match="another state"):
        cluster.settings_changed(START, preparation, START)


def test_another_name_is_another_cluster() -> None:
    cluster = built(1, "hrw")
    with pytest.raises(AssertionError, match="another cluster"):
        cluster.prepare(replace(cluster.settings, name="other"))


@pytest.mark.parametrize(
    ("balance", "changes", "rebuilt"),
    [
        ("maglev", {"weight": 2}, True),
        ("maglev", {"name": "other"}, False),
        ("maglev", {"backup": True}, False),
        ("maglev", {"state": "drain"}, False),
        ("hrw", {"weight": 2}, False),
        ("round_robin", {"weight": 2}, False),
    ],
)
def test_a_table_is_built_where_it_has_to_be(
    balance: str, changes: dict[str, Any], rebuilt: bool
) -> None:
    cluster = built(2, balance)
    preparation = cluster.prepare(
        with_backends(cluster, replace(cluster.settings.backends[0], **changes), backend(1))
    )
    steps_of(preparation, 1 << 20)
    assert (preparation.policy is not None) is rebuilt
    assert [each for each, _ in preparation.changed] == cluster.backends[:1]


@pytest.mark.parametrize("backends", [[0, 1, 2], [0], [0, 2], [1, 0]])
def test_a_table_is_built_for_other_backends(backends: list[int]) -> None:
    cluster = built(2, "maglev")
    preparation = cluster.prepare(with_backends(cluster, *map(backend, backends)))
    steps_of(preparation, 1 << 20)
    assert (preparation.policy is None) is (sorted(backends) == [0, 1])


def test_another_policy_is_prepared() -> None:
    cluster = built(2, "hrw")
    preparation = cluster.prepare(replace(cluster.settings, balance="round_robin"))
    steps_of(preparation, 5)
    assert preparation.policy is not None
    assert preparation.backends == cluster.backends
