from __future__ import annotations

import pytest
from rich.cells import cell_len

from udplb.tui.themes.glyphs import GLYPHS, with_glyph

MINE = {**GLYPHS, "up": "+", "down": "x", "drained": "o", "unknown": "u"}


def test_each_is_one_cell() -> None:
    assert {cell_len(glyph) for glyph in GLYPHS.values()} == {1}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("● UP", "+ UP"),
        ("○ DRAINED", "o DRAINED"),
        ("● RUNNING", "+ RUNNING"),
        ("● LIVE 2Hz", "+ LIVE 2Hz"),
        ("✖ LOST 0:36", "x LOST 0:36"),
        ("◐ STARTING", "u STARTING"),
        ("● up", "● up"),
        ("UP", "UP"),
        ("edge UP", "edge UP"),
        ("● ELSEWHERE", "● ELSEWHERE"),
        ("●", "●"),
        ("", ""),
    ],
)
def test_a_state_gets_the_sign_of_the_theme_and_other_texts_stay(text: str, found: str) -> None:
    assert with_glyph(text, MINE) == found


def test_without_a_theme_nothing_changes() -> None:
    for text in ("● UP", "▲ TRIAL", "◐ DRAIN", "○ DRAINED", "✖ DOWN", "✖ EJECTED"):
        assert with_glyph(text, GLYPHS) == text
