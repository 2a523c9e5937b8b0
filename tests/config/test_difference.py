"""The difference between two configurations: complete, in an order that works, and in words."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings

from tests.config.configurations import configurations, is_valid, large
from udplb.config.changes import (
    BackendAdded,
    BackendChanged,
    BackendRemoved,
    BackendsReordered,
    Change,
    ClusterAdded,
    ClusterRemoved,
    EngineChanged,
    ListenerAdded,
    ListenerChanged,
)
from udplb.config.difference import difference, fold, kept_until_restart
from udplb.core.address import parse_address
from udplb.core.settings import BackendSettings, ClusterSettings, Configuration

FEW = large(4)


def with_backends(*names: str, configuration: Configuration = FEW) -> Configuration:
    """The large cluster with these backends, each named after its place."""
    cluster, *rest = configuration.clusters
    by_name = {each.name: each for each in cluster.backends}
    found = tuple(by_name.get(name) or backend(name) for name in names)
    return replace(configuration, clusters=(replace(cluster, backends=found), *rest))


def backend(name: str) -> BackendSettings:
    number = sum(map(ord, name)) % 250 + 1
    return BackendSettings(address=parse_address(f"10.9.9.{number}:53"), name=name)


def is_whole(configuration: Configuration) -> bool:
    """Whether every listener has its cluster, and every cluster a backend."""
    clusters = {cluster.name for cluster in configuration.clusters}
    return all(listener.cluster in clusters for listener in configuration.listeners) and all(
        cluster.backends for cluster in configuration.clusters
    )


@given(configurations())
@settings(max_examples=25)
def test_what_the_strategy_makes_is_valid(configuration: Configuration) -> None:
    assert is_valid(configuration)


@given(configurations(), configurations())
def test_the_difference_applied_one_by_one_gives_the_new_one(
    old: Configuration, new: Configuration
) -> None:
    changes = difference(old, new)
    state = old
    for change in changes:
        state = change.applied_to(state)
        assert is_whole(state)
    assert state == new
    assert fold(old, changes) == new
    assert (old == new) is (not changes)


@given(configurations(), configurations())
def test_every_sentence_is_one_printable_line_without_secrets(
    old: Configuration, new: Configuration
) -> None:
    for change in difference(old, new):
        assert change.sentence.isprintable()
        assert len(change.sentence) < 400
        assert "hunter" not in change.sentence
        assert "hunter" not in repr(change)


@given(configurations())
def test_nothing_differs_from_itself(configuration: Configuration) -> None:
    assert difference(configuration, configuration) == ()
    twin = fold(configuration, ())
    assert (
        difference(configuration, replace(twin, clusters=tuple(map(replace, twin.clusters)))) == ()
    )


@given(configurations(), configurations())
def test_what_needs_a_restart_is_kept(old: Configuration, new: Configuration) -> None:
    kept = kept_until_restart(old, new)
    waiting = difference(kept, new)
    assert all(change.needs_restart for change in waiting)
    assert not any(change.needs_restart for change in difference(old, kept))
    assert (kept.listeners, kept.clusters) == (new.listeners, new.clusters)
    assert len(difference(old, kept)) + len(waiting) == len(difference(old, new))


def test_a_backend_that_comes_early_does_not_touch_the_others() -> None:
    new = with_backends("new", "edge-0", "edge-1", "edge-2", "edge-3")
    assert difference(FEW, new) == (BackendAdded(cluster="many", settings=backend("new"), index=0),)


def test_replaced_backends_come_before_the_old_ones_go() -> None:
    new = with_backends("edge-0", "x", "edge-2", "y")
    changes = difference(FEW, new)
    assert [(type(each), each.settings.name, getattr(each, "index", None)) for each in changes] == [  # type: ignore[union-attr]
        (BackendAdded, "x", 1),
        (BackendAdded, "y", 4),
        (BackendRemoved, "edge-1", None),
        (BackendRemoved, "edge-3", None),
    ]
    assert fold(FEW, changes) == new


def test_another_order_is_one_change() -> None:
    new = with_backends("edge-3", "edge-0", "edge-1", "edge-2")
    (change,) = difference(FEW, new)
    assert isinstance(change, BackendsReordered)
    assert change.addresses == tuple(each.address for each in new.clusters[0].backends)


def test_a_swap_of_two_names_is_two_changes() -> None:
    cluster = FEW.clusters[0]
    first, second, *rest = cluster.backends
    swapped = (replace(first, name=second.name), replace(second, name=first.name), *rest)
    new = replace(FEW, clusters=(replace(cluster, backends=swapped), *FEW.clusters[1:]))
    changes = difference(FEW, new)
    assert [type(change) for change in changes] == [BackendChanged, BackendChanged]
    assert fold(FEW, changes) == new


def test_clusters_come_before_their_listeners_and_go_after_them() -> None:
    other = ClusterSettings(name="other", backends=FEW.clusters[0].backends)
    moved = tuple(replace(listener, cluster="other") for listener in FEW.listeners)
    third = replace(moved[0], name="third", address=parse_address("192.0.2.9:53"))
    new = replace(FEW, listeners=(*moved, third), clusters=(other,))
    order: list[type[Change]] = [type(change) for change in difference(FEW, new)]
    assert order == [
        ClusterAdded,
        ListenerAdded,
        ListenerChanged,
        ListenerChanged,
        ClusterRemoved,
        ClusterRemoved,
    ]


def test_engine_changes_come_first() -> None:
    new = replace(with_backends("edge-0"), engine=replace(FEW.engine, drain_timeout=1.0, gso="off"))
    first, second, *_ = difference(FEW, new)
    assert isinstance(first, EngineChanged)
    assert isinstance(second, EngineChanged)
    assert (first.field, first.needs_restart) == ("drain_timeout", False)
    assert (second.field, second.needs_restart) == ("gso", True)
