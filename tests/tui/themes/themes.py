"""What tests of themes need: files to write, and contrast as WCAG counts it."""

from __future__ import annotations

from pathlib import Path

from textual.color import Color

GOOD = """\
name = "mine"
dark = true
[colors]
primary = "#56b4e9"
background = "#101418"
[tokens]
up = "#56b4e9"
down = "#f08040 bold"
[glyphs]
up = "+"
[variables]
footer-key-foreground = "#e69f00"
"""
"""A theme that leaves most of it out."""


def written(folder: Path, name: str, text: str = GOOD) -> Path:
    """A file in the folder, which may not be there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def contrast(one: str, other: str) -> float:
    """Of two colours (WCAG 2.2, contrast ratio): from 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: str) -> float:
    parts = [part / 255 for part in Color.parse(color).rgb]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
