"""Why a flow is where it is: asked once the cursor rests on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.timer import Timer

from udplb.engine.control.requests import Explain, Explanation

if TYPE_CHECKING:
    from udplb.tui.panes.flow_screen import FlowScreen

REST_S = 0.3
"""Seconds that the cursor is on a flow before the proxy is asked."""


class Reason:
    """What the proxy says of the flow under the cursor."""

    def __init__(self, pane: FlowScreen) -> None:
        self._pane = pane
        self._timer: Timer | None = None
        self._flow: int | None = None
        self._told: Explanation | str | None = None

    def of(self, flow: int) -> Explanation | str | None:
        """What is known of this flow; None: nothing yet."""
        return self._told if flow == self._flow else None

    def rest(self) -> None:
        """The cursor is on another flow: ask, if it stays there."""
        if self._timer is not None:
            self._timer.stop()
        self._timer = self._pane.set_timer(REST_S, self._ask)

    def _ask(self) -> None:
        row = self._pane.selected
        if row is None or row.id == self._flow or self._pane.model.link.state != "live":
            return
        self._flow, self._told = row.id, None

        def told(answer: Explanation) -> None:
            if self._flow == row.id:
                self._told = answer

        def failed(error: Exception) -> None:
            if self._flow == row.id:
                self._told = str(error)

        self._pane.console.ask(Explain(listener=row.listener, client=row.client), told, failed)
