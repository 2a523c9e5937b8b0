"""What holds for every policy."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.balance.ground import SEED, built, chosen, clients
from tests.core.playbook import backend, came_up, cluster_settings, went_down
from udplb.core.balance import POLICIES
from udplb.core.cluster import Cluster
from udplb.core.settings import Balance

SOME = clients(300)


def test_every_word_has_its_policy() -> None:
    assert set(POLICIES) == set(get_args(Balance))
    assert {word for word, policy in POLICIES.items() if policy.hashes} == {"hrw", "maglev"}


@pytest.mark.parametrize("balance", POLICIES)
@settings(max_examples=25, deadline=None)
@given(
    states=st.lists(
        st.tuples(st.sampled_from([0, 1, 5]), st.booleans(), st.booleans(), st.booleans()),
        max_size=6,
    ),
    fail_open=st.booleans(),
    without=st.integers(0, 6),
)
def test_who_may_be_chosen(
    balance: str,
    states: list[tuple[int, bool, bool, bool]],
    fail_open: bool,
    without: int,
) -> None:
    """Up before down, primaries before backups; never weight 0, draining, or `without`."""
    backends = [
        backend(index, weight=weight, backup=backup, state="drain" if drain else "active")
        for index, (weight, backup, drain, _) in enumerate(states)
    ]
    cluster = Cluster(cluster_settings(backends, balance=balance, fail_open=fail_open), SEED)
    for each, (*_, down) in zip(cluster.backends, states, strict=True):
        if down:
            went_down(cluster, each)
    ready = [each for each in cluster.backends if each.weight and not each.draining]
    primaries = [each for each in ready if not each.settings.backup]
    backups = [each for each in ready if each.settings.backup]
    allowed = (
        [each for each in primaries if each.up]
        or [each for each in backups if each.up]
        or (fail_open and (primaries or backups))
        or []
    )
    for client in SOME[:20]:
        assert cluster.select(client) in (allowed or {None})
    barred = cluster.backends[without] if without < len(states) else None
    left = [each for each in allowed if each is not barred]
    for client in SOME[:20]:
        assert cluster.select(client, without=barred) in (left or {None})


@pytest.mark.parametrize("balance", POLICIES)
def test_two_machines_choose_the_same(balance: str) -> None:
    one, other = built(7, balance), built(7, balance)
    for step in range(5):
        for cluster in (one, other):
            went_down(cluster, cluster.backends[step])
        assert chosen(one, SOME) == chosen(other, SOME)
        if step % 2:
            for cluster in (one, other):
                came_up(cluster, cluster.backends[step])
    assert chosen(one, SOME) == chosen(other, SOME)


@pytest.mark.parametrize("balance", ["hrw", "maglev"])
def test_hashing_policies_know_no_history(balance: str) -> None:
    one, other = built(7, balance), built(7, balance)
    chosen(one, clients(1_000)[500:])
    went_down(one, one.backends[2])
    chosen(one, SOME)
    came_up(one, one.backends[2])
    one.backends[3].flows = 1_000
    assert chosen(one, SOME) == chosen(other, SOME)


@pytest.mark.parametrize("balance", POLICIES)
def test_names_do_not_matter(balance: str) -> None:
    named = [backend(index) for index in range(5)]
    renamed = [
        type(each)(address=each.address, name=f"b{9 - index}") for index, each in enumerate(named)
    ]
    names = chosen(built(named, balance), SOME)
    assert [f"b{9 - int(name[1:])}" for name in names] == chosen(built(renamed, balance), SOME)
