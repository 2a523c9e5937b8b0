"""A theme as the console uses it: for Textual, its variables; for what draws itself, styles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.style import Style
from textual.color import Color, ColorParseError
from textual.theme import BUILTIN_THEMES, Theme

from udplb.tui.themes.glyphs import GLYPHS
from udplb.tui.themes.look import ATTRIBUTES, TRANSPARENT, Look
from udplb.tui.themes.roles import PREFIX, ROLES, Kind, Role

BASE_COLORS = (
    "primary", "secondary", "accent", "success", "warning", "error",
    "foreground", "background", "surface", "panel", "boost",
)  # fmt: skip
"""Textual's own, from which it mixes all others; only the first is required."""
ANSI_DEFAULT = "ansi_default"
"""The terminal's own foreground or background."""


@dataclass(frozen=True, slots=True)
class ConsoleTheme:
    """One theme, checked and complete."""

    name: str
    dark: bool
    ansi: bool
    """Only the terminal's own sixteen colours, or none."""
    colors: Mapping[str, str]
    """Those of Textual that the file defines."""
    looks: Mapping[str, Look]
    """By role: those that the file defines."""
    glyphs: Mapping[str, str] = field(default_factory=lambda: GLYPHS)
    """All of them."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of Textual, other than these."""
    source: str = ""
    """The file that it comes from."""


def textual_theme(theme: ConsoleTheme) -> Theme:
    """The theme for App.register_theme. It defines two variables for each role."""
    base = _base(theme)
    if theme.ansi:
        # Stylesheets of Textual use a few variables that it does not mix for such themes.
        missing = known_variables() - base.to_color_system().generate().keys()
        base.variables.update(dict.fromkeys(missing, ANSI_DEFAULT))
    base.variables.update(_role_variables(base, theme.looks))
    return base


def styles_of(theme: ConsoleTheme) -> Mapping[str, Style]:
    """The style of every role. That of a ground has a background, the others a foreground."""
    looks = _complete(_base(theme), theme.looks)
    return {
        name: look.style(ground=ROLES[name].kind is Kind.GROUND) for name, look in looks.items()
    }


def defaults(theme: Theme | None = None) -> dict[str, str]:
    """The roles' variables in a theme of Textual's: for App.get_theme_variable_defaults, since
    stylesheets are read before a theme of ours is set."""
    return _role_variables(theme or BUILTIN_THEMES["textual-dark"], {})


def known_variables() -> frozenset[str]:
    """The names that Textual's stylesheets use, other than the base colours."""
    names: set[str] = set()
    for ansi in (False, True):
        names |= (
            Theme("any", primary="ansi_blue" if ansi else "blue", ansi=ansi)
            .to_color_system()
            .generate()
            .keys()
        )
    return frozenset(names - {*BASE_COLORS})


def _base(theme: ConsoleTheme) -> Theme:
    """The theme without our roles."""
    given = theme.colors.get
    return Theme(
        name=theme.name,
        primary=theme.colors["primary"],
        secondary=given("secondary"),
        accent=given("accent"),
        success=given("success"),
        warning=given("warning"),
        error=given("error"),
        foreground=given("foreground"),
        background=given("background"),
        surface=given("surface"),
        panel=given("panel"),
        boost=given("boost"),
        dark=theme.dark,
        ansi=theme.ansi,
        variables=dict(theme.variables),
    )


def _role_variables(base: Theme, given: Mapping[str, Look]) -> dict[str, str]:
    variables: dict[str, str] = {}
    mixed = base.to_color_system().generate()
    for name, look in _complete(base, given).items():
        color = look.color
        if not color and ROLES[name].kind is Kind.GROUND:
            color = ANSI_DEFAULT if base.ansi else TRANSPARENT
        variables[f"{PREFIX}{name}"] = color or mixed["foreground"]
        variables[f"{PREFIX}{name}-style"] = look.text_style
    return variables


def _complete(base: Theme, given: Mapping[str, Look]) -> dict[str, Look]:
    """A look for every role."""
    mixed = base.to_color_system().generate()
    return {
        name: given[name] if name in given else _fallback(role, mixed, base.ansi)
        for name, role in ROLES.items()
    }


def _fallback(role: Role, mixed: Mapping[str, str], ansi: bool) -> Look:
    if ansi and role.kind is Kind.GROUND:
        # None of the terminal's sixteen is a ground on which every word can be read.
        return Look("", ("bold", "reverse") if role.name == "cursor" else ())
    color, *attributes = role.fallback.split()
    assert all(attribute in ATTRIBUTES for attribute in attributes)
    try:
        parsed = Color.parse(mixed[color])
    except ColorParseError:
        return Look("", tuple(attributes))  # mixed by the stylesheet, `auto 87%`
    if parsed.ansi is None and parsed.a < 1:
        return Look("", tuple(attributes))
    return Look(parsed.hex, tuple(attributes))
