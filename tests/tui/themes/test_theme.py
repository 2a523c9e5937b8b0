from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from rich.color import ColorType
from textual.app import App, ComposeResult
from textual.theme import BUILTIN_THEMES
from textual.widgets import Button, Footer, Input, Label

from tests.tui.themes.themes import GOOD, contrast
from udplb.tui.themes.glyphs import GLYPHS
from udplb.tui.themes.loading import load_theme, parse_theme
from udplb.tui.themes.roles import PREFIX, ROLES, Kind
from udplb.tui.themes.shelf import PACKAGED
from udplb.tui.themes.theme import ConsoleTheme, defaults, known_variables, styles_of, textual_theme

NAMES = ("cb-safe", "dark", "high-contrast", "light", "mono", "red")
COLOURED = tuple(name for name in NAMES if name != "mono")
GROUNDS = ("background", "surface", "panel", "udplb-cursor", "udplb-cursor-blurred")
HEAD = "udplb-target-frame"
BARE = 'name = "bare"\n[colors]\nprimary = "#56b4e9"\n'
BARE_ANSI = 'name = "bare"\nansi = true\n[colors]\nprimary = "ansi_blue"\n'


def packaged(name: str) -> ConsoleTheme:
    return load_theme(PACKAGED / f"{name}.toml")


def variables_of(theme: ConsoleTheme) -> dict[str, str]:
    """As stylesheets get them."""
    made = textual_theme(theme)
    return {**made.to_color_system().generate(), **made.variables}


# Those in the package


def test_six_are_packaged() -> None:
    assert tuple(sorted(path.stem for path in PACKAGED.glob("*.toml"))) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_defines_every_role_and_glyph(name: str) -> None:
    theme = packaged(name)
    assert theme.name == name
    assert theme.looks.keys() == ROLES.keys()
    assert theme.glyphs.keys() == GLYPHS.keys()
    assert theme.ansi is (name == "mono")
    assert theme.dark is (name != "light")


@pytest.mark.parametrize("name", NAMES)
def test_each_says_how_to_make_another_of_it(name: str) -> None:
    text = (PACKAGED / f"{name}.toml").read_text()
    assert text.startswith(f"# {name}: ")
    assert "~/.config/udplb/themes/NAME.toml" in text
    for role in ROLES.values():
        assert role.sentence in text


@pytest.mark.parametrize("name", COLOURED)
def test_every_word_can_be_read_wherever_it_stands(name: str) -> None:
    variables = variables_of(packaged(name))
    words = [role for role in ROLES.values() if role.kind is Kind.WORD]
    inks = ["foreground", *(f"{PREFIX}{role.name}" for role in words)]
    poor = {
        (ink, ground): ratio
        for ink in inks
        for ground in (*GROUNDS, HEAD)
        if (ratio := contrast(variables[ink], variables[ground])) < 4.5
    }
    assert not poor


@pytest.mark.parametrize("name", COLOURED)
def test_graphs_and_frames_can_be_seen(name: str) -> None:
    variables = variables_of(packaged(name))
    for ground in GROUNDS:
        for ink in ("udplb-graph", "udplb-graph-peak"):
            assert contrast(variables[ink], variables[ground]) >= 3, (ink, ground)
    assert contrast(variables["udplb-frame"], variables["background"]) >= 1.5


@pytest.mark.parametrize("name", COLOURED)
def test_no_word_relies_on_dimming(name: str) -> None:
    """It would take contrast away that was counted."""
    looks = packaged(name).looks.values()
    assert not [look for look in looks if "dim" in look.attributes]


def test_high_contrast_keeps_its_promise() -> None:
    variables = variables_of(packaged("high-contrast"))
    for role in ROLES.values():
        if role.kind is Kind.WORD:
            for ground in ("background", "surface", "panel"):
                assert contrast(variables[PREFIX + role.name], variables[ground]) >= 7, role


def test_states_do_not_look_the_same() -> None:
    for name in COLOURED:
        looks = packaged(name).looks
        states = [looks[state] for state in ("up", "trial", "drain", "slow", "down", "unknown")]
        assert len({look.color for look in states}) == len(states), name


def test_red_is_noticed() -> None:
    def redness(name: str) -> int:
        ground = styles_of(packaged(name))["target-frame"].bgcolor
        assert ground is not None
        red, green, blue = ground.get_truecolor()
        return red - max(green, blue)

    assert redness("red") > 80
    assert all(redness(name) < 20 for name in COLOURED if name != "red")


def test_mono_has_attributes_only() -> None:
    for style in styles_of(packaged("mono")).values():
        assert style.color is None
        assert style.bgcolor is None
    colors = {value for value in variables_of(packaged("mono")).values() if "ansi_" in value}
    assert colors <= {"ansi_default", "ansi_default 50%"}


