"""The difference between two configurations, as changes that can be applied one by one.

Their order keeps every state on the way whole: clusters come before the listeners that refer to
them and go after these, and a backend goes only when those that replace it have come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from functools import reduce
from operator import attrgetter
from typing import Any, Generic, TypeVar

from udplb.config.changes import (
    RESTART_FIELDS,
    BackendAdded,
    BackendChanged,
    BackendRemoved,
    BackendsReordered,
    Change,
    ClusterAdded,
    ClusterChanged,
    ClusterRemoved,
    ClustersReordered,
    EngineChanged,
    ListenerAdded,
    ListenerChanged,
    ListenerRemoved,
    ListenersReordered,
)
from udplb.core.settings import (
    BackendSettings,
    ClusterSettings,
    Configuration,
    EngineSettings,
    FlowTerms,
    HealthSettings,
    ListenerSettings,
)

_Each = TypeVar("_Each")

Differing = Iterator[tuple[str, object, object]]
"""Fields with their values before and after."""

_name = attrgetter("name")
_address = attrgetter("address")


def _names(kind: type, *without: str) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if field.name not in without)


_ENGINE = _names(EngineSettings)
_LISTENER = _names(ListenerSettings, "name")
_CLUSTER = _names(ClusterSettings, "name", "backends", "terms", "health")
_TERMS = _names(FlowTerms)
_HEALTH = _names(HealthSettings)
_BACKEND = _names(BackendSettings, "address")

_all_of_backend = attrgetter(*_BACKEND)
"""One tuple: two of them are compared much faster than two dataclasses."""


def difference(old: Configuration, new: Configuration) -> tuple[Change, ...]:
    """What has to be done to `old` to make it `new`; nothing if they are equal."""
    return tuple(_difference(old, new))


def fold(configuration: Configuration, changes: Iterable[Change]) -> Configuration:
    """The configuration after all of the changes, one by one."""
    return reduce(lambda state, change: change.applied_to(state), changes, configuration)


def kept_until_restart(old: Configuration, new: Configuration) -> Configuration:
    """`new`, but with what a running process keeps of `old` until it is restarted."""
    kept: dict[str, Any] = {name: getattr(old.engine, name) for name in RESTART_FIELDS}
    return replace(new, engine=replace(new.engine, **kept))


def _difference(old: Configuration, new: Configuration) -> Iterator[Change]:
    for field, before, after in _differing(_ENGINE, old.engine, new.engine):
        yield EngineChanged(field=field, before=before, after=after)
    clusters = _compare(old.clusters, new.clusters, _name)
    for index, cluster in clusters.added:
        yield ClusterAdded(settings=cluster, index=index)
    for ours, theirs in clusters.kept:
        yield from _cluster_changes(ours, theirs)
    yield from _listener_changes(old.listeners, new.listeners)
    for cluster in clusters.removed:
        yield ClusterRemoved(settings=cluster)
    if clusters.reordered:
        yield ClustersReordered(names=tuple(map(_name, new.clusters)))


def _listener_changes(
    old: tuple[ListenerSettings, ...], new: tuple[ListenerSettings, ...]
) -> Iterator[Change]:
    listeners = _compare(old, new, _name)
    for index, listener in listeners.added:
        yield ListenerAdded(settings=listener, index=index)
    for ours, theirs in listeners.kept:
        for field, before, after in _differing(_LISTENER, ours, theirs):
            yield ListenerChanged(listener=ours.name, field=field, before=before, after=after)
    for listener in listeners.removed:
        yield ListenerRemoved(settings=listener)
    if listeners.reordered:
        yield ListenersReordered(names=tuple(map(_name, new)))


def _cluster_changes(old: ClusterSettings, new: ClusterSettings) -> Iterator[Change]:
    if old is new:
        return
    for field, before, after in _differing_of_cluster(old, new):
        yield ClusterChanged(cluster=old.name, field=field, before=before, after=after)
    backends = _compare(old.backends, new.backends, _address)
    for index, backend in backends.added:
        yield BackendAdded(cluster=old.name, settings=backend, index=index)
    for ours, theirs in backends.kept:
        if ours is theirs or _all_of_backend(ours) == _all_of_backend(theirs):
            continue
        for field, before, after in _differing(_BACKEND, ours, theirs):
            yield BackendChanged(
                cluster=old.name,
                address=ours.address,
                name=ours.name,
                field=field,
                before=before,
                after=after,
            )
    for backend in backends.removed:
        yield BackendRemoved(cluster=old.name, settings=backend)
    if backends.reordered:
        yield BackendsReordered(cluster=old.name, addresses=tuple(map(_address, new.backends)))


def _differing_of_cluster(old: ClusterSettings, new: ClusterSettings) -> Differing:
    yield from _differing(_CLUSTER, old, new)
    yield from _differing(_TERMS, old.terms, new.terms)
    for field, before, after in _differing(_HEALTH, old.health, new.health):
        yield f"health.{field}", before, after


def _differing(names: tuple[str, ...], old: object, new: object) -> Differing:
    for name in names:
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield name, before, after


@dataclass(frozen=True, slots=True)
class _Comparison(Generic[_Each]):
    """Two rows of things with an identity, one against the other."""

    added: list[tuple[int, _Each]]
    """With the places at which they are to be inserted, one after the other, before anything is
    removed."""
    kept: list[tuple[_Each, _Each]]
    """As they were and as they are."""
    removed: list[_Each]
    reordered: bool
    """Whether those that were kept are in another order."""


def _compare(
    old: tuple[_Each, ...], new: tuple[_Each, ...], identity: Callable[[_Each], Any]
) -> _Comparison[_Each]:
    ours, theirs = list(map(identity, old)), list(map(identity, new))
    if ours == theirs:
        return _Comparison([], list(zip(old, new, strict=True)), [], False)
    same = _common_start(ours, theirs)
    places = {ours[place]: place for place in range(same, len(old))}
    added: list[tuple[int, _Each]] = []
    kept = list(zip(old[:same], new[:same], strict=True))
    reordered = False
    behind = same
    for place in range(same, len(new)):
        was = places.pop(theirs[place], None)
        if was is None:
            added.append((behind + len(added), new[place]))
        else:
            kept.append((old[was], new[place]))
            reordered = reordered or was < behind
            behind = was + 1
    return _Comparison(added, kept, [old[place] for place in places.values()], reordered)


def _common_start(ours: list[Any], theirs: list[Any]) -> int:
    """How many are the same at the beginning of both: most edits concern few, late."""
    length = min(len(ours), len(theirs))
    return next((place for place in range(length) if ours[place] != theirs[place]), length)
