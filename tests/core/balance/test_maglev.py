"""Maglev: shares by slots, small moves, and health changes that rebuild nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.balance.ground import (
    SEED,
    built,
    chosen,
    clients,
    hash_for_slot,
    moved,
    shares,
    weighted,
)
from tests.core.playbook import backend, came_up, running, went_down
from udplb.core.balance.maglev import TABLE_SIZE, Maglev
from udplb.core.hashing import rehash
from udplb.core.settings import BackendSettings

MANY = clients(20_000)
SOME = clients(2_000)


def policy(backends: list[BackendSettings], size: int) -> Maglev:
    """A maglev of a small table, built, with everybody of weight 1 or more usable."""
    configured = [running(each, SEED) for each in backends]
    maglev = Maglev({each: each.weight for each in configured}, 0, size)
    while not maglev.build(64):
        pass
    maglev.usable_changed([each for each in configured if each.weight])
    return maglev


def slots(maglev: Maglev, size: int) -> list[str]:
    """Whom each slot of the table belongs to."""
    owners = [maglev.select(hash_for_slot(slot)) for slot in range(size)]
    return [owner.name for owner in owners if owner is not None]


def test_the_hash_for_a_slot_is_one() -> None:
    assert [rehash(hash_for_slot(slot), 0) for slot in range(100)] == list(range(100))


def test_the_table_size_is_prime() -> None:
    assert all(TABLE_SIZE % factor for factor in range(2, 257))


@pytest.mark.parametrize(
    ("weights", "size"),
    [
        ([1] * 10, 1_009),
        ([1] * 100, 10_007),
        ([1, 2, 3], 1_009),
        ([1, 99], 10_007),
        ([3, 7, 11, 1], 2_203),
        ([1_000, 10, 10], 10_223),
        ([5, 0, 5], 1_009),
        ([1] * 655, TABLE_SIZE),
    ],
)
def test_shares_follow_weights_within_1_percent(weights: list[int], size: int) -> None:
    assert size * min(filter(None, weights)) / sum(weights) >= 100, "slots of the lightest"
    names = slots(policy(weighted(weights), size), size)
    assert len(names) == size
    assert all(0.99 <= share <= 1.01 for share in shares(names, weights))


def test_clients_spread_as_slots_do() -> None:
    names = chosen(built(weighted([1, 2, 3]), "maglev"), MANY)
    assert all(0.95 < share < 1.05 for share in shares(names, [1, 2, 3]))


@pytest.mark.parametrize("count", [3, 10, 50])
def test_removing_one_moves_its_clients_and_few_others(count: int) -> None:
    before = chosen(built(count, "maglev"), MANY)
    after = chosen(built([backend(index) for index in range(count) if index != 1], "maglev"), MANY)
    moves = moved(before, after)
    others = sum(number for (one, _), number in moves.items() if one != "b1")
    assert sum(number for (one, _), number in moves.items() if one == "b1") == before.count("b1")
    assert others / len(MANY) < 0.05


@pytest.mark.parametrize("count", [2, 9, 49])
def test_adding_one_moves_about_its_share(count: int) -> None:
    before = chosen(built(count, "maglev"), MANY)
    moves = moved(before, chosen(built(count + 1, "maglev"), MANY))
    to_newcomer = sum(number for (_, other), number in moves.items() if other == f"b{count}")
    assert to_newcomer / len(MANY) == pytest.approx(1 / (count + 1), rel=0.15)
    assert (moves.total() - to_newcomer) / len(MANY) < 0.05


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=2, max_size=8), st.data())
def test_health_changes_move_only_the_flows_of_that_one(
    weights: list[int], data: st.DataObject
) -> None:
    cluster = built(weighted(weights), "maglev")
    first, second = data.draw(
        st.tuples(st.sampled_from(cluster.backends), st.sampled_from(cluster.backends))
    )
    everybody = chosen(cluster, SOME)
    went_down(cluster, first)
    without_first = chosen(cluster, SOME)
    assert {one for one, _ in moved(everybody, without_first)} <= {first.name}
    assert first.name not in without_first
    if len(weights) > 2 and second is not first:
        cluster.drain_began(0.0, second)
        without_both = chosen(cluster, SOME)
        assert {one for one, _ in moved(without_first, without_both)} <= {second.name}
        assert {first.name, second.name}.isdisjoint(without_both)
        cluster.drain_ended(0.0, second)
    came_up(cluster, first)
    assert chosen(cluster, SOME) == everybody


def test_a_down_backends_clients_spread_over_all_others_by_weight() -> None:
    cluster = built(weighted([1, 1, 2, 4]), "maglev")
    before = chosen(cluster, MANY)
    went_down(cluster, cluster.backends[3])
    moves = moved(before, chosen(cluster, MANY))
    total = moves.total()
    assert moves["b3", "b0"] / total == pytest.approx(1 / 4, rel=0.1)
    assert moves["b3", "b2"] / total == pytest.approx(1 / 2, rel=0.1)


def test_after_eight_attempts_the_rest_is_chosen_by_hrw() -> None:
    """One usable backend of 200 light ones is found, whatever the table says."""
    cluster, rendezvous = built(200, "maglev"), built(200, "hrw")
    for each in cluster.backends[2:]:
        went_down(cluster, each)
    for each in rendezvous.backends[2:]:
        went_down(rendezvous, each)
    names = chosen(cluster, SOME)
    assert set(names) == {"b0", "b1"}
    same = sum(map(str.__eq__, names, chosen(rendezvous, SOME)))
    assert same > 0.9 * len(SOME)


def test_until_the_table_is_built_rendezvous_decides() -> None:
    configured = [running(backend(index), SEED) for index in range(5)]
    fresh = Maglev(dict.fromkeys(configured, 1), 0)
    fresh.usable_changed(configured)
    hashes = [hash_for_slot(slot) for slot in range(50)]
    early = [fresh.select(each) for each in hashes]
    slices = 1
    while not fresh.build(1_000):
        assert [fresh.select(each) for each in hashes] == early, "it is swapped when complete"
        slices += 1
    assert TABLE_SIZE / 1_000 <= slices <= 2 * TABLE_SIZE / 1_000
    assert fresh.build(1), "and then nothing is left to do"
    assert [fresh.select(each) for each in hashes] != early


def test_a_slice_ends_though_every_slot_it_tried_was_taken() -> None:
    """The last claims of a table try thousands."""
    size = 10_007
    maglev = Maglev({running(backend(index), SEED): 1 for index in range(50)}, 0, size)
    slices = 1
    while not maglev.build(1):
        slices += 1
    assert slices > 1.1 * size


def test_slices_of_any_length_build_the_same_table() -> None:
    backends = weighted([1, 5, 3])
    configured = [running(each, SEED) for each in backends]
    weights = {each: each.weight for each in configured}
    one, other = Maglev(weights, 0, 1_009), Maglev(weights, 0, 1_009)
    for maglev, steps in ((one, 7), (other, 5_000)):
        while not maglev.build(steps):
            pass
        maglev.usable_changed(configured)
    assert slots(one, 1_009) == slots(other, 1_009)


def test_the_order_of_the_file_does_not_matter() -> None:
    backends = weighted([1, 1, 5, 5, 2, 9, 9])
    assert slots(policy(backends, 1_009), 1_009) == slots(policy(backends[::-1], 1_009), 1_009)
    assert chosen(built(backends, "maglev"), SOME) == chosen(built(backends[::-1], "maglev"), SOME)


def test_without_and_nobody() -> None:
    cluster = built(3, "maglev")
    for client in SOME[:200]:
        first = cluster.select(client)
        second = cluster.select(client, without=first)
        assert first is not second is not None
    empty = policy(weighted([0, 0]), 1_009)
    assert empty.select(1) is None


@pytest.mark.parametrize(
    ("down", "choices"),
    [
        ([], "3322225353554505555532514554343443444353"),
        ([5], "3322224343234404230232314414343443444343"),
        ([5, 4, 3], "2022222102212201220202011011222021202022"),
    ],
)
def test_the_choice_is_the_same_for_ever(down: list[int], choices: str) -> None:
    backends = [backend(index, weight=index + 1) for index in range(6)]
    cluster = built(backends, "maglev", seed=b"0")
    for index in down:
        went_down(cluster, cluster.backends[index])
    assert "".join(name[1] for name in chosen(cluster, clients(40))) == choices
