"""The part of the application that has themes, and that ends when something breaks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from rich.segment import Segments
from rich.traceback import Traceback
from textual.app import App

from udplb.tui.ink import Inks
from udplb.tui.news import News
from udplb.tui.themes.glyphs import GLYPHS
from udplb.tui.themes.loading import ThemeError
from udplb.tui.themes.no_color import ansi_color
from udplb.tui.themes.shelf import Opened, Saved
from udplb.tui.themes.theme import defaults, styles_of, textual_theme

THEMES_EVERY_S = 1.0
"""Between two looks whether a theme was saved."""


class ThemedApp(App[None]):
    """Draws with a theme from the shelf; one that is saved shows at once."""

    news: News

    def __init__(self, opened: Opened, **how: Any) -> None:
        super().__init__(ansi_color=ansi_color(os.environ), **how)
        self.broken_by: BaseException | None = None
        """What ended the console before its time, if anything did."""
        self._opened = opened
        self._inks: Inks = {}
        self._source = ""
        """The file of the theme at work."""
        self.glyphs: Mapping[str, str] = GLYPHS
        """The signs before states' words."""

    def _handle_exception(self, error: Exception) -> None:
        """Textual's last resort: it shows the error and ends; whoever runs us asks why."""
        self.broken_by = error
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        """Textual's shows what variables held, secrets too."""
        self.bell()
        shown = self.console.render(Traceback(show_locals=False), self.console.options)
        self._exit_renderables.append(Segments(shown))
        self._close_messages_no_wait()

    @property
    def inks(self) -> Inks:
        """The styles of the roles."""
        return self._inks

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """What a theme that is not ours leaves out."""
        return defaults()

    def begin_themes(self) -> None:
        """Draw with the one that was chosen, and look after the files."""
        self.use_theme(self._opened.theme.name)
        self._took(Saved(errors=self._opened.errors))
        self.set_interval(THEMES_EVERY_S, self._look)

    def use_theme(self, name: str) -> None:
        """Draw with this theme from now on. Raises ThemeError."""
        theme = self._opened.shelf.find(name)
        self.register_theme(textual_theme(theme))
        self._inks, self.glyphs, self._source = styles_of(theme), theme.glyphs, theme.source
        if self.theme == name:
            self.refresh_css(animate=False)
        else:
            self.theme = name

    def theme_commands(self) -> Iterator[tuple[str, str, Callable[[], Any]]]:
        """For the palette: title, sentence, what is done."""
        for name in self._opened.shelf.themes:
            yield f"Theme {name}", "Draw with this theme", partial(self._choose, name)

    def _choose(self, name: str) -> None:
        try:
            self.use_theme(name)
        except ThemeError as error:  # its file is gone
            self.news.failed(str(error))

    def _look(self) -> None:
        """In a thread: it reads files."""

        def poll() -> None:
            saved = self._opened.shelf.poll()
            if saved.themes or saved.errors:
                self.call_later(self._took, saved)

        self.run_worker(poll, thread=True, group="themes", exclusive=True)

    def _took(self, saved: Saved) -> None:
        for theme in saved.themes:
            if theme.name == self.theme:
                self.use_theme(theme.name)
                self.news.told(f"theme {theme.name}: {theme.source} was saved")
        for error in saved.errors:
            if any(problem.file == self._source for problem in error.problems):
                self.news.failed(f"{error}; the theme stays as it was")
            else:  # of a theme that nobody looks at
                self.news.told(str(error))
