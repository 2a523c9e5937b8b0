"""The console's own settings: other keys, and proxies that have a name. From the user's file.

A console never fails to start for it: whoever reads it gets what can be used, and every mistake.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from udplb.config.kinds import SOCKET_PATH_MAX, Name
from udplb.config.load import located
from udplb.config.problems import ConfigError, Problem, Report
from udplb.config.wording import KeyPath, choices, echo, meant, quote
from udplb.tui.actions import DEFAULTS, ActionTable
from udplb.tui.key_names import NAMED, RESERVED, SENT_AS, SPELLINGS, is_deliberate, read_key
from udplb.tui.small_toml import document_of, read_text
from udplb.tui.themes.shelf import user_folder

FILE_NAME = "console.toml"
FILE_SIZE_MAX = 1 << 20
"""Bytes."""
PROBLEMS_MAX = 100
"""Told of one file."""
_NAME = Name(without="/")


class UnknownProxyError(Exception):
    """No proxy has this name. One line that says which there are."""


@dataclass(frozen=True, slots=True)
class NamedProxy:
    """A proxy that may be attached to by a name."""

    name: str
    socket: Path
    theme: str | None = None
    """What marks it; None: nothing does."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user wants."""

    actions: ActionTable = DEFAULTS
    proxies: tuple[NamedProxy, ...] = ()
    problems: tuple[Problem, ...] = ()
    """Mistakes in the file. Of keys all are the usual ones then, if any of them is wrong; a proxy
    with a mistake is left out."""

    def socket_of(self, word: str) -> Path:
        """What is meant by a path, which has a "/" or is that of a file, or by a proxy's name.
        Raises UnknownProxyError."""
        if "/" in word or (os.path.exists(word) and not os.path.isdir(word)):
            return Path(word)
        for proxy in self.proxies:
            if proxy.name == word:
                return proxy.socket
        raise UnknownProxyError(self._unknown(word))

    def proxy_at(self, socket: Path) -> NamedProxy | None:
        """The proxy at this socket, however its path is spelled; one with a theme first."""
        real = os.path.realpath(socket)
        found = [each for each in self.proxies if os.path.realpath(each.socket) == real]
        return next((each for each in found if each.theme), found[0] if found else None)

    def told(self, palette: str) -> str:
        """The mistakes for one line; `palette`: the key with which all of them are found."""
        told = "; ".join(map(str, self.problems))
        if len(self.problems) == 1:
            return told
        return f"{len(self.problems)} mistakes in the settings ({palette} Mistakes): {told}"

    def _unknown(self, name: str) -> str:
        names = [each.name for each in self.proxies]
        near = meant(name, names)
        hint = f"did you mean {near}? " if near else ""
        known = f"{hint}known: {choices(names)}" if names else f"[attach.NAME] in {FILE_NAME}"
        return f'no proxy {quote(name)}; {known}; a path has a "/"'


def settings_file(environ: Mapping[str, str]) -> Path | None:
    """Where the user's settings are; None: nobody knows."""
    folder = user_folder(environ)
    return None if folder is None else folder / FILE_NAME


def load_settings(environ: Mapping[str, str], themes: Collection[str]) -> Settings:
    """The user's settings; `themes`: the names that there are. Raises nothing."""
    path = settings_file(environ)
    if path is None or not os.path.lexists(path):
        return Settings()
    try:
        text = read_text(path, FILE_SIZE_MAX)
    except ConfigError as error:
        return Settings(problems=error.problems)
    return parse_settings(text, str(path), themes)


def parse_settings(text: str, filename: str, themes: Collection[str]) -> Settings:
    """The settings that this text describes; `filename` is for messages. Raises nothing."""
    try:
        written = document_of(text, filename)
    except ConfigError as error:
        return Settings(problems=error.problems)
    reader = _Reader(written, themes)
    actions, proxies = reader.actions(), reader.proxies()
    problems = located(reader.report, text, filename)
    if len(problems) > PROBLEMS_MAX:
        more = Problem(filename, 0, "", f"and {len(problems) - PROBLEMS_MAX} more", "")
        problems = (*problems[:PROBLEMS_MAX], more)
    return Settings(actions, proxies, problems)


