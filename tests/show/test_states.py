from __future__ import annotations

import pytest

from tests.show.pictures import backend, drain
from udplb.engine.snapshot import BackendSnapshot
from udplb.show.page import Role
from udplb.show.states import state_of_backend, state_of_flow, state_of_proxy


@pytest.mark.parametrize(
    ("given", "text", "role"),
    [
        (backend(), "● UP", Role.GOOD),
        (backend(standing="on_trial"), "▲ TRIAL", Role.WAITING),
        (backend(up=False), "✖ DOWN", Role.BAD),
        (backend(up=False, standing="ejected"), "✖ EJECTED", Role.BAD),
        (backend(draining=True, drain=drain()), "◐ DRAIN", Role.WAITING),
        (backend(draining=True, drain=drain(), up=False), "◐ DRAIN", Role.WAITING),
        (backend(draining=True, drain=drain(drained=True)), "○ DRAINED", Role.QUIET),
        (backend(draining=True, flows=1), "◐ DRAIN", Role.WAITING),
        (backend(draining=True, flows=0), "○ DRAINED", Role.QUIET),
    ],
)
def test_a_backend(given: BackendSnapshot, text: str, role: Role) -> None:
    state = state_of_backend(given)
    assert (state.text, state.role) == (text, role)
    assert state.word == text.split()[1]


@pytest.mark.parametrize(
    ("state", "text"),
    [("running", "● RUNNING"), ("draining", "◐ DRAINING"), ("stopped", "✖ STOPPED")],
)
def test_the_proxy(state: str, text: str) -> None:
    assert state_of_proxy(state).text == text


def test_a_flow() -> None:
    assert state_of_flow("current").role is Role.PLAIN
    assert state_of_flow("leaving").role is Role.WAITING
