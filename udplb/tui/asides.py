"""Asides: what an operator does beside looking and acting; help, pictures, the mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from udplb.tui.dialogs.columns import ColumnsDialog
from udplb.tui.dialogs.help import HelpDialog
from udplb.tui.dialogs.which import WhichDialog
from udplb.tui.exporting import ExportError, proposed, write_new
from udplb.tui.mouse import let_go, take_back
from udplb.tui.widgets.live_table import LiveTable

if TYPE_CHECKING:
    from udplb.tui.console import Console


class Asides:
    """Actions of the table, for the whole console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._has_mouse = True

    def do_help(self) -> None:
        self._console.push_screen(HelpDialog(self._console))

    def do_columns(self) -> None:
        """Choose the columns of the table that has the keys."""
        console = self._console
        focused = console.focused
        tables = [focused] if isinstance(focused, LiveTable) else [*console.pane.query(LiveTable)]
        if tables:
            console.push_screen(ColumnsDialog(tables[0]))

    def do_which(self) -> None:
        """Where a client would go, from any screen."""
        shown = self._console.model.snapshot
        if shown is not None and shown.listeners:
            self._console.push_screen(WhichDialog(self._console, shown.listeners[0].name, ""))

    def do_mouse(self) -> None:
        """Let go of the mouse, or take it back."""
        if self._has_mouse and let_go(self._console._driver):
            self._has_mouse = False
            self._console.news.told(
                "the mouse is the terminal's: select text;"
                f" {self._console.actions['mouse'].key} takes it back"
            )
        elif not self._has_mouse and take_back(self._console._driver):
            self._has_mouse = True
            self._console.news.told("the mouse is the console's")

    def do_screenshot(self) -> None:
        """An SVG of what stands on the screen, in the directory where the console was started."""
        name = proposed("console", "svg", self._console.wall_clock())
        content = self._console.export_screenshot(title=f"udplb {self._console.where}").encode()
        try:
            self._console.news.told(f"written: {write_new(name, content)}")
        except ExportError as error:
            self._console.news.failed(str(error))
