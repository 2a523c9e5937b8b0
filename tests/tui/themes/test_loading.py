from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.tui.themes.themes import GOOD, written
from udplb.tui.small_toml import LINE_LENGTH_MAX
from udplb.tui.themes.glyphs import GLYPHS
from udplb.tui.themes.loading import (
    FILE_SIZE_MAX,
    PROBLEMS_MAX,
    ThemeError,
    load_theme,
    parse_theme,
)
from udplb.tui.themes.look import Look
from udplb.tui.themes.roles import ROLES
from udplb.tui.themes.theme import (
    BASE_COLORS,
    ConsoleTheme,
    known_variables,
    styles_of,
    textual_theme,
)

BASE = 'name = "mine"\n[colors]\nprimary = "#56b4e9"\n'
"""Three lines, so that what follows stands on the fourth."""
ANSI = 'name = "mine"\nansi = true\ncolors.primary = "ansi_blue"\n'


def mistakes(text: str) -> list[str]:
    with pytest.raises(ThemeError) as caught:
        parse_theme(text, "mine.toml")
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return str(caught.value).split("\n")


def test_a_theme(tmp_path: Path) -> None:
    path = written(tmp_path, "any.toml")
    theme = load_theme(path)
    assert theme == ConsoleTheme(
        name="mine",
        dark=True,
        ansi=False,
        colors={"primary": "#56B4E9", "background": "#101418"},
        looks={"up": Look("#56B4E9"), "down": Look("#F08040", ("bold",))},
        glyphs={**GLYPHS, "up": "+"},
        variables={"footer-key-foreground": "#E69F00"},
        source=str(path),
    )


def test_little_is_enough() -> None:
    theme = parse_theme(BASE, "mine.toml")
    assert (theme.dark, theme.ansi, theme.glyphs) == (True, False, GLYPHS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            BASE + '[tokens]\ndwon = "red"',
            "mine.toml:5: tokens.dwon: unknown key; did you mean down?",
        ),
        (
            BASE + '[glyphs]\n"x\\u001b" = "x"',
            'mine.toml:5: glyphs."x\\x1b": unknown key; known here: up, trial,',
        ),
        (BASE + "tint = 1", "mine.toml:4: colors.tint: unknown key; known here: primary,"),
        (BASE + '[token]\nup = "red"', "mine.toml:4: token: unknown key; did you mean tokens?"),
        (
            BASE + '[variables]\nfooter-key-forground = "red"',
            "mine.toml:5: variables.footer-key-forground: unknown key; did you mean footer-key-for",
        ),
        (BASE + '[variables]\nudplb-up = "red"', "mine.toml:5: variables.udplb-up: unknown key"),
        (
            BASE + '[variables]\nborder = "red }"',
            'mine.toml:5: variables.border: "red }" is no colour; a colour is',
        ),
        (
            BASE + '[variables]\nlink-style = "blink"',
            'mine.toml:5: variables.link-style: "blink" is no text style; any of bold,',
        ),
        (
            BASE + '[variables]\nlink-style-hover = "red"',
            'mine.toml:5: variables.link-style-hover: "red" is no text style',
        ),
        (BASE + "[tokens]\nup = 3", "mine.toml:5: tokens.up: is 3; a text is wanted"),
        (
            BASE + '[tokens]\n\nup = "blu"',
            'mine.toml:6: tokens.up: "blu" is no colour; a colour is written "#d55e00"',
        ),
        (
            BASE + 'panel = "ansi_red"',
            'mine.toml:4: colors.panel: "ansi_red" is one of the terminal',
        ),
        (BASE + 'panel = "red bold"', 'mine.toml:4: colors.panel: "red bold" is no colour'),
        (BASE + '[glyphs]\nup = "🐟"', 'mine.toml:5: glyphs.up: is "🐟"; one character, one cell'),
        (BASE + '[glyphs]\nup = ""', 'mine.toml:5: glyphs.up: is ""; one character'),
        (BASE + '[glyphs]\nup = " "', 'mine.toml:5: glyphs.up: is " "; one character'),
        (BASE + '[glyphs]\nup = "\\ue0b0"', 'mine.toml:5: glyphs.up: is "\\ue0b0"; one character'),
        (BASE + '[glyphs]\nup = "OK"', 'mine.toml:5: glyphs.up: is "OK"; one character'),
        (BASE + '[glyphs]\nup = "\\u0301"', "mine.toml:5: glyphs.up: is"),
        (BASE + '[glyphs]\nup = "\\u0007"', 'mine.toml:5: glyphs.up: is "\\x07"; one'),
        ("dark = 1\n" + BASE, "mine.toml:1: dark: is 1; true or false is wanted"),
        ('ansi = "no"\n' + BASE, 'mine.toml:1: ansi: is "no"; true or false is wanted'),
        ('tokens = "red"\n' + BASE, 'mine.toml:1: tokens: is "red"; a table is wanted'),
        ('name = "x"\n', "mine.toml:1: colors.primary: is missing; every theme has one"),
        ('[colors]\nprimary = "red"\n', "mine.toml:1: name: is missing; a letter, then"),
        (BASE.replace("mine", "a,b"), 'mine.toml:1: name: is "a,b"; a letter, then'),
        (BASE.replace("mine", "a" * 41), "mine.toml:1: name: is"),
        (BASE.replace('"mine"', "4"), "mine.toml:1: name: is 4; a text is wanted"),
        (
            ANSI + 'tokens.up = "#112233"',
            'mine.toml:4: tokens.up: "#112233" is not one of the terminal',
        ),
        (ANSI + 'variables.border = "#112233"', 'mine.toml:4: variables.border: "#112233" is not'),
        ("name = ", "mine.toml:1: not valid TOML: Invalid value"),
        ("\n\n]", "mine.toml:3: not valid TOML:"),
    ],
)
def test_a_mistake_is_told_with_file_line_key_and_reason(text: str, said: str) -> None:
    (only,) = mistakes(text)
    assert only.startswith(said)


