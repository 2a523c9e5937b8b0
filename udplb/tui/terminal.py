"""The terminal: runs a console on it, and leaves it usable whatever happens."""

from __future__ import annotations

import os
import sys
import termios
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from udplb.config.wording import cut, escape
from udplb.tui.breath import breathing
from udplb.tui.settings import Settings, load_settings
from udplb.tui.themes.loading import ThemeError
from udplb.tui.themes.no_color import take_no_color
from udplb.tui.themes.shelf import Opened, open_shelf

if TYPE_CHECKING:
    from udplb.client import Client


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What was said on the command line, and what the user always wants."""

    themes: Opened
    """All themes, and the one to begin with."""
    read_only: bool = False
    settings: Settings = field(default_factory=Settings)
    theme_asked: bool = False
    """For this proxy: whatever its own is."""

    def at(self, socket: Path) -> Choices:
        """The same for the proxy at this socket, which may have a theme of its own."""
        proxy = self.settings.proxy_at(socket)
        if self.theme_asked or proxy is None or proxy.theme is None:
            return self
        take_no_color(os.environ, proxy.theme)
        opened = self.themes
        try:
            return replace(self, themes=replace(opened, theme=opened.shelf.find(proxy.theme)))
        except ThemeError as error:  # its file is gone since
            return replace(self, themes=replace(opened, errors=(*opened.errors, error)))


def choose(theme: str | None, *, read_only: bool) -> Choices:
    """What the words of the command line mean; `theme` is a name or a file. Raises ThemeError."""
    opened = open_shelf(theme, os.environ, no_color=take_no_color(os.environ, theme))
    settings = load_settings(os.environ, opened.shelf.themes)
    return Choices(
        themes=opened, read_only=read_only, settings=settings, theme_asked=theme is not None
    )


def why_not() -> str | None:
    """Why there can be no console here; None: there can."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return (
            "the console needs a terminal; without one: udplb run --headless, and"
            " udplb status --watch to look in"
        )
    if os.environ.get("TERM", "") in ("", "dumb"):
        return "the console needs a terminal that can move its cursor; TERM is not set, or dumb"
    return None


def show_console(
    client: Client,
    choices: Choices,
    *,
    where: str,
    heartbeat: Callable[[], bool] | None = None,
    leaving: str = "",
    leave_for: Callable[[Path], None] | None = None,
) -> str:
    """Run the console until it is left; why it broke, or an empty text.

    `leaving`: what it means to leave the console, where that is more than to look no longer.
    `leave_for` is called with the socket of another proxy, where the console is left for that one.
    """
    from udplb.tui.console import Console  # noqa: PLC0415 - takes a quarter of a second
    from udplb.tui.driver import TerminalDriver  # noqa: PLC0415

    gone = False

    def beat() -> bool:
        nonlocal gone
        gone = gone or _hung_up()
        return not gone and (heartbeat is None or heartbeat())

    try:
        console = Console(
            client,
            where=where,
            opened=choices.themes,
            settings=choices.settings,
            heartbeat=beat,
            leaving=leaving,
            leave_for=leave_for,
        )
        console.driver_class = TerminalDriver
        with breathing(embedded=heartbeat is not None):
            console.run()
    except Exception as broken:  # noqa: BLE001 - whatever it is, it must not end the proxy
        return _told(broken)
    if gone:
        return "its terminal is gone"
    error = console.broken_by
    if error is not None:
        return _told(error)
    return "" if not console.return_code else "it ended with an error"


def _told(error: BaseException) -> str:
    """The error in one line; it may carry what came from the network."""
    return escape(cut(f"{type(error).__name__}: {error}", 300))


def _hung_up() -> bool:
    """Whether nobody is at the other end of the terminal any more."""
    try:
        termios.tcgetattr(sys.__stdin__.fileno() if sys.__stdin__ else 0)
    except (termios.error, OSError, ValueError):
        return True
    return False
