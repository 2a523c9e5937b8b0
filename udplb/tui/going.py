"""Going: to a screen, to what is wrong, to a backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from udplb.tui.model import BackendKey
from udplb.tui.widgets.live_table import LiveTable

if TYPE_CHECKING:
    from udplb.tui.console import Console


class Going:
    """Actions of the table, for the whole console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._problem = -1

    def do_overview(self) -> None:
        self._console.show_pane("overview")

    def do_backends(self) -> None:
        self._console.show_pane("backends")

    def do_flows(self) -> None:
        self._console.show_pane("flows")

    def do_events(self) -> None:
        self._console.show_pane("events")

    def do_config(self) -> None:
        self._console.show_pane("config")

    def do_problem(self) -> None:
        """The next problem, on its screen."""
        console = self._console
        if not console.problems:
            console.news.told("no problem now")
            return
        self._problem = (self._problem + 1) % len(console.problems)
        problem = console.problems[self._problem]
        console.show_pane(problem.screen)
        if problem.id is not None:
            console.pane.go_to(problem.id)

    def to_backend(self, key: BackendKey) -> None:
        """The backend, on its screen; a filter that hides it goes."""
        console = self._console
        console.show_pane("backends")
        table = console.pane.query(LiveTable).first()
        if not table.go_to(key) and console.pane.filter_line():
            console.pane.set_filter("")
            table.go_to(key)
        console.draw()
