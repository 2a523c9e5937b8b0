"""Which backend: where a client would go, and why, while it is typed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Input, Label

from udplb.engine.control.requests import WITHOUT_MAX, Explain, Explanation
from udplb.show.explanation import page_of_explanation
from udplb.tui.ink import Piece
from udplb.tui.page_lines import lines_of_page
from udplb.tui.widgets.lines import Lines

if TYPE_CHECKING:
    from udplb.tui.console import Console

REST_S = 0.15
"""Seconds without a key before the proxy is asked."""
AGAIN_S = 2.0
"""Seconds between two looks while nothing is typed."""
TEXT_MAX = 256
FIELDS = (
    ("listener", "listener", "its name"),
    ("client", "client", "203.0.113.9:51820"),
    ("without", "without", "as if these were down: edge-1 edge-2"),
)


class WhichDialog(ModalScreen[None]):
    """Asks the proxy for an explanation whenever something was typed, and every 2 s."""

    DEFAULT_CSS = """
    WhichDialog { align: center middle; background: $background 60%; }
    WhichDialog > Vertical {
        width: 100; max-width: 96%; height: 30; max-height: 92%;
        border: round $primary; background: $surface; padding: 0 1;
        border-title-style: bold; border-subtitle-color: $udplb-quiet;
    }
    WhichDialog Horizontal { height: auto; }
    WhichDialog .label { width: 14; color: $udplb-quiet; }
    WhichDialog Input { width: 1fr; background: $panel; }
    WhichDialog Input:focus { background: $udplb-cursor; }
    WhichDialog VerticalScroll { height: 1fr; margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Close")]

    def __init__(self, console: Console, listener: str = "", client: str = "") -> None:
        super().__init__()
        self._owner = console
        self._given = {"listener": listener, "client": client}
        self._asked: Explain | None = None
        """The newest question."""
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = "Which backend?"
            box.border_subtitle = "Esc closes"
            for name, label, hint in FIELDS:
                with Horizontal():
                    yield Label(label, classes="label", markup=False)
                    yield Input(
                        self._given.get(name, ""), placeholder=hint, id=f"which-{name}",
                        compact=True, max_length=TEXT_MAX, select_on_focus=False,
                    )  # fmt: skip
            with VerticalScroll(can_focus=False):
                yield Lines(id="which-told")

    def on_mount(self) -> None:
        """What is not known yet has the focus; what is, is asked at once."""
        wanted = next((name for name, _, _ in FIELDS if not self._value(name)), "without")
        self.query_one(f"#which-{wanted}", Input).focus()
        self.set_interval(AGAIN_S, self._ask)
        self._ask()

    def _value(self, name: str) -> str:
        return self.query_one(f"#which-{name}", Input).value.strip()

    def on_input_changed(self, message: Input.Changed) -> None:
        """Soon, when nothing more is typed."""
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(REST_S, self._ask)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """On to the next field."""
        self._ask()
        self.focus_next()

    def action_leave(self) -> None:
        """Close it."""
        self.dismiss()

    def _ask(self) -> None:
        listener, client = self._value("listener"), self._value("client")
        without = tuple(part for part in re.split(r"[\s,]+", self._value("without")) if part)
        if not listener or not client:
            self._asked = None
            self._show([[Piece("a listener and a client are needed", "quiet")]])
            return
        if len(without) > WITHOUT_MAX:
            self._asked = None
            self._show([[Piece(f"at most {WITHOUT_MAX} backends can be left out", "slow")]])
            return
        request = Explain(listener=listener, client=client, without=without)
        self._asked = request

        def told(answer: Explanation) -> None:
            if self._asked is request:
                page = page_of_explanation(answer, without)
                self._show(lines_of_page(page, self._room))

        def failed(error: Exception) -> None:
            if self._asked is request:
                self._show([[Piece(str(error), "slow")]])

        self._owner.ask(request, told, failed)

    @property
    def _room(self) -> int:
        return max([20, *(lines.size.width for lines in self.query(Lines))])

    def _show(self, lines: Sequence[Sequence[Piece]]) -> None:
        for told in self.query(Lines):  # none where it is being taken down
            told.inks = self._owner.inks
            told.show(lines)


def ask_which(console: Console, listener: str = "", client: str = "") -> None:
    """Open the dialog. Without a listener: the proxy's first one."""
    snapshot = console.model.snapshot
    if not listener and snapshot is not None and snapshot.listeners:
        listener = snapshot.listeners[0].name
    console.push_screen(WhichDialog(console, listener, client))
