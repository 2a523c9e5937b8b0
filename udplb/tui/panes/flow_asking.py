"""Asking for windows of the flows: at once, one at a time, and only the latest that is wanted.

The stream of pictures brings the same window again and again, but a new one only with its next
picture; whoever scrolls does not wait so long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from udplb.client import Refused
from udplb.engine.control.requests import Flows
from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import FlowWindow
from udplb.tui.panes.flow_window import same_view

if TYPE_CHECKING:
    from udplb.tui.console import Console


class WindowAsker:
    """Keeps what is wanted, and asks for it until that is what came."""

    def __init__(self, console: Console, wanted: Callable[[], FlowQuery | None]) -> None:
        """`wanted`: the query of the screen; None while nobody looks at it."""
        self._console = console
        self._wanted = wanted
        self._asking = False

    def ask(self) -> None:
        """Ask for what is wanted, now or when the answer that is under way has come."""
        query = self._wanted()
        if query is None or self._asking:
            return
        self._asking = True
        self._console.ask(
            Flows(query=query),
            lambda window: self._took(query, window),
            lambda error: self._failed(query, error),
        )

    def _took(self, query: FlowQuery, window: FlowWindow) -> None:
        self._asking = False
        wanted = self._wanted()
        if same_view(query, wanted):  # other rows of it are better than none
            self._console.model.took_window(window, self._console.wall_clock(), query)
        self._go_on(query)

    def _failed(self, query: FlowQuery, error: Exception) -> None:
        self._asking = False
        if isinstance(error, Refused):  # that the proxy is lost, the head of the console says
            self._console.news.failed(str(error))
        self._go_on(query)

    def _go_on(self, query: FlowQuery) -> None:
        wanted = self._wanted()
        if wanted is not None and wanted != query:
            self.ask()
        elif wanted is not None:
            self._console.look_at()
