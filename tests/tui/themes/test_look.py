from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.color import ColorType
from textual.color import Color

from udplb.tui.themes.look import (
    COLOR_LENGTH_MAX,
    TRANSPARENT,
    Look,
    LookError,
    read_attributes,
    read_color,
    read_look,
)


@pytest.mark.parametrize(
    ("text", "look"),
    [
        ("#d55e00", Look("#D55E00")),
        ("#d50 bold", Look("#DD5500", ("bold",))),
        ("rgb(213, 94, 0)  dim  bold bold", Look("#D55E00", ("bold", "dim"))),
        ("red underline", Look("#FF0000", ("underline",))),
        ("bold reverse", Look("", ("bold", "reverse"))),
        ("none", Look()),
        ("none bold", Look("", ("bold",))),
    ],
)
def test_a_look(text: str, look: Look) -> None:
    assert read_look(text, ansi=False) == look


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("bold red", "is no colour"),
        ("blink", "is no colour"),
        ("#12345", "is no colour"),
        ("auto 87%", "is no colour"),
        ("$primary", "is no colour"),
        ("red; } * { color: blue", "is no colour"),
        ("#d55e0080", "lets what is below shine through"),
        ("transparent", "lets what is below shine through"),
        ("ansi_red", "is one of the terminal's colours"),
        (f"rgb({'9' * 400},0,0)", "is too long for a colour"),
    ],
)
def test_what_is_none(text: str, wrong: str) -> None:
    with pytest.raises(LookError, match=f"^{wrong}$"):
        read_look(text, ansi=False)


def test_a_colours_length() -> None:
    padded = "rgb(1,2,3" + " " * (COLOR_LENGTH_MAX - 10) + ")"
    assert len(padded) == COLOR_LENGTH_MAX
    assert read_color(padded, ansi=False) == "#010203"
    with pytest.raises(LookError, match="too long"):
        read_color(padded.replace(")", " )"), ansi=False)


def test_the_terminals_own_colours() -> None:
    assert read_look("ansi_bright_red bold", ansi=True) == Look("ansi_bright_red", ("bold",))
    assert read_look("ansi_default", ansi=True) == Look("ansi_default")
    for text in ("#d55e00", "red", TRANSPARENT):
        with pytest.raises(LookError, match="is not one of the terminal's"):
            read_look(text, ansi=True)


def test_what_may_shine_through() -> None:
    assert read_color("#11223380", ansi=False, clear=True) == "#11223380"
    assert read_color(TRANSPARENT, ansi=False, clear=True) == TRANSPARENT
    assert read_color(TRANSPARENT, ansi=True, clear=True) == TRANSPARENT


def test_attributes_alone() -> None:
    assert read_attributes("underline bold") == "bold underline"
    assert read_attributes("none") == "none"
    for text in ("", "red", "bold none", "blink"):
        with pytest.raises(LookError, match="is no text style"):
            read_attributes(text)


def test_styles() -> None:
    word = Look("#D55E00", ("bold", "underline")).style()
    assert word.color is not None
    assert word.color.triplet == (0xD5, 0x5E, 0)
    assert (word.bgcolor, word.bold, word.underline, word.dim) == (None, True, True, None)
    ground = Look("#D55E00").style(ground=True)
    assert ground.color is None
    assert ground.bgcolor is not None
    assert not Look().style()
    own = Look("ansi_red").style().color
    assert own is not None
    assert own.type is ColorType.STANDARD


@given(text=st.text(max_size=60), ansi=st.booleans(), clear=st.booleans())
@example(text="rgb(" + "9" * 30 + ",0,0)", ansi=False, clear=False)
@example(text="hsl(1,1%,1%)", ansi=False, clear=False)
@example(text="ansi_", ansi=True, clear=False)
@example(text="#FFF\n", ansi=False, clear=False)
def test_whatever_stands_there_it_is_a_colour_or_refused(
    text: str, ansi: bool, clear: bool
) -> None:
    try:
        color = read_color(text, ansi=ansi, clear=clear)
    except LookError:
        return
    assert (Color.parse(color).ansi is not None) is ansi or color == TRANSPARENT


@given(st.from_regex(r"(rgb|rgba|hsl|hsla)\([-0-9., %]{0,30}\)", fullmatch=True))
def test_colours_that_are_nearly_some(text: str) -> None:
    try:
        color = read_color(text, ansi=False)
    except LookError:
        return
    assert len(color) == len("#000000")
