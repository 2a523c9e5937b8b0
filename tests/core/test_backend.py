"""A backend: its identity is its address, and readiness is the operator's word."""

from __future__ import annotations

import pytest

from tests.core.playbook import backend, running
from udplb.core.settings import BackendSettings


def test_its_number_is_of_the_address_and_the_seed_alone() -> None:
    plain = backend(1)
    renamed = BackendSettings(address=plain.address, name="other", weight=7, backup=True)
    assert running(plain, b"s").number == running(renamed, b"s").number
    assert running(plain, b"s").number != running(plain, b"t").number
    assert running(plain, b"s").number != running(backend(2), b"s").number
    moved = BackendSettings(address=plain.address._replace(port=54), name=plain.name)
    assert running(plain, b"s").number != running(moved, b"s").number


def test_a_fixed_number() -> None:
    assert running(backend(1), b"0").number == 0x1B0E7FCBDF115078


@pytest.mark.parametrize("weight", [0, 1, 1_000])
@pytest.mark.parametrize("draining", [False, True])
@pytest.mark.parametrize("removed", [False, True])
@pytest.mark.parametrize("up", [False, True])
def test_ready(weight: int, draining: bool, removed: bool, up: bool) -> None:
    state = running(backend(1, weight=weight, state="drain" if draining else "active"), b"")
    state.removed, state.up = removed, up
    assert state.ready is (weight > 0 and not draining and not removed)
    assert (state.name, state.address) == ("b1", backend(1).address)
    assert repr(state) == "Backend(b1)"


def test_it_is_called_by_its_name_or_its_address() -> None:
    state = running(backend(1), b"")
    for word, called in (("b1", True), ("10.0.0.1:53", True), ("b", False), ("10.0.0.1", False)):
        assert state.is_called(word) is state.settings.is_called(word) is called


def test_other_settings() -> None:
    state = running(backend(1), b"s")
    number, health = state.number, state.health
    state.settings_changed(BackendSettings(address=state.address, name="z", weight=9, backup=True))
    assert (state.name, state.weight, state.settings.backup) == ("z", 9, True)
    assert (state.number, state.health) == (number, health)
    with pytest.raises(AssertionError):
        state.settings_changed(backend(2))
