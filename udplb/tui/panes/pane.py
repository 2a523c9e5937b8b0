"""A pane: one screen of the console."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, ClassVar

from textual.containers import Vertical

from udplb.engine.ranking import FlowQuery
from udplb.tui.model import Model
from udplb.tui.widgets.live_table import LiveTable

if TYPE_CHECKING:
    from udplb.tui.console import Console


class Pane(Vertical):
    """What all screens have in common. Actions are methods `do_NAME` (see actions.py)."""

    NAME: ClassVar[str] = ""
    """The action that shows it."""

    @property
    def console(self) -> Console:
        """The application, which has the model and asks the proxy."""
        app: Any = self.app
        return app  # type: ignore[no-any-return]

    @property
    def model(self) -> Model:
        """What is known."""
        return self.console.model

    def draw(self, now: float) -> None:
        """Show what the model knows; `now` in seconds since the epoch."""

    def window(self) -> FlowQuery | None:
        """The flows that this screen looks at; None: none."""
        return None

    def tapped(self) -> int | None:
        """The flow whose datagrams this screen looks at; None: none."""
        return None

    def enter(self) -> None:
        """The screen is shown: put the focus where the work is."""
        tables = self.query(LiveTable)
        if tables:
            tables.first().focus()

    def go_to(self, id: Hashable) -> None:
        """Put the cursor on what has this identity, where it is shown."""
        for table in self.query(LiveTable):
            table.go_to(id)

    def filter_line(self) -> str | None:
        """What is filtered for, as a text that may be edited; None: nothing can be."""
        return None

    def set_filter(self, text: str) -> str:
        """Filter for this; what is wrong with it, or an empty text."""
        return ""
