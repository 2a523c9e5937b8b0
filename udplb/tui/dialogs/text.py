"""A text to read, to scroll through, and to select for copying."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from udplb.config.wording import escape


class TextDialog(ModalScreen[None]):
    """Shows lines as they are; what a terminal would obey in them is escaped."""

    DEFAULT_CSS = """
    TextDialog { align: center middle; background: $background 60%; }
    TextDialog > VerticalScroll {
        width: 100; max-width: 96%; height: auto; max-height: 92%;
        border: round $primary; background: $surface; padding: 0 1;
        border-title-style: bold; border-subtitle-color: $udplb-quiet;
    }
    TextDialog Static { width: auto; height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "leave", "Close"),
        Binding("j", "scroll('scroll_down')", "Down", show=False),
        Binding("k", "scroll('scroll_up')", "Up", show=False),
        Binding("g", "scroll('scroll_home')", "First", show=False),
        Binding("G", "scroll('scroll_end')", "Last", show=False),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title = escape(title)
        self.text = "\n".join(map(escape, text.split("\n")))
        """What is shown."""

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = Content(self._title)
            box.border_subtitle = "Esc closes"
            yield Static(Text(self.text), markup=False)

    def action_leave(self) -> None:
        """Close it."""
        self.dismiss()

    def action_scroll(self, way: str) -> None:
        """Move the text."""
        getattr(self.query_one(VerticalScroll), f"action_{way}")()