class _Reader:
    """Walks through what a file says; notes mistakes and goes on."""

    def __init__(self, written: dict[str, Any], themes: Collection[str]) -> None:
        self.report = Report()
        self._themes = themes
        self._written = written
        self._know((), written, ("console", "attach"))

    # Keys

    def actions(self) -> ActionTable:
        """All actions; with the usual keys where anything is wrong with those that are wanted."""
        before = len(self.report.findings)
        console = self._table((), self._written, "console")
        self._know(("console",), console, ("keys",))
        names = [action.name for action in DEFAULTS]
        wanted: dict[str, tuple[str, ...]] = {}
        for name, value in self._table(("console",), console, "keys").items():
            path = ("console", "keys", name)
            if name not in names:
                self.report.add(
                    path, "unknown action", self._meant(name, names, f"known: {', '.join(names)}")
                )
            elif keys := self._keys(path, value, changes=DEFAULTS[name].changes):
                wanted[name] = keys
        rebound = DEFAULTS.rebound(wanted)
        self._look_for_clashes(rebound, wanted)
        return rebound if len(self.report.findings) == before else DEFAULTS

    def _keys(self, path: KeyPath, value: object, *, changes: bool) -> tuple[str, ...]:
        """The good ones, each once."""
        if not isinstance(value, list):
            return self._key(path, value, changes=changes)
        if not value:
            self.report.add(path, "is an empty array", "an action has at least one key")
        keys = [self._key((*path, at), each, changes=changes) for at, each in enumerate(value)]
        return tuple(dict.fromkeys(key for one in keys for key in one))

    def _key(self, path: KeyPath, value: object, *, changes: bool) -> tuple[str, ...]:
        """One key, or none."""
        if not isinstance(value, str):
            self.report.add(path, f"is {echo(value)}", f"a text is wanted; {SPELLINGS}")
            return ()
        key = read_key(value)
        if value in SENT_AS:
            self.report.add(path, f"terminals send {echo(value)} as {echo(SENT_AS[value])}")
        elif key is None:
            self.report.add(path, f"no key {echo(value)}", self._meant(value, NAMED, SPELLINGS))
        elif key in RESERVED:
            self.report.add(path, f"{echo(key)} is reserved: it always {RESERVED[key]}")
        elif changes and not is_deliberate(key):
            allowed = "what changes the proxy has a capital or a key with ctrl"
            self.report.add(path, f"is {echo(value)}", allowed)
        else:
            return (key,)
        return ()

    def _look_for_clashes(self, table: ActionTable, wanted: Iterable[str]) -> None:
        """Any two actions may meet on a screen: a key is one's alone."""
        users: dict[str, list[str]] = {}
        for action in table:
            for key in action.keys:
                users.setdefault(key, []).append(action.name)
        for name in wanted:
            for key in table[name].keys:
                others = [other for other in users[key] if other != name]
                if others:
                    found = f"{echo(key)} is the key of {choices(others)}, too"
                    allowed = f"give {others[0]} another one, or take a key that is free"
                    self.report.add(("console", "keys", name), found, allowed)

    # Proxies

    def proxies(self) -> tuple[NamedProxy, ...]:
        """Those without a mistake."""
        attach = self._table((), self._written, "attach")
        found = [self._proxy(attach, name) for name in attach]
        return tuple(proxy for proxy in found if proxy is not None)

    def _proxy(self, attach: Mapping[str, Any], name: str) -> NamedProxy | None:
        path = ("attach", name)
        before = len(self.report.findings)
        table = self._table(("attach",), attach, name)
        if len(self.report.findings) > before:
            return None
        self._know(path, table, ("socket", "theme"))
        try:
            _NAME.read(name)
        except ValueError:
            self.report.add(path, f"{quote(name)} is no name", _NAME.allowed())
        socket, theme = table.get("socket"), table.get("theme")
        if socket is None:
            self.report.add((*path, "socket"), "is missing", "the path of its control socket")
        elif not _is_socket_path(socket):
            allowed = f"a path from / or ~ on, at most {SOCKET_PATH_MAX} bytes"
            self.report.add((*path, "socket"), f"is {echo(socket)}", allowed)
        if theme is not None and (not isinstance(theme, str) or theme not in self._themes):
            known = f"there are {choices(sorted(self._themes))}"
            allowed = self._meant(theme, self._themes, known) if isinstance(theme, str) else known
            self.report.add((*path, "theme"), f"no theme {echo(theme)}", allowed)
        if len(self.report.findings) > before:
            return None
        return NamedProxy(name, Path(os.path.expanduser(str(socket))), theme)

    # Both

    def _table(self, path: KeyPath, table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        value = table.get(key, {})
        if isinstance(value, dict):
            return value
        self.report.add((*path, key), f"is {echo(value)}", "a table is wanted")
        return {}

    def _know(self, path: KeyPath, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                allowed = self._meant(key, known, f"known here: {', '.join(known)}")
                self.report.add((*path, key), "unknown key", allowed)

    def _meant(self, word: str, known: Iterable[str], otherwise: str) -> str:
        return self.report.did_you_mean(word, known) or otherwise


def _is_socket_path(value: object) -> bool:
    if not isinstance(value, str) or not value.isprintable() or value.endswith("/"):
        return False
    path = os.path.expanduser(value)
    return os.path.isabs(path) and len(os.fsencode(path)) <= SOCKET_PATH_MAX
