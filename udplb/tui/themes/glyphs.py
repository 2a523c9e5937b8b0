"""Glyphs: the sign before a state's word, one cell of the terminal each."""

from __future__ import annotations

from collections.abc import Mapping

from udplb.show.states import BAD, CARE, DONE, GOOD, WAITING

GLYPHS: Mapping[str, str] = {
    "up": GOOD,
    "trial": CARE,
    "drain": WAITING,
    "drained": DONE,
    "slow": CARE,
    "down": BAD,
    "ejected": BAD,
    "unknown": "?",
    "stale": WAITING,
    "paused": "‖",
    "ok": "✔",
    "cursor": ">",
    "mark": "*",
}
"""All that a theme can change, and what they are where it does not."""

_KEY_OF_STATE: Mapping[str, str] = {
    "RUNNING": "up",
    "LIVE": "up",
    "STARTING": "unknown",
    "DRAINING": "drain",
    "STOPPED": "down",
    "LOST": "down",
    "ENDED": "down",
}
"""State words whose glyph has another name."""


def with_glyph(text: str, glyphs: Mapping[str, str]) -> str:
    """A state as udplb.show has it, `● UP`, with the theme's glyph; other texts as they are."""
    glyph, space, words = text.partition(" ")
    word = words.partition(" ")[0]
    key = _KEY_OF_STATE.get(word, word.lower() if word.isupper() else "")
    if glyph not in _SIGNS or key not in glyphs:
        return text
    return f"{glyphs[key]}{space}{words}"


_SIGNS = frozenset(GLYPHS.values())
