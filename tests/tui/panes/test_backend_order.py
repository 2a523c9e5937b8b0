"""The order of backends: names, numbers that rest, and filters."""

from __future__ import annotations

import msgspec
import pytest

from tests.tui import scenes
from tests.tui.fake_proxy import NOW
from tests.tui.panes.looks import look_at, named, of_backends
from udplb.engine.snapshot import BackendSnapshot, Snapshot
from udplb.tui.panes.backend_order import HOLD_S, KEYS, RESORT_S, Order, Sort, matching


def names(backends: list[BackendSnapshot]) -> list[str]:
    return [each.name for each in backends]


def test_names_are_sorted_by_cluster_and_as_people_count() -> None:
    whole = of_backends(*(
        scenes.backend(name, n, cluster=cluster)
        for n, (cluster, name) in enumerate((
            ("game", "edge-10"), ("game", "edge-9"), ("dns", "z"), ("game", "a"), ("game", "7"),
        ))
    ))  # fmt: skip
    look = look_at(whole_with_both(whole))
    assert names(Order().ordered(look, NOW)) == ["z", "7", "a", "edge-9", "edge-10"]


def whole_with_both(whole: Snapshot) -> Snapshot:
    """Each backend in the cluster that it names."""
    every = whole.clusters[0].backends
    clusters = tuple(
        msgspec.structs.replace(
            whole.clusters[0],
            name=name,
            backends=tuple(each for each in every if each.cluster == name),
        )
        for name in ("game", "dns")
    )
    return msgspec.structs.replace(whole, clusters=clusters)


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        (Sort("name", reverse=True), "edge-6"),
        (Sort("state"), "edge-6"),
        (Sort("weight", reverse=True), "edge-5"),
        (Sort("flows", reverse=True), "edge-6"),
        (Sort("rate"), "edge-1"),
        (Sort("latency"), "edge-4"),
    ],
)
def test_each_key_sorts(sort: Sort, first: str) -> None:
    order = Order()
    order.sort = sort
    assert names(order.ordered(look_at(), NOW))[0] == first


def test_the_next_key_after_the_last_is_the_first() -> None:
    sort = Sort()
    went = []
    for _ in KEYS:
        went.append(sort.key)
        sort = sort.next()
    assert tuple(went) == KEYS
    assert sort == Sort()


def flows(one: int, two: int) -> Snapshot:
    return of_backends(scenes.backend("one", 1, flows=one), scenes.backend("two", 2, flows=two))


def test_a_number_is_sorted_by_anew_only_after_a_rest() -> None:
    order = Order()
    order.sort = Sort("flows")
    low, high = look_at(flows(1, 2)), look_at(flows(3, 2))
    assert names(order.ordered(low, NOW)) == ["two", "one"]
    assert names(order.ordered(high, NOW + RESORT_S - 0.1)) == ["two", "one"]
    assert order.ordered(high, NOW + 1.0)[1].flows == 3
    order.moved(NOW + RESORT_S)
    assert names(order.ordered(high, NOW + RESORT_S + HOLD_S - 0.1)) == ["two", "one"]
    assert names(order.ordered(high, NOW + 9.0, hold=True)) == ["two", "one"]
    assert names(order.ordered(high, NOW + 9.0)) == ["one", "two"]


def test_another_sort_or_another_backend_is_sorted_at_once() -> None:
    order = Order()
    order.sort = Sort("flows")
    order.ordered(look_at(flows(1, 2)), NOW)
    order.moved(NOW)
    order.sort = Sort("name")
    assert names(order.ordered(look_at(flows(1, 2)), NOW)) == ["one", "two"]
    third = of_backends(scenes.backend("zero", 3), scenes.backend("alpha", 4))
    assert names(order.ordered(look_at(third), NOW)) == ["alpha", "zero"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", 8),
        ("edge", 6),
        ("EDGE-6", 1),
        ("game/ up", 2),
        ("slow", 1),
        ("2001:db8", 1),
        ("!up game", 4),
        ("!", 8),
        ("nothing", 0),
    ],
)
def test_words_are_looked_for_in_name_address_and_state(text: str, found: int) -> None:
    look = look_at()
    every = [each for cluster in look.snapshot.clusters for each in cluster.backends]
    assert len(matching(look, every, text)) == found
    assert named(look, "edge-1") in matching(look, every, "game/edge-1")
