"""Profiles stand for what DESIGN.md's table says; settings cannot be changed behind one's back."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from udplb.core.settings import PROFILES, EngineSettings, Profile


@pytest.mark.parametrize(
    ("profile", "front", "back", "responses", "max_age", "affinity"),
    [
        ("generic", 30, 30, 0, 0, "source_ip_port"),
        ("dns", 5, 5, 1, 0, "source_ip_port"),
        ("oneway", 30, 1, 0, 300, "source_ip_port"),
        ("session", 180, 180, 0, 0, "source_ip"),
    ],
)
def test_profiles(
    profile: Profile, front: float, back: float, responses: int, max_age: float, affinity: str
) -> None:
    defaults = PROFILES[profile]
    terms = defaults.terms
    assert (terms.front_timeout, terms.back_timeout) == (front, back)
    assert (terms.responses, terms.requests, terms.max_age) == (responses, 0, max_age)
    assert (terms.proxy_protocol, defaults.affinity) == ("off", affinity)


def test_settings_are_immutable() -> None:
    with pytest.raises(FrozenInstanceError):
        PROFILES["dns"].terms.responses = 2  # type: ignore[misc]


def test_the_seed_does_not_show() -> None:
    assert "secret" not in repr(EngineSettings(hash_seed=b"secret"))
