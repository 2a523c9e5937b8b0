"""What is different between two configurations, as typed values: a closed union, `Change`.

Each change tells itself in a sentence for people and can be applied to a configuration. Fields are
called as the file calls their keys: `balance`, `front_timeout`, `health.interval`. Nothing secret
is ever in a sentence or in a representation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from dataclasses import field as described
from typing import Any, ClassVar, TypeVar

from udplb.config.keys import BACKENDS, CLUSTERS, ENGINE, HEALTH, LISTENERS
from udplb.config.section import Key
from udplb.config.spelling import is_secret, spell, spell_backend, spell_name
from udplb.core.address import Address
from udplb.core.settings import (
    BackendSettings,
    ClusterSettings,
    Configuration,
    FlowTerms,
    ListenerSettings,
)

RESTART_FIELDS = frozenset(
    {"control_socket", "metrics_address", "hash_seed", "gso", "gro", "log_format"}
)
"""Keys of the engine that a running process keeps: what they set is made once, at its start."""

TERMS = frozenset(term.name for term in fields(FlowTerms))
"""Keys of a cluster that stand among its flow terms."""

_HEALTH = "health."

_ENGINE_KEYS = {key.name: key for key in ENGINE.keys}
_LISTENER_KEYS = {key.name: key for key in LISTENERS.keys}
_BACKEND_KEYS = {key.name: key for key in BACKENDS.keys}
_CLUSTER_KEYS = {key.name: key for key in CLUSTERS.keys} | {
    f"{_HEALTH}{key.name}": key for key in HEALTH.keys
}

_Named = TypeVar("_Named", ListenerSettings, ClusterSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChanged:
    """A key of the process as a whole has another value."""

    field: str
    before: object = described(repr=False)
    after: object = described(repr=False)

    @property
    def needs_restart(self) -> bool:
        """Whether a running process keeps the old value."""
        return self.field in RESTART_FIELDS

    @property
    def sentence(self) -> str:
        """What is different, on one line."""
        return f"engine: {_change(_ENGINE_KEYS[self.field], self)}"

    def applied_to(self, configuration: Configuration) -> Configuration:
        """The configuration with this change."""
        values: dict[str, Any] = {self.field: self.after}
        return replace(configuration, engine=replace(configuration.engine, **values))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerAdded:
    """A listener that was not there."""

    settings: ListenerSettings
    index: int
    """Its place among the listeners."""
    needs_restart: ClassVar[bool] = False

    @property
    def sentence(self) -> str:
        """What is different, on one line."""
        cluster = spell_name(self.settings.cluster)
        name = spell_name(self.settings.name)
        return f"listener {name}: added, {self.settings.address} to cluster {cluster}"

    def applied_to(self, configuration: Configuration) -> Configuration:
        """The configuration with this change."""
        listeners = _inserted(configuration.listeners, self.index, self.settings)
        return replace(configuration, listeners=listeners)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerRemoved:
    """A listener that is there no more."""

    settings: ListenerSettings
    needs_restart: ClassVar[bool] = False

    @property
    def sentence(self) -> str:
        """What is different, on one line."""
        return f"listener {spell_name(self.settings.name)}: removed, {self.settings.address}"

    def applied_to(self, configuration: Configuration) -> Configuration:
        """The configuration with this change."""
        return replace(
            configuration, listeners=_without(configuration.listeners, self.settings.name)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerChanged:
    """A key of a listener has another value; its name never has, as that is its identity."""

    listener: str
    field: str
    before: object
    after: object
    needs_restart: ClassVar[bool] = False

    @property
    def sentence(self) -> str:
        """What is different, on one line."""
        return f"listener {spell_name(self.listener)}: {_change(_LISTENER_KEYS[self.field], self)}"

    def applied_to(self, configuration: Configuration) -> Configuration:
        """The configuration with this change."""
        values: dict[str, Any] = {self.field: self.after}
        listeners = _changed(
            configuration.listeners, self.listener, lambda listener: replace(listener, **values)
        )
        return replace(configuration, listeners=listeners)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenersReordered:
    """The same listeners in another order."""

    names: tuple[str, ...]
    """All of them, in the new order."""
    needs_restart: ClassVar[bool] = False

    @property
    def sentence(self) -> str:
        """What is different, on one line."""
        return "listeners: in another order"

    def applied_to(self, configuration: Configuration) -> Configuration:
        """The configuration with this change."""
        return replace(configuration, listeners=_ordered(configuration.listeners, self.names))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterAdded:
    """A cluster that was not there, with all its backends."""

    settings: ClusterSettings
    index: int
    """Its place among the clusters."""
    needs_restart: ClassVar[bool] = False

    @property
    def sentence(self) -> str:
        """What is different, on one line."""
        count = len(self.settings.backends)
        backends = f"{count} backend{'s' if count != 1 else ''}"
        return f"cluster {spell_name(self.settings.name)}: added with {backends}"

    def applied_to(self, configuration: Configuration) -> Configuration:
        """The configuration with this change."""
        clusters = _inserted(configuration.clusters, self.index, self.settings)
        return replace(configuration, clusters=clusters)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterRemoved:
    """A cluster that is there no more, nor are its backends."""

    settings: ClusterSettings
    needs_restart: ClassVar[bool] = False

    @property
    def sentence(self) -> str:
        """What is different, on one line."""
        return f"cluster {spell_name(self.settings.name)}: removed"

    def applied_to(self, configuration: Configuration) -> Configuration:
        """The configuration with this change."""
        return replace(configuration, clusters=_without(configuration.clusters, self.settings.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterChanged:
    """A key of a cluster, or of its health, has another value."""

    cluster: str
    field: str
    before: object = described(repr=False)
    after: object = described(repr=False)
    needs_restart: ClassVar[bool] = False

    @property
    def sentence(self) -> str:
        """What is different, on one line."""
        change = _change(_CLUSTER_KEYS[self.field], self)
        return f"cluster {spell_name(self.cluster)}: {change}"

    def applied_to(self, configuration: Configuration) -> Configuration:
        """The configuration with this change."""
        return _with_cluster(configuration, self.cluster, self._applied_to_cluster)

    def _applied_to_cluster(self, cluster: ClusterSettings) -> ClusterSettings:
        name = self.field.removeprefix(_HEALTH)
        values: dict[str, Any] = {name: self.after}
        if name != self.field:
            return replace(cluster, health=replace(cluster.health, **values))
        if name in TERMS:
            return replace(cluster, terms=replace(cluster.terms, **values))
        return replace(cluster, **values)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClustersReordered:
    """The same clusters in another order."""

    names: tuple[str, ...]
    """All of them, in the new order."""
    needs_restart: ClassVar[bool] = False

    @property
    def sentence(self) -> str:
        """What is different, on one line."""
        return "clusters: in another order"

    def applied_to(self, configuration: Configuration) -> Configuration:
        """The configuration with this change."""
        return replace(configuration, clusters=_ordered(configuration.clusters, self.names))


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendAdded:
    """One more backend in a cluster that stays."""

    cluster: str
    settings: BackendSettings
    index: int
    """Its place among the cluster's backends."""
    needs_restart: ClassVar[bool] = False

    @property
    def sentence(self) -> str:
        """What is different, on one line."""
        settings = self.settings
        notes = f", weight {settings.weight}{', backup' if settings.backup else ''}"
        notes += ", draining" if settings.state == "drain" else ""
        place = f"cluster {spell_name(self.cluster)}: backend {spell_backend(settings)}"
        return f"{place} added{notes}"

    def applied_to(self, configuration: Configuration) -> Configuration:
        """The configuration with this change."""
        return _with_backends(
            configuration,
            self.cluster,
            lambda backends: _inserted(backends, self.index, self.settings),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendRemoved:
    """One backend less in a cluster that stays."""

    cluster: str
    settings: BackendSettings
    needs_restart: ClassVar[bool] = False

    @property
    def sentence(self) -> str:
        """What is different, on one line."""
        return f"cluster {spell_name(self.cluster)}: backend {spell_backend(self.settings)} removed"

    def applied_to(self, configuration: Configuration) -> Configuration:
        """The configuration with this change."""
        gone = self.settings.address
        return _with_backends(
            configuration,
            self.cluster,
            lambda backends: tuple(each for each in backends if each.address != gone),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendChanged:
    """A key of a backend has another value; its address never has, as that is its identity."""

    cluster: str
    address: Address
    name: str
    """What it was called before."""
    field: str
    before: object
    after: object
    needs_restart: ClassVar[bool] = False

    @property
    def sentence(self) -> str:
        """What is different, on one line."""
        place = f"cluster {spell_name(self.cluster)}: backend {spell_name(self.name)}"
        return f"{place} {_change(_BACKEND_KEYS[self.field], self)}"

    def applied_to(self, configuration: Configuration) -> Configuration:
        """The configuration with this change."""
        values: dict[str, Any] = {self.field: self.after}
        return _with_backends(
            configuration,
            self.cluster,
            lambda backends: tuple(
                replace(each, **values) if each.address == self.address else each
                for each in backends
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendsReordered:
    """The same backends in another order."""

    cluster: str
    addresses: tuple[Address, ...]
    """All of them, in the new order."""
    needs_restart: ClassVar[bool] = False

    @property
    def sentence(self) -> str:
        """What is different, on one line."""
        return f"cluster {spell_name(self.cluster)}: backends in another order"

    def applied_to(self, configuration: Configuration) -> Configuration:
        """The configuration with this change."""
        return _with_backends(configuration, self.cluster, self._in_order)

    def _in_order(self, backends: tuple[BackendSettings, ...]) -> tuple[BackendSettings, ...]:
        by_address = {each.address: each for each in backends}
        return tuple(by_address[address] for address in self.addresses)


Change = (
    EngineChanged
    | ListenerAdded
    | ListenerRemoved
    | ListenerChanged
    | ListenersReordered
    | ClusterAdded
    | ClusterRemoved
    | ClusterChanged
    | ClustersReordered
    | BackendAdded
    | BackendRemoved
    | BackendChanged
    | BackendsReordered
)
"""One difference between two configurations."""


def cluster_of(change: Change) -> str | None:
    """The cluster that a change is about; None where it is about something else."""
    match change:
        case ClusterAdded(settings=settings) | ClusterRemoved(settings=settings):
            return settings.name
        case ClusterChanged(cluster=cluster):
            return cluster
        case (
            BackendAdded(cluster=cluster)
            | BackendRemoved(cluster=cluster)
            | BackendChanged(cluster=cluster)
            | BackendsReordered(cluster=cluster)
        ):
            return cluster
    return None


_FromTo = EngineChanged | ListenerChanged | ClusterChanged | BackendChanged


def _change(key: Key, change: _FromTo) -> str:
    """`weight 1 → 3`; of a secret only that it changed."""
    if is_secret(key):
        return f"{change.field} changed"
    return f"{change.field} {spell(key, change.before)} → {spell(key, change.after)}"


# Places in tuples

_Each = TypeVar("_Each")


def _inserted(them: tuple[_Each, ...], index: int, one: _Each) -> tuple[_Each, ...]:
    return (*them[:index], one, *them[index:])


def _without(them: tuple[_Named, ...], name: str) -> tuple[_Named, ...]:
    return tuple(each for each in them if each.name != name)


def _changed(
    them: tuple[_Named, ...], name: str, change: Callable[[_Named], _Named]
) -> tuple[_Named, ...]:
    return tuple(change(each) if each.name == name else each for each in them)


def _ordered(them: tuple[_Named, ...], names: Iterable[str]) -> tuple[_Named, ...]:
    by_name = {each.name: each for each in them}
    return tuple(by_name[name] for name in names)


def _with_cluster(
    configuration: Configuration,
    name: str,
    change: Callable[[ClusterSettings], ClusterSettings],
) -> Configuration:
    return replace(configuration, clusters=_changed(configuration.clusters, name, change))


def _with_backends(
    configuration: Configuration,
    cluster: str,
    change: Callable[[tuple[BackendSettings, ...]], tuple[BackendSettings, ...]],
) -> Configuration:
    return _with_cluster(
        configuration, cluster, lambda it: replace(it, backends=change(it.backends))
    )
