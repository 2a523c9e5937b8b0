"""States as glyph, word and colour: the word alone says it all."""

from __future__ import annotations

from udplb.engine.snapshot import BackendSnapshot
from udplb.show.page import Cell, Role

GOOD, WAITING, DONE, CARE, BAD = "●", "◐", "○", "▲", "✖"
"""The glyphs; each stands before a word."""


def state_of_backend(backend: BackendSnapshot) -> Cell:
    """UP, TRIAL, DRAIN, DRAINED, EJECTED or DOWN. What an operator wants is said before health."""
    if backend.draining:
        drain = backend.drain
        over = drain.drained if drain else not backend.flows
        return _state(DONE, "DRAINED", Role.QUIET) if over else _state(WAITING, "DRAIN")
    if not backend.up:
        return _state(BAD, "EJECTED" if backend.standing == "ejected" else "DOWN", Role.BAD)
    if backend.standing == "on_trial":
        return _state(CARE, "TRIAL")
    return _state(GOOD, "UP", Role.GOOD)


def state_of_proxy(state: str) -> Cell:
    """RUNNING, DRAINING or STOPPED."""
    match state:
        case "running":
            return _state(GOOD, "RUNNING", Role.GOOD)
        case "draining":
            return _state(WAITING, "DRAINING")
        case _:
            return _state(BAD, state.upper(), Role.BAD)


def state_of_flow(state: str) -> Cell:
    """`current` or `leaving`."""
    return Cell(state, role=Role.WAITING if state == "leaving" else Role.PLAIN)


def _state(glyph: str, name: str, role: Role = Role.WAITING) -> Cell:
    return Cell(f"{glyph} {name}", name, role)
