"""Looks: a colour and attributes, as a theme's file writes them: `"#d55e00 bold"`."""

from __future__ import annotations

from dataclasses import dataclass

from rich.style import Style
from textual.color import Color, ColorParseError

ATTRIBUTES = ("bold", "dim", "italic", "underline", "reverse", "strike")
"""In the order in which they are written. None of them blinks."""
PLAIN = "none"
"""Stands for a look without colour and attributes: that of the text around it."""
TRANSPARENT = "transparent"
COLOR_LENGTH_MAX = 40
"""Characters of a colour's text. `hsla(...)` with every digit that matters is shorter; numbers of
hundreds of digits, which Textual cannot take, are longer."""


class LookError(ValueError):
    """What is wrong with a look, in a few words."""


@dataclass(frozen=True, slots=True)
class Look:
    """How something is drawn."""

    color: str = ""
    """As Textual's stylesheets write it, `#d55e00` or `ansi_red`; empty: that of the text around
    it, or the ground below."""
    attributes: tuple[str, ...] = ()

    @property
    def text_style(self) -> str:
        """The attributes, as a stylesheet's `text-style`."""
        return " ".join(self.attributes) or PLAIN

    def style(self, *, ground: bool = False) -> Style:
        """For rich; `ground`: the colour is that of the background."""
        color = Color.parse(self.color).rich_color if self.color else None
        flags = dict.fromkeys(self.attributes, True)
        return Style(
            color=None if ground else color,
            bgcolor=color if ground else None,
            bold=flags.get("bold"),
            dim=flags.get("dim"),
            italic=flags.get("italic"),
            underline=flags.get("underline"),
            reverse=flags.get("reverse"),
            strike=flags.get("strike"),
        )


def read_look(text: str, *, ansi: bool) -> Look:
    """A colour, attributes, or both, in this order; `none` for neither. Raises LookError."""
    words = text.split()
    found: set[str] = set()
    while words and words[-1] in ATTRIBUTES:
        found.add(words.pop())
    attributes = tuple(each for each in ATTRIBUTES if each in found)
    if not words:
        if not attributes:
            raise LookError("is empty")
        return Look("", attributes)
    if words == [PLAIN]:
        return Look("", attributes)
    return Look(read_color(" ".join(words), ansi=ansi), attributes)


def read_attributes(text: str) -> str:
    """Attributes alone, as a stylesheet's `text-style` has them. Raises LookError."""
    words = text.split()
    wrong = [word for word in words if word not in ATTRIBUTES]
    if not words or (wrong and words != [PLAIN]):
        raise LookError("is no text style")
    return Look("", tuple(each for each in ATTRIBUTES if each in words)).text_style


def read_color(text: str, *, ansi: bool, clear: bool = False) -> str:
    """A colour as stylesheets write it. Raises LookError.

    It is one of the terminal's own where the theme says `ansi = true`, and none of those where it
    does not: what a terminal makes of them cannot be checked or mixed. `clear`: what is below may
    shine through.
    """
    if len(text) > COLOR_LENGTH_MAX:
        raise LookError("is too long for a colour")
    try:
        color = Color.parse(text)
    except ColorParseError:
        raise LookError("is no colour") from None
    if clear and color.is_transparent:
        return TRANSPARENT
    if ansi and color.ansi is None:
        raise LookError("is not one of the terminal's colours")
    if not ansi and color.ansi is not None:
        raise LookError("is one of the terminal's colours")
    if color.ansi is None and color.a < 1 and not clear:
        raise LookError("lets what is below shine through")
    return color.hex
