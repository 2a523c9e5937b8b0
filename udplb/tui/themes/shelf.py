"""The shelf: the themes that there are, in the package, in the user's folder and by `--theme`.

Whoever looks from time to time learns which files were saved since; a file with mistakes is told of
once, and leaves the theme that it had been as it was.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import udplb
from udplb.config.problems import Problem
from udplb.config.wording import choices, meant, quote
from udplb.tui.themes.loading import ThemeError, load_theme
from udplb.tui.themes.theme import ConsoleTheme

DEFAULT = "dark"
NO_COLOR_THEME = "mono"
SUFFIX = ".toml"
FILES_MAX = 100
"""Looked at in one folder."""
ENTRIES_MAX = 1_000
"""Of a folder that are looked through for them."""
PACKAGED = Path(udplb.__file__).parent / "themes"

_Identity = tuple[int, ...]
"""Device, inode, size and times of a file: equal ones are equal contents."""


@dataclass(slots=True)
class _File:
    """What is known of one file."""

    identity: _Identity = ()
    """When it was read."""
    awaited: _Identity | None = None
    """When it was found empty: editors empty a file, or take it away, before they write it."""
    theme: ConsoleTheme | None = None
    """The last good one."""
    error: ThemeError | None = None
    """What is wrong with it now."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What a look at the shelf brought to light."""

    themes: tuple[ConsoleTheme, ...] = ()
    """To be registered anew: those that are new or different."""
    errors: tuple[ThemeError, ...] = ()
    """Of files that cannot be used; each is told once for every time that it was saved."""


@dataclass(slots=True)
class Shelf:
    """Themes by name; a later folder wins over an earlier one, and `extra`, a file, over all.

    It is empty until the first poll.
    """

    folders: Sequence[Path]
    extra: Path | None = None
    themes: Mapping[str, ConsoleTheme] = field(default_factory=dict)
    """Replaced, never changed: any thread may read it."""
    _files: dict[Path, _File] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def poll(self) -> Saved:
        """Look at the files, and load those that were saved since the last look. From any thread;
        it reads files, so none that must not wait. Raises nothing."""
        with self._lock:
            paths = self._paths()
            errors = [error for path in paths if (error := self._look_at(path)) is not None]
            for path in self._files.keys() - {*paths}:
                del self._files[path]
            before, self.themes = self.themes, self._by_name(paths)
            changed = [theme for name, theme in self.themes.items() if before.get(name) != theme]
            return Saved(tuple(changed), tuple(errors))

    def find(self, name: str) -> ConsoleTheme:
        """The theme of this name. Raises ThemeError: with the choices, or with what is wrong in the
        file that seems to be meant."""
        themes = self.themes
        if name in themes:
            return themes[name]
        for path, file in list(self._files.items()):  # a poll may be at work
            if path.stem == name and file.error is not None:
                raise file.error
        near = meant(name, themes)
        hint = f"did you mean {near}? " if near else ""
        allowed = f"{hint}there are {choices(sorted(themes) or ['none'])}"
        raise ThemeError((Problem("", 0, "--theme", f"no theme {quote(name)}", allowed),))

    def _paths(self) -> list[Path]:
        paths = [path for folder in self.folders for path in _theme_files(folder)]
        return paths if self.extra is None else [*paths, self.extra]

    def _look_at(self, path: Path) -> ThemeError | None:
        """Load the file if it was saved since. What is wrong with it, if that is new."""
        identity = _identity(path)
        file = self._files.setdefault(path, _File())
        if identity == file.identity:
            return None
        if _is_empty(identity) and file.awaited != identity:
            file.awaited = identity
            return None
        file.identity, file.awaited = identity, None
        try:
            file.theme, file.error = load_theme(path), None
        except ThemeError as error:
            file.error = error
        return file.error

    def _by_name(self, paths: Sequence[Path]) -> dict[str, ConsoleTheme]:
        found = (self._files[path].theme for path in paths if path in self._files)
        return {theme.name: theme for theme in found if theme is not None}


@dataclass(frozen=True, slots=True)
class Opened:
    """A shelf, and what the console begins with."""

    shelf: Shelf
    theme: ConsoleTheme
    errors: tuple[ThemeError, ...]
    """Of files that nobody asked for by name."""


def open_shelf(choice: str | None, environ: Mapping[str, str], *, no_color: bool) -> Opened:
    """All themes, and the one that was chosen. Raises ThemeError where there is no such theme.

    `choice` is a theme's name or the path of a file, which has a "/" in it or ends in ".toml".
    None: `dark`, or `mono` where the user wants no colours; a choice is more than NO_COLOR.
    """
    own = user_folder(environ)
    folder = None if own is None else own / "themes"
    folders = (PACKAGED,) if folder is None else (PACKAGED, folder)
    name = choice or (NO_COLOR_THEME if no_color else DEFAULT)
    extra = None
    if os.sep in name or name.endswith(SUFFIX):
        extra = Path(name).absolute()
        name = load_theme(extra).name
    shelf = Shelf(folders, extra)
    errors = shelf.poll().errors
    return Opened(shelf, shelf.find(name), errors)


def user_folder(environ: Mapping[str, str]) -> Path | None:
    """Where a user's settings and themes are (XDG Base Directory Specification); None: nobody
    knows."""
    base = environ.get("XDG_CONFIG_HOME", "")
    if os.path.isabs(base):  # what is relative is to be ignored
        return Path(base, "udplb")
    home = environ.get("HOME", "")
    return Path(home, ".config", "udplb") if os.path.isabs(home) else None


def _theme_files(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, ENTRIES_MAX)]
    except OSError:
        return []
    files = sorted(name for name in names if name.endswith(SUFFIX) and not name.startswith("."))
    return [folder / name for name in files[:FILES_MAX]]


def _identity(path: Path) -> _Identity:
    """Of the file that the path leads to; nothing where there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _is_empty(identity: _Identity) -> bool:
    return not identity or identity[2] == 0
