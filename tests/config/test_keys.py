from __future__ import annotations

from dataclasses import MISSING, fields

import pytest

from udplb.config.keys import BACKENDS, CLUSTERS, ENGINE, HEALTH, LISTENERS, sections
from udplb.config.section import Key, Origin, Section
from udplb.core.settings import (
    BackendSettings,
    ClusterSettings,
    EngineSettings,
    FlowTerms,
    HealthSettings,
    ListenerSettings,
)

SETTINGS: list[tuple[Section, tuple[type, ...]]] = [
    (ENGINE, (EngineSettings,)),
    (LISTENERS, (ListenerSettings,)),
    (CLUSTERS, (ClusterSettings, FlowTerms)),
    (BACKENDS, (BackendSettings,)),
    (HEALTH, (HealthSettings,)),
]
NOT_KEYS = {"terms", "backends", "health"}
"""Fields of a cluster that hold other tables."""

ALL_KEYS = [(header, key) for header, section in sections() for key in section.keys]


def test_the_sections_are_those_of_the_design() -> None:
    assert [header for header, _ in sections()] == [
        "[engine]",
        "[[listeners]]",
        "[clusters.NAME]",
        "[[clusters.NAME.backends]]",
        "[clusters.NAME.health]",
    ]


@pytest.mark.parametrize(("section", "types"), SETTINGS)
def test_every_field_of_core_has_a_key(section: Section, types: tuple[type, ...]) -> None:
    named = {field.name for type_ in types for field in fields(type_)} - NOT_KEYS
    keys = {key.name for key in section.keys}
    # A cluster's name is part of its header.
    assert named - keys == ({"name"} if section is CLUSTERS else set())
    assert keys <= named


@pytest.mark.parametrize(("section", "types"), SETTINGS)
def test_defaults_equal_those_of_core(section: Section, types: tuple[type, ...]) -> None:
    defaults = {
        field.name: field.default
        for type_ in types
        for field in fields(type_)
        if field.default is not MISSING
    }
    # Core serves no metrics unless it is told to; files are, by default.
    defaults.pop("metrics_address", None)
    for key in section.keys:
        if key.name in defaults and not isinstance(key.default, Origin):
            assert key.default_value() == defaults[key.name], key.name


@pytest.mark.parametrize(("header", "key"), ALL_KEYS)
def test_every_key_is_documented_and_has_a_value_to_show(header: str, key: Key) -> None:
    assert key.sentence.endswith("."), header
    assert "\n" not in key.sentence
    assert key.kind.allowed()
    if isinstance(key.default, Origin):
        assert key.kind.read(key.example) is not None
    else:
        assert key.example is None
        key.default_value()


def test_names_are_unique_within_a_section() -> None:
    for header, section in sections():
        assert len(set(section.names)) == len(section.names), header