def test_all_mistakes_are_told_at_once() -> None:
    text = BASE + '[tokens]\nup = "blu"\ndwon = "red"\n[glyphs]\nup = "long"\n'
    assert [line.split(": ")[0] for line in mistakes(text)] == [
        "mine.toml:5", "mine.toml:6", "mine.toml:8",
    ]  # fmt: skip


def test_a_bad_primary_is_one_mistake() -> None:
    (only,) = mistakes('name = "x"\ncolors.primary = "blu"')
    assert "no colour" in only


def test_variables_may_let_through_what_is_below() -> None:
    text = BASE + '[variables]\nborder = "#ff000080"\nscrollbar = "transparent"\n'
    assert parse_theme(text, "mine.toml").variables == {
        "border": "#FF000080", "scrollbar": "transparent",
    }  # fmt: skip


@pytest.mark.parametrize("extra", [0, 1])
def test_the_number_of_mistakes_told(extra: int) -> None:
    text = BASE + "".join(f"x{at} = 1\n" for at in range(PROBLEMS_MAX + extra))
    said = mistakes(text)
    assert len(said) == PROBLEMS_MAX + extra
    if extra:
        assert said[-1] == "mine.toml: and 1 more"


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_the_length_of_a_line(extra: int) -> None:
    text = BASE + "#" * (LINE_LENGTH_MAX + extra)
    if extra <= 0:
        assert parse_theme(text, "mine.toml")
    else:
        assert mistakes(text) == ["mine.toml:4: a line of more than 500 characters"]


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_the_size_of_a_file(tmp_path: Path, extra: int) -> None:
    line = "#" * 99 + "\n"
    text = BASE + line * ((FILE_SIZE_MAX - len(BASE)) // len(line))
    text += "#" * (FILE_SIZE_MAX + extra - len(text))
    path = written(tmp_path, "large.toml", text)
    assert path.stat().st_size == FILE_SIZE_MAX + extra
    if extra <= 0:
        assert load_theme(path)
    else:
        with pytest.raises(ThemeError, match=r"large.toml: larger than 64 KiB$"):
            load_theme(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "circle.toml").symlink_to(tmp_path / "circle.toml")
    for name, said in (
        ("pipe.toml", "is not a regular file"),
        ("folder.toml", "is not a regular file|Is a directory"),
        ("circle.toml", "cannot be read: Too many levels"),
        ("missing.toml", "cannot be read: No such file"),
        ("x\0.toml", "cannot be read: embedded null byte"),
    ):
        with pytest.raises(ThemeError, match=said):
            load_theme(tmp_path / name)
    with pytest.raises(ThemeError, match="is not a regular file"):
        load_theme(Path("/dev/zero"))


def test_a_mark_before_the_text_is_no_mistake_and_other_bytes_are(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load_theme(path).name == "mine"
    path.write_bytes(GOOD.encode() + b"# \xff\n")
    with pytest.raises(ThemeError, match=r"mine.toml:13: not UTF-8"):
        load_theme(path)


def test_what_a_terminal_would_obey_is_escaped() -> None:
    said = mistakes(BASE + '[tokens]\nup = "\\u001b[31mred"\n')
    assert "\x1b" not in said[0]
    with pytest.raises(ThemeError) as caught:
        parse_theme("]", "a\x1b[31m.toml")
    assert str(caught.value).startswith("a\\x1b[31m.toml:1: ")


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 480,
        "\n".join("x = " + "[" * 400 for _ in range(2)),
        "a" + ".a" * 240 + " = 1",
        "x = 0x" + "f" * 480,
        'x = """\n' + "a\n" * 30_000,
        "[a]\n" * 2,
        "x = 99999999999999999999999999999999999999999",
        "x = 2024-13-45",
        "\r",
        "\0",
        "\ud800",
    ],
)
def test_hostile_texts(text: str) -> None:
    assert mistakes(text)


