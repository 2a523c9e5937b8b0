"""Help: all keys, from the one table; what cannot be done now is dim, and says why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from udplb import __version__
from udplb.tui.actions import CHANGE, GROUPS
from udplb.tui.ink import Piece
from udplb.tui.widgets.lines import Lines

if TYPE_CHECKING:
    from udplb.tui.console import Console

COLUMN_WIDTH = 54
KEY_WIDTH = 8
TITLE_WIDTH = 14
FILTERS = (
    ("edge-4", "in the client, backend, listener or state"),
    ("client=203.0.113.0/24", "an address or a network, with a port or without"),
    ("backend=edge-4", "exactly; also cluster= and listener="),
    ("state=leaving", "or current"),
    ("idle<5s age>10m", "times, with units"),
    ("rate>100 bytes>=1MiB", "datagrams per second; also requests, replies"),
    ("!backend=edge-4", "not so; all terms must hold"),
)
STATES = (
    ("up", "UP", "takes new flows"),
    ("slow", "SLOW", "answers much later than the others"),
    ("trial", "TRIAL", "up again after an ejection: one refusal ejects it"),
    ("drain", "DRAIN", "no new flows; those that it has live to their end"),
    ("drained", "DRAINED", "the last one is gone"),
    ("ejected", "EJECTED", "it refused, or did not answer"),
    ("down", "DOWN", "its probes fail"),
)
_INK_OF_STATE = {"drained": "quiet", "ejected": "down"}

Text = list[list[Piece]]


class HelpDialog(ModalScreen[None]):
    """Everything on one page that scrolls."""

    DEFAULT_CSS = """
    HelpDialog { align: center middle; background: $background 60%; }
    HelpDialog > VerticalScroll {
        width: 124; max-width: 98%; height: auto; max-height: 96%;
        border: round $primary; background: $surface; padding: 0 1;
        border-title-style: bold; border-subtitle-color: $udplb-quiet;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter", "leave", "Close"),
        Binding("j", "scroll('scroll_down')", show=False),
        Binding("k", "scroll('scroll_up')", show=False),
        Binding("space", "scroll('page_down')", show=False),
    ]

    def __init__(self, console: Console) -> None:
        super().__init__()
        actions = console.actions
        self._can = {
            action.name: bool(console.check_action("do", (action.name,))) for action in actions
        }
        """As it is on the screen that asked for help."""
        self._leave = frozenset((*actions["help"].keys, *actions["quit"].keys))

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = f"udplb {__version__}: keys"
            box.border_subtitle = "Esc closes, j k scroll"
            yield Lines(id="help")

    def on_mount(self) -> None:
        """Draw, and take the keys."""
        self.query_one(VerticalScroll).focus()
        self._draw()

    def on_key(self, event: events.Key) -> None:
        """What opened it closes it, too; and who wants to quit wants to see the screen first."""
        if event.key in self._leave:
            event.stop()
            self.dismiss()

    def on_resize(self) -> None:
        """Perhaps there is room for two columns now."""
        self._draw()

    def _draw(self) -> None:
        console: Any = self.app
        lines = self.query_one("#help", Lines)
        lines.inks = console.inks
        lines.show(text_of(console, self._can, 2 if self.size.width >= 2 * COLUMN_WIDTH + 8 else 1))

    @property
    def text(self) -> str:
        """What it says."""
        return self.query_one("#help", Lines).text

    def action_leave(self) -> None:
        """Close it."""
        self.dismiss()

    def action_scroll(self, way: str) -> None:
        """Move the text."""
        getattr(self.query_one(VerticalScroll), f"action_{way}")()


def text_of(console: Console, can: Mapping[str, bool], columns: int) -> Text:
    """The blocks in so many columns."""
    blocks = [*(_group(console, can, group) for group in GROUPS), _states(console), _filters()]
    if columns == 1:
        return [line for block in blocks for line in (*block, [])]
    total = sum(len(block) + 1 for block in blocks)
    left: Text = []
    right: Text = []
    for block in blocks:
        side = left if len(left) + len(block) / 2 < total / 2 else right
        side += [*block, []]
    rows = max(len(left), len(right))
    return [_beside(left, right, row) for row in range(rows)]


def _beside(left: Text, right: Text, row: int) -> list[Piece]:
    one = left[row] if row < len(left) else []
    used = sum(len(piece.text) for piece in one)
    other = right[row] if row < len(right) else []
    return [*one, Piece(" " * max(1, COLUMN_WIDTH + 2 - used)), *other]


def _group(console: Console, able: Mapping[str, bool], group: str) -> Text:
    why = ""
    if group == CHANGE and not console.model.may_change:
        why = "  (not now: read-only, or the proxy is lost)"
    text: Text = [[Piece(group, "heading"), Piece(why, "slow")]]
    for action in console.actions:
        if action.group == group:
            can = able[action.name]
            ink = "" if can else "quiet"
            sentence = action.sentence[: COLUMN_WIDTH - KEY_WIDTH]
            text.append([Piece(f"{action.key:{KEY_WIDTH}}", "key" if can else "quiet"),
                         Piece(sentence, ink)])  # fmt: skip
    return text


def _states(console: Console) -> Text:
    text: Text = [[Piece("States of backends", "heading")]]
    for glyph, word, meaning in STATES:
        sign = f"{console.glyphs[glyph]} {word}"
        text.append([Piece(f"{sign:10}", _INK_OF_STATE.get(glyph, glyph)), Piece(meaning)])
    return text


def _filters() -> Text:
    text: Text = [[Piece("Filters of flows", "heading")]]
    return [*text, *([Piece(f"{term:22}", "key"), Piece(what)] for term, what in FILTERS)]
