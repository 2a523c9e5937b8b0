"""Explain: it says what select does next, says why, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.balance.ground import SEED, built, clients, weighted
from tests.core.playbook import START, backend, cluster_settings, went_down
from udplb.core.cluster import Cluster
from udplb.core.explain import Choice, explain
from udplb.core.hashing import keyed_hash
from udplb.core.settings import HealthSettings

SOME = clients(40)
CLIENT = SOME[7]
FORETOLD = ["hrw", "maglev", "round_robin", "least_flows"]

_STATES = st.tuples(
    st.sampled_from([0, 1, 1, 2, 5]),  # weight
    st.booleans(),  # backup
    st.sampled_from([False, False, True]),  # drains
    st.sampled_from([False, False, True]),  # down
    st.sampled_from([False, False, True]),  # left out
    st.integers(0, 3),  # flows
)


def all_at_once(cluster: Cluster, which: list[bool]) -> None:
    """These go down in the same step."""
    for each, down in zip(cluster.backends, which, strict=True):
        if down and each.up:
            each.health.refused(START, 1 << 40)
    cluster.time_passed(START)


def ground(states: list[tuple[Any, ...]], balance: str, fail_open: bool) -> Cluster:
    backends = [
        backend(index, weight=weight, backup=backup, state="drain" if drains else "active")
        for index, (weight, backup, drains, *_) in enumerate(states)
    ]
    health = HealthSettings(refusals=1, fail_open=fail_open)
    cluster = Cluster(cluster_settings(backends, balance=balance, health=health), SEED)
    for each, (*_, flows) in zip(cluster.backends, states, strict=True):
        each.flows = flows
    all_at_once(cluster, [state[3] for state in states])
    return cluster


@pytest.mark.parametrize("balance", FORETOLD)
@settings(max_examples=120, deadline=None)
@given(
    states=st.lists(_STATES, max_size=6),
    fail_open=st.booleans(),
    past=st.lists(st.tuples(st.integers(0, 39), st.booleans()), max_size=12),
)
def test_the_chosen_one_is_selected_next(
    balance: str,
    states: list[tuple[Any, ...]],
    fail_open: bool,
    past: list[tuple[int, bool]],
) -> None:
    cluster, twin = (ground(states, balance, fail_open) for _ in range(2))
    for who, undone in past:
        for each in (cluster, twin):
            selected = each.select(SOME[who])
            if selected is not None and undone:
                each.select_undone(selected)
    left_out = [state[4] for state in states]
    without = tuple(each for each, out in zip(cluster.backends, left_out, strict=True) if out)
    foretold = explain(cluster, CLIENT)
    if_down = explain(cluster, CLIENT, without)
    assert explain(cluster, CLIENT) == foretold, "it changes nothing"
    for choice in (foretold, if_down):
        agrees_with_itself(cluster, choice)
    name = foretold.chosen and foretold.chosen.name
    selected = twin.select(CLIENT)
    assert name == (selected and selected.name)
    all_at_once(cluster, left_out)
    assert cluster.select(CLIENT) is if_down.chosen


def agrees_with_itself(cluster: Cluster, choice: Choice) -> None:
    assert sorted(rank.backend.number for rank in choice.ranked) == sorted(
        each.number for each in cluster.backends
    ), "everybody once"
    usable = [rank.usable for rank in choice.ranked]
    assert usable == sorted(usable, reverse=True), "who is not usable comes last"
    assert choice.chosen is (choice.ranked[0].backend if any(usable) else None)
    assert all(rank.note for rank in choice.ranked)
    assert choice.why


@pytest.mark.parametrize("balance", FORETOLD)
def test_who_comes_second_is_chosen_if_the_first_goes_down(balance: str) -> None:
    cluster = built(weighted([1, 2, 3, 4]), balance, health=HealthSettings(refusals=1))
    for client in SOME:
        first, second, *_ = explain(cluster, client).ranked
        assert explain(cluster, client, (first.backend,)).chosen is second.backend


def test_a_draw_is_not_foretold_and_not_made() -> None:
    cluster, twin = built(weighted([1, 3]), "random"), built(weighted([1, 3]), "random")
    for client in SOME:
        choice = explain(cluster, client)
        assert choice.chosen is None
        assert choice.why == (
            "two backends are drawn by chance, and the less loaded of them gets the flow"
        )
        assert [(rank.backend.name, rank.note) for rank in choice.ranked] == [
            ("b1", "drawn with 75%, has 0 flows"),
            ("b0", "drawn with 25%, has 0 flows"),
        ]
        one, other = cluster.select(client), twin.select(client)
        assert one is not None
        assert other is not None
        assert one.name == other.name


def test_turns_that_are_owed_come_first() -> None:
    cluster = built(3, "round_robin")
    first = cluster.select(CLIENT)
    assert first is not None
    cluster.select_undone(first)
    second = cluster.select(CLIENT, without=first)
    assert second is not None
    cluster.select_undone(second)
    order = [rank.backend for rank in explain(cluster, CLIENT).ranked]
    assert order == [cluster.select(CLIENT) for _ in range(3)]


# What is hashed


@pytest.mark.parametrize(
    ("balance", "affinity", "key", "data"),
    [
        ("hrw", "source_ip", "198.18.0.0", CLIENT.ip.packed),
        ("maglev", "source_ip_port", "198.18.0.0:1031", CLIENT.affinity_key),
        ("round_robin", "source_ip", None, None),
        ("least_flows", "source_ip_port", None, None),
        ("random", "source_ip", None, None),
    ],
)
def test_what_is_hashed(balance: str, affinity: str, key: str | None, data: bytes | None) -> None:
    choice = explain(built(3, balance, affinity=affinity), CLIENT)
    assert choice.hash_key == key
    assert choice.hash == (None if data is None else keyed_hash(data, SEED))


# Words


@pytest.mark.parametrize(
    ("balance", "why", "notes"),
    [
        ("hrw", "b0 has the highest score for this client", ["score 19.83", "score 2.341"]),
        ("round_robin", "it is b0's turn", ["turn 1", "turn 2"]),
        (
            "least_flows",
            "b0 has the fewest flows for its weight",
            ["0 flows, weight 1", "3 flows, weight 2"],
        ),
    ],
)
def test_the_first_one_and_why(balance: str, why: str, notes: list[str]) -> None:
    cluster = built(weighted([1, 2]), balance)
    cluster.backends[1].flows = 3
    choice = explain(cluster, CLIENT)
    assert (choice.why, [rank.note for rank in choice.ranked]) == (why, notes)


def test_the_attempts_of_maglev_are_told() -> None:
    cluster = built(5, "maglev")
    ranked = explain(cluster, CLIENT).ranked
    hit = [rank.note.partition(", ")[2] for rank in ranked if rank.note.startswith("slot ")]
    assert hit[0] == "attempt 1"
    assert hit == sorted(hit)
    assert all(rank.note.startswith("score ") for rank in ranked[len(hit) :])
    went_down(cluster, ranked[0].backend)
    again = explain(cluster, CLIENT)
    assert again.ranked[0] == ranked[1]
    assert again.why == f"by this client's slots {ranked[1].backend.name} comes first"


def test_why_somebody_is_not_usable() -> None:
    states = [
        backend(0),
        backend(1, weight=0),
        backend(2, state="drain", weight=0),
        backend(3),
        backend(4, backup=True),
        backend(5),
    ]
    cluster = built(states, "round_robin")
    went_down(cluster, cluster.backends[3])
    choice = explain(cluster, CLIENT, (cluster.backends[5],))
    assert [(rank.backend.name, rank.usable, rank.note) for rank in choice.ranked] == [
        ("b0", True, "turn 1"),
        ("b1", False, "weight 0"),
        ("b2", False, "draining, weight 0"),
        ("b3", False, "down: 3 off probes timed out"),
        ("b4", False, "backup, and a primary is up"),
        ("b5", False, "left out"),
    ]


def test_the_last_resorts_say_so() -> None:
    cluster = built([backend(0), backend(1, backup=True)], "round_robin")
    b0, b1 = cluster.backends
    assert explain(cluster, CLIENT, (b0,)).why == "it is b1's turn; no primary is up"
    went_down(cluster, b0)
    choice = explain(cluster, CLIENT, (b1,))
    assert choice.why == (
        "it is b0's turn; no backend is up, and new flows go there all the same (fail_open)"
    )
    assert [(rank.usable, rank.note) for rank in choice.ranked] == [
        (True, "turn 1; down: 3 off probes timed out"),
        (False, "left out"),
    ]


@pytest.mark.parametrize(
    ("backends", "why"),
    [
        ([], "the cluster has no backends: new flows are dropped, no_backend"),
        ([backend(0, weight=0)], "no backend takes new flows: they are dropped, no_backend"),
    ],
)
def test_nobody(backends: list[Any], why: str) -> None:
    choice = explain(built(backends, "hrw"), CLIENT)
    assert (choice.chosen, choice.why) == (None, why)
