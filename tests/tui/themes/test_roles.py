from __future__ import annotations

import pytest

from tests.show.pictures import backend, drain
from udplb.engine.snapshot import BackendSnapshot
from udplb.show.states import state_of_backend, state_of_flow, state_of_proxy
from udplb.tui.themes.look import ATTRIBUTES
from udplb.tui.themes.roles import ROLES, Kind, role_of_state

WANTED = (
    "up", "drain", "slow", "down", "unknown", "stale", "rx", "tx", "drop", "graph", "graph-peak",
    "hot", "mark", "ro", "rw", "cfg-add", "cfg-del", "cfg-change", "target-frame",
)  # fmt: skip
"""CONSOLE.md, Themes."""


def test_what_the_specification_names_is_there() -> None:
    assert {*WANTED} <= ROLES.keys()


def test_each_has_a_sentence_and_a_fallback() -> None:
    for name, role in ROLES.items():
        assert role.name == name
        assert role.sentence.endswith(".")
        color, *attributes = role.fallback.split()
        assert color
        assert {*attributes} <= {*ATTRIBUTES}


def test_no_name_is_taken_for_the_attributes_of_another() -> None:
    """`$udplb-NAME-style` stands beside `$udplb-NAME`."""
    assert not {f"{name}-style" for name in ROLES} & ROLES.keys()


@pytest.mark.parametrize(
    ("given", "role"),
    [
        (backend(), "up"),
        (backend(standing="on_trial"), "trial"),
        (backend(draining=True, drain=drain()), "drain"),
        (backend(draining=True, drain=drain(drained=True)), "quiet"),
        (backend(up=False), "down"),
        (backend(up=False, standing="ejected"), "down"),
    ],
)
def test_every_state_of_a_backend_has_a_role(given: BackendSnapshot, role: str) -> None:
    assert role_of_state(state_of_backend(given).word) == role
    assert ROLES[role].kind is Kind.WORD


def test_other_states_and_words() -> None:
    assert role_of_state(state_of_proxy("running").word) == "up"
    assert role_of_state(state_of_proxy("draining").word) == "drain"
    assert role_of_state(state_of_proxy("stopped").word) == "down"
    assert role_of_state(state_of_flow("leaving").word) == "drain"
    assert role_of_state(state_of_flow("current").word) == ""
    assert role_of_state("edge-1") == ""