# What Textual gets


def test_each_role_is_two_variables() -> None:
    variables = textual_theme(parse_theme(GOOD, "mine.toml")).variables
    assert variables["udplb-up"] == "#56B4E9"
    assert variables["udplb-up-style"] == "none"
    assert variables["udplb-down"] == "#F08040"
    assert variables["udplb-down-style"] == "bold"
    assert variables["footer-key-foreground"] == "#E69F00"
    for name in ROLES:
        assert {f"{PREFIX}{name}", f"{PREFIX}{name}-style"} <= variables.keys()


def test_what_a_theme_leaves_out_falls_back_to_a_base_colour() -> None:
    theme = parse_theme(BARE + 'error = "#ff8888"\n', "bare.toml")
    variables = variables_of(theme)
    assert (variables["udplb-down"], variables["udplb-down-style"]) == (
        variables["error"],
        "bold",
    )
    assert variables["udplb-up"] == variables["success"]
    assert variables["udplb-graph"] == variables["primary"]
    assert variables["udplb-cursor"] == variables["primary-muted"]
    assert styles_of(theme)["quiet"].dim
    # Without a colour, words have that of all text, and grounds let through what is below.
    theme = parse_theme(BARE + '[tokens]\nup = "bold"\ncursor = "reverse"\n', "bare.toml")
    variables = variables_of(theme)
    assert (variables["udplb-up"], variables["udplb-up-style"]) == (
        variables["foreground"],
        "bold",
    )
    assert (variables["udplb-cursor"], variables["udplb-cursor-style"]) == (
        "transparent",
        "reverse",
    )


def test_terminal_colours_stay_what_they_are() -> None:
    theme = parse_theme(BARE_ANSI + '[tokens]\ndown = "ansi_red bold"\n', "bare.toml")
    styles = styles_of(theme)
    kinds = {
        color.type for style in styles.values() for color in (style.color, style.bgcolor) if color
    }
    assert kinds <= {ColorType.STANDARD, ColorType.DEFAULT}
    assert styles["cursor"].reverse
    assert not styles["target-frame"]
    variables = variables_of(theme)
    assert known_variables() <= variables.keys()
    assert not [value for value in variables.values() if value.startswith("#")]


def test_a_theme_is_made_anew_each_time() -> None:
    """Textual's themes can be written to."""
    theme = parse_theme(GOOD, "mine.toml")
    textual_theme(theme).variables["udplb-up"] = "red"
    assert theme == parse_theme(GOOD, "mine.toml")
    assert textual_theme(theme).variables["udplb-up"] == "#56B4E9"


@pytest.mark.parametrize(
    "theme", [None, *BUILTIN_THEMES.values()], ids=lambda each: each and each.name
)
def test_textuals_own_themes_have_defaults(theme: object) -> None:
    found = defaults(theme)  # type: ignore[arg-type]
    assert len(found) == 2 * len(ROLES)
    assert all(found.values())


class Everything(App[None]):
    """Uses every role in a stylesheet."""

    CSS = "\n".join(
        f".{name} {{ {'background' if role.kind is Kind.GROUND else 'color'}: $udplb-{name};"
        f" text-style: $udplb-{name}-style; }}"
        for name, role in ROLES.items()
    )

    def __init__(self, theme: ConsoleTheme) -> None:
        super().__init__()
        self.register_theme(textual_theme(theme))
        self.theme = theme.name

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return defaults()

    def compose(self) -> ComposeResult:
        for name in ROLES:
            yield Label(name, classes=name)
        yield Input("text")
        yield Button("Cancel", variant="error")
        yield Footer()


@pytest.mark.parametrize(
    "theme",
    [*map(packaged, NAMES), parse_theme(BARE, "bare"), parse_theme(BARE_ANSI, "bare")],
    ids=lambda theme: f"{theme.name}-{theme.ansi}",
)
def test_stylesheets_can_use_every_role(theme: ConsoleTheme) -> None:
    async def look() -> None:
        application = Everything(theme)
        async with application.run_test(size=(80, 24)):
            for name, style in styles_of(theme).items():
                drawn = application.query_one(f".{name}", Label).rich_style
                assert (drawn.bold or False) is (style.bold or False), name
                if style.color is not None:
                    assert drawn.color == style.color, name
                if style.bgcolor is not None:
                    assert drawn.bgcolor == style.bgcolor, name

    asyncio.run(look())


def test_the_source_is_remembered(tmp_path: Path) -> None:
    assert packaged("dark").source == str(PACKAGED / "dark.toml")
