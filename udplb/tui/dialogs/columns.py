"""Choosing the columns of a live table."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import SelectionList
from textual.widgets.selection_list import Selection

from udplb.tui.widgets.live_table import LiveTable


class ColumnsDialog(ModalScreen[None]):
    """A list with a mark before each column that is wanted; it shows at once."""

    DEFAULT_CSS = """
    ColumnsDialog { align: center middle; background: $background 60%; }
    ColumnsDialog > Vertical {
        width: 40; height: auto; max-height: 90%;
        border: round $primary; background: $surface; padding: 0 1;
        border-title-style: bold; border-subtitle-color: $udplb-quiet;
    }
    ColumnsDialog SelectionList { height: auto; border: none; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,c", "leave", "Close"),
        Binding("j", "move('cursor_down')", show=False),
        Binding("k", "move('cursor_up')", show=False),
    ]

    def __init__(self, table: LiveTable) -> None:
        super().__init__()
        self._table = table

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = "Columns"
            box.border_subtitle = "Space chooses, Esc closes"
            titles = [column.title for column in self._table.columns if column.title]
            yield SelectionList[str](
                *(Selection(title, title, title not in self._table.unwanted) for title in titles),
                compact=True,
            )

    def on_mount(self) -> None:
        """The list takes the keys."""
        self.query_one(SelectionList).focus()

    def on_selection_list_selected_changed(
        self, message: SelectionList.SelectedChanged[str]
    ) -> None:
        """Without any there would be nothing to choose by: then all stay."""
        wanted = set(message.selection_list.selected)
        titles = {column.title for column in self._table.columns if column.title}
        self._table.hide(titles - wanted if wanted else ())

    def action_leave(self) -> None:
        """It is as it should be."""
        self.dismiss()

    def action_move(self, way: str) -> None:
        """Up or down in the list."""
        getattr(self.query_one(SelectionList), f"action_{way}")()
