"""Wrapping: no part is wider than the room, and nothing gets lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from udplb.tui.ink import Piece
from udplb.tui.wrapping import wrapped

LINE = [Piece("drain     ", "quiet"), Piece("312 active, 892 quiet (gone within 48s)", "drain")]


def texts(line: list[Piece], width: int, lines_max: int = 9) -> list[str]:
    return ["".join(p.text for p in part) for part in wrapped(line, width, 10, lines_max)]


def test_what_fits_stays_one_line() -> None:
    assert len(texts(LINE, 49)) == 1


def test_what_does_not_is_broken_between_words_under_its_begin() -> None:
    assert texts(LINE, 33) == ["drain     312 active, 892 quiet", "          (gone within 48s)"]


def test_colours_stay() -> None:
    assert wrapped(LINE, 33, 10)[1][-1].ink == "drain"


def test_there_are_never_too_many_parts() -> None:
    assert len(texts(LINE, 16, 2)) == 2


@given(st.lists(st.text(max_size=30), max_size=5), st.integers(0, 60), st.integers(1, 9))
def test_nothing_but_blanks_gets_lost(pieces: list[str], width: int, lines_max: int) -> None:
    parts = texts([Piece(text) for text in pieces], width, lines_max)
    assert len(parts) <= lines_max
    whole = texts([Piece(text) for text in pieces], 10_000)
    assert "".join("".join(parts).split()) == "".join("".join(whole).split())
