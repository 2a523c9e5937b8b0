"""From a theme's file to a theme, or to every mistake in the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from rich.cells import cell_len

from udplb.config.load import located
from udplb.config.problems import ConfigError, Problem, Report
from udplb.config.wording import KeyPath, echo
from udplb.tui.small_toml import document_of, read_text
from udplb.tui.themes.glyphs import GLYPHS
from udplb.tui.themes.look import (
    ATTRIBUTES,
    Look,
    LookError,
    read_attributes,
    read_color,
    read_look,
)
from udplb.tui.themes.roles import ROLES
from udplb.tui.themes.theme import BASE_COLORS, ConsoleTheme, known_variables

FILE_SIZE_MAX = 64 << 10
"""Bytes of a theme's file."""
PROBLEMS_MAX = 100
"""Told of one file."""

NAMED_MAX = 50
"""Known keys that a message lists."""

Value = TypeVar("Value")

KEYS = ("name", "dark", "ansi", "colors", "tokens", "glyphs", "variables")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}", re.ASCII)
_A_NAME = 'a letter, then letters, digits, "-" and "_", at most 40 in all'
_A_COLOR = 'a colour is written "#d55e00", "rgb(213,94,0)" or by its name'
_AN_ANSI_COLOR = 'with ansi = true a colour is "ansi_default", "ansi_red", "ansi_bright_red" …'
_A_LOOK = f"then any of {', '.join(ATTRIBUTES)}; or none"


class ThemeError(Exception):
    """A theme that cannot be used; carries every problem that was found."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def load_theme(path: Path) -> ConsoleTheme:
    """The theme in this file. Raises ThemeError."""
    try:
        text = read_text(path, FILE_SIZE_MAX)
    except ConfigError as error:
        raise ThemeError(error.problems) from None
    return parse_theme(text, str(path))


def parse_theme(text: str, filename: str) -> ConsoleTheme:
    """The theme that this text describes; `filename` is for messages. Raises ThemeError."""
    try:
        written = document_of(text, filename)
    except ConfigError as error:
        raise ThemeError(error.problems) from None
    reader = _Reader(written)
    theme = reader.theme(filename)
    if theme is None:
        problems = located(reader.report, text, filename)
        raise ThemeError(_bounded(problems, filename))
    return theme


def _bounded(problems: tuple[Problem, ...], filename: str) -> tuple[Problem, ...]:
    more = len(problems) - PROBLEMS_MAX
    if more <= 0:
        return problems
    return (*problems[:PROBLEMS_MAX], Problem(filename, 0, "", f"and {more} more", ""))


@cache
def _known_variables() -> frozenset[str]:
    return known_variables()


class _Reader:
    """Walks through what a file says; notes mistakes and goes on."""

    def __init__(self, written: dict[str, Any]) -> None:
        self.report = Report()
        self._written = written
        self._ansi = False

    def theme(self, source: str) -> ConsoleTheme | None:
        """The theme, or None where there is any finding."""
        for key in self._written:
            if key not in KEYS:
                self._unknown((key,), KEYS)
        name = self._name()
        dark = self._truth("dark", True)
        self._ansi = self._truth("ansi", False)
        colors = self._table("colors", BASE_COLORS, self._color)
        if "primary" not in colors and "primary" not in self._asked("colors"):
            self.report.add(("colors", "primary"), "is missing", "every theme has one")
        looks = self._table("tokens", ROLES, self._look)
        glyphs = self._table("glyphs", GLYPHS, self._glyph)
        variables = self._table("variables", _known_variables(), self._variable)
        if self.report.findings:
            return None
        return ConsoleTheme(
            name=name,
            dark=dark,
            ansi=self._ansi,
            colors=colors,
            looks=looks,
            glyphs={**GLYPHS, **glyphs},
            variables=variables,
            source=source,
        )

    def _name(self) -> str:
        name = self._written.get("name")
        if name is None:
            self.report.add(("name",), "is missing", _A_NAME)
        elif not isinstance(name, str):
            self.report.add(("name",), f"is {echo(name)}", "a text is wanted")
        elif not _NAME.fullmatch(name):
            self.report.add(("name",), f"is {echo(name)}", _A_NAME)
        else:
            return name
        return ""

    def _truth(self, key: str, default: bool) -> bool:
        value = self._written.get(key, default)
        if not isinstance(value, bool):
            self.report.add((key,), f"is {echo(value)}", "true or false is wanted")
            return default
        return value

    def _asked(self, key: str) -> Mapping[str, object]:
        table = self._written.get(key, {})
        return table if isinstance(table, dict) else {}

    def _table(
        self, key: str, known: Collection[str], read: Callable[[KeyPath, str], Value | None]
    ) -> dict[str, Value]:
        """The good values of a table of texts."""
        table = self._written.get(key, {})
        if not isinstance(table, dict):
            self.report.add((key,), f"is {echo(table)}", "a table is wanted")
            return {}
        values: dict[str, Value] = {}
        for name, text in table.items():
            path = (key, name)
            if name not in known:
                self._unknown(path, known)
            elif not isinstance(text, str):
                self.report.add(path, f"is {echo(text)}", "a text is wanted")
            elif (value := read(path, text)) is not None:
                values[name] = value
        return values

    def _unknown(self, path: KeyPath, known: Collection[str]) -> None:
        hint = self.report.did_you_mean(str(path[-1]), known)
        if not hint and len(known) <= NAMED_MAX:
            hint = f"known here: {', '.join(known)}"
        self.report.add(path, "unknown key", hint)

    def _refuse(self, path: KeyPath, text: str, refusal: LookError, allowed: str) -> None:
        self.report.add(path, f"{echo(text)} {refusal}", allowed)

    @property
    def _a_color(self) -> str:
        return _AN_ANSI_COLOR if self._ansi else _A_COLOR

    def _color(self, path: KeyPath, text: str) -> str | None:
        try:
            return read_color(text, ansi=self._ansi)
        except LookError as refusal:
            self._refuse(path, text, refusal, self._a_color)
            return None

    def _look(self, path: KeyPath, text: str) -> Look | None:
        try:
            return read_look(text, ansi=self._ansi)
        except LookError as refusal:
            self._refuse(path, text, refusal, f"{self._a_color}, {_A_LOOK}")
            return None

    def _glyph(self, path: KeyPath, text: str) -> str | None:
        if len(text) == 1 and text.isprintable() and not text.isspace() and cell_len(text) == 1:
            return text
        self.report.add(path, f"is {echo(text)}", "one character, one cell wide, is wanted")
        return None

    def _variable(self, path: KeyPath, text: str) -> str | None:
        styled = "-style" in str(path[-1])
        try:
            if styled:
                return read_attributes(text)
            return read_color(text, ansi=self._ansi, clear=True)
        except LookError as refusal:
            allowed = f"any of {', '.join(ATTRIBUTES)}; or none" if styled else self._a_color
            self._refuse(path, text, refusal, allowed)
            return None
