"""Ink: pieces become strips of exact width, and nothing in them is a command to the terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from udplb.show.page import Cell, Role
from udplb.tui.ink import Piece, clean, fitted, piece_of, segments_of, strip_of

HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\n[red]x[/red]\u202e"


def test_what_a_terminal_would_obey_is_escaped() -> None:
    text = clean(HOSTILE)
    assert text.isprintable()
    assert "[red]x[/red]" in text, "markup is text"
    (segment,) = segments_of([Piece(HOSTILE)], {})
    assert segment.text == text
    assert segment.control is None


def test_roles_have_the_styles_of_the_theme() -> None:
    inks = {"up": Style(color="green")}
    up, none, unknown = segments_of([Piece("a", "up"), Piece("b"), Piece("c", "what")], inks)
    assert up.style == Style(color="green")
    assert none.style == Style()
    assert unknown.style == Style()
    assert piece_of(Cell("x", role=Role.BAD)) == Piece("x", "down")


@given(st.lists(st.text(max_size=20), max_size=6), st.integers(0, 60))
def test_a_strip_has_the_width_that_was_asked_for(texts: list[str], width: int) -> None:
    strip = strip_of([Piece(text) for text in texts], {}, width)
    if width:
        assert strip.cell_length == width


@given(st.text(max_size=30), st.integers(0, 30), st.booleans())
def test_a_text_is_fitted_into_its_cells(text: str, width: int, right: bool) -> None:
    assert cell_len(fitted(text, width, right=right)) == width


def test_what_has_no_room_ends_in_an_ellipsis() -> None:
    assert fitted("abcdef", 4) == "abc…"
    assert fitted("ab", 4, right=True) == "  ab"
    assert strip_of([Piece("abc"), Piece("def")], {}, 4).text == "abc…"