# Whatever stands in the file

TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["red", "#fff", "bold", "red bold", "none", "ansi_red", "transparent", "●", "x"]
    ),
)
VALUES = st.one_of(
    TEXTS, st.integers(), st.booleans(), st.floats(), st.just([1]), st.just({"a": 1})
)
NAMES = [*ROLES, *GLYPHS, *BASE_COLORS, *sorted(known_variables()), "x"]
TABLES = st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=5)), VALUES, max_size=6)


def spelled(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            inner = (f"{spelled(key)} = {spelled(each)}" for key, each in value.items())
            return f"{{{', '.join(inner)}}}"
        case str():
            return '"' + "".join(f"\\U{ord(char):08x}" for char in value) + '"'
        case _:
            return str(value)


def told(error: ThemeError) -> None:
    assert error.problems
    assert str(error).replace("\n", "").isprintable()


def survives(text: str) -> None:
    try:
        theme = parse_theme(text, "mine.toml")
    except ThemeError as error:
        told(error)
    else:
        made = textual_theme(theme)
        assert {f"udplb-{name}" for name in ROLES} <= made.variables.keys()
        assert made.to_color_system().generate()
        assert styles_of(theme).keys() == ROLES.keys()


@given(
    name=st.one_of(st.just("mine"), VALUES),
    ansi=st.one_of(st.booleans(), VALUES),
    tables=st.dictionaries(
        st.sampled_from(["colors", "tokens", "glyphs", "variables", "other"]),
        st.one_of(TABLES, VALUES),
    ),
    primary=TEXTS,
)
def test_any_toml_is_a_theme_or_mistakes(
    name: object, ansi: object, tables: dict[str, object], primary: str
) -> None:
    colors = tables.get("colors", {})
    if isinstance(colors, dict):
        tables["colors"] = {**colors, "primary": primary}
    lines = [f"name = {spelled(name)}", f"ansi = {spelled(ansi)}"]
    survives("\n".join([*lines, *(f"{key} = {spelled(table)}" for key, table in tables.items())]))


@given(st.text(max_size=300))
@example("name = '\ud800'")
def test_any_text_is_a_theme_or_mistakes(text: str) -> None:
    survives(text)


@given(at=st.integers(0, len(GOOD)), noise=st.text(max_size=3), length=st.integers(0, 5))
def test_any_slip_of_the_hand_is_a_theme_or_mistakes(at: int, noise: str, length: int) -> None:
    survives(GOOD[:at] + noise + GOOD[at + length :])


@given(st.binary(max_size=300))
def test_any_bytes_are_a_theme_or_mistakes(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.toml"
    path.write_bytes(content)
    try:
        load_theme(path)
    except ThemeError as error:
        told(error)
