"""From tables without mistakes to core's plain types."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from udplb.config.tables import Table
from udplb.core.settings import (
    PROFILES,
    BackendSettings,
    ClusterSettings,
    Configuration,
    EngineSettings,
    FlowTerms,
    HealthSettings,
    ListenerSettings,
)

_TERMS = frozenset(field.name for field in fields(FlowTerms))
"""Keys of a cluster that a flow takes with it for life."""


def build(root: Table) -> Configuration:
    """The configuration that the tables describe; they must have passed every check."""
    return Configuration(
        engine=EngineSettings(**root.only("engine").values),
        listeners=tuple(ListenerSettings(**table.values) for table in root.sections["listeners"]),
        clusters=tuple(_cluster(table) for table in root.sections["clusters"]),
    )


def _cluster(table: Table) -> ClusterSettings:
    """Explicit keys win over what the profile stands for."""
    profile = PROFILES[table.values["profile"]]
    written: dict[str, Any] = {"affinity": profile.affinity, **table.values}
    terms = {name: value for name, value in written.items() if name in _TERMS}
    others = {name: value for name, value in written.items() if name not in _TERMS}
    return ClusterSettings(
        name=table.name,
        backends=tuple(_backend(backend) for backend in table.sections["backends"]),
        terms=replace(profile.terms, **terms),
        health=HealthSettings(**table.only("health").values),
        **others,
    )


def _backend(table: Table) -> BackendSettings:
    return BackendSettings(**{"name": str(table.values["address"]), **table.values})
