"""The dialog: what would be done, to whom, with what result; and a deliberate yes.

`y` accepts, and nothing else by accident: Enter is Cancel until something else has the focus.
What cannot be undone needs a word to be typed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label

from udplb.tui.ink import Piece, clean
from udplb.tui.widgets.lines import Lines

Answers = Mapping[str, str]
"""What was typed into the fields, by their names."""


@dataclass(frozen=True, slots=True)
class Field:
    """Something to fill in."""

    name: str
    label: str
    value: str = ""
    hint: str = ""
    """Shown while it is empty."""


class Dialog(ModalScreen[None]):
    """Asks; calls `accept` when the answer is yes, with what the fields hold."""

    DEFAULT_CSS = """
    Dialog { align: center middle; background: $background 60%; }
    Dialog > Vertical {
        width: 74; max-width: 96%; height: auto; max-height: 92%; overflow-y: auto;
        border: round $primary; background: $surface; padding: 0 1;
        border-title-style: bold;
    }
    Dialog.-drastic > Vertical { border: heavy $udplb-down; }
    Dialog VerticalScroll { height: auto; max-height: 60vh; }
    Dialog Horizontal { height: auto; }
    Dialog .label { width: 14; color: $udplb-quiet; }
    Dialog Input { width: 1fr; background: $panel; }
    Dialog Input:focus { background: $udplb-cursor; }
    Dialog #word-label { width: auto; color: $udplb-down; }
    Dialog #wrong { color: $udplb-down; height: auto; display: none; }
    Dialog #command { color: $udplb-quiet; height: auto; margin-top: 1; }
    Dialog #buttons { align-horizontal: right; margin-top: 1; }
    Dialog Button { min-width: 12; margin-left: 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "accept", "Yes"),
        Binding("escape,n", "cancel", "Cancel"),
    ]

    def __init__(
        self,
        title: str,
        lines: Sequence[Sequence[Piece]],
        accept: Callable[[Answers], str | None],
        *,
        verb: str,
        command: Callable[[Answers], str] | None = None,
        fields: Sequence[Field] = (),
        word: Callable[[Answers], str | None] | None = None,
        changed: Callable[[Answers], Sequence[Sequence[Piece]]] | None = None,
        optional: bool = False,
    ) -> None:
        """`accept` says what is wrong with the answers, or nothing: then it was asked for, and
        whoever asked closes the dialog (`done`), or says why it was refused (`complain`).

        `command` spells the same for a shell; `word` is what has to be typed before it is done,
        where something has to; `changed` gives other lines whenever something was typed;
        `optional`: the fields need not be filled in, so that `y` is possible at once. Without a
        verb there is nothing to accept.
        """
        super().__init__()
        self._title = title
        self._lines = lines
        self._accept = accept
        self._verb = verb
        self._command = command
        self._fields = fields
        self._word = word
        self._changed = changed
        self._optional = optional
        self._asked = False
        """An answer is on its way."""

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = Content(clean(self._title))
            with VerticalScroll(can_focus=False):
                yield Lines(id="lines")
            for field in self._fields:
                with Horizontal():
                    yield Label(clean(field.label), classes="label", markup=False)
                    yield Input(
                        clean(field.value),
                        placeholder=field.hint,
                        id=f"field-{field.name}",
                        compact=True,
                    )
            if self._word is not None:
                with Horizontal(id="guard"):
                    yield Label("", id="word-label", markup=False)
                    yield Input(id="word", compact=True)
            yield Label("", id="wrong", markup=False)
            yield Label("", id="command", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                if self._verb:
                    yield Button(f"y  {self._verb}", id="accept", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Cancel has the focus, unless there is something to fill in."""
        self._draw()
        inputs = self.query(Input)
        guarded = self._word_now() is not None
        shown = [each for each in inputs if (each.id == "word") == guarded or not guarded]
        shown = [each for each in shown if each.id != "word" or guarded]
        if self._optional and not guarded:
            shown = []
        (shown[0] if shown else self.query_one("#cancel", Button)).focus()

    def redraw(self) -> None:
        """What it says may have changed meanwhile."""
        if self.is_mounted and not self._asked:
            self._draw()

    def show(self, lines: Sequence[Sequence[Piece]]) -> None:
        """Other lines: something has become known, or has changed meanwhile."""
        self._lines = lines
        if self.is_mounted:
            self._draw()

    def complain(self, why: str) -> None:
        """Something is wrong with what was typed, or with the target."""
        self._asked = False
        self._tell(why)

    def _tell(self, why: str) -> None:
        if not self.query("#wrong"):
            return
        wrong = self.query_one("#wrong", Label)
        wrong.update("\n".join(map(clean, why.split("\n"))))
        wrong.display = bool(why)

    def done(self) -> None:
        """It was done."""
        if self.is_attached:
            self.dismiss()
            console: Any = self.app
            console.draw()

    @property
    def answers(self) -> Answers:
        """What the fields hold now."""
        return {
            field.name: self.query_one(f"#field-{field.name}", Input).value.strip()
            for field in self._fields
        }

    def _draw(self) -> None:
        if not self.query("#lines"):
            return  # it is being taken down
        console: Any = self.app
        lines = self.query_one("#lines", Lines)
        lines.inks = console.inks
        lines.show(self._changed(self.answers) if self._changed else self._lines)
        word = self._word_now()
        self.set_class(word is not None, "-drastic")
        if self._word is not None:
            self.query_one("#guard").display = word is not None
            self.query_one("#word-label", Label).update(clean(f"to go on type  {word}  "))
        if self._command is not None:
            self.query_one("#command", Label).update(clean(f"runs: {self._command(self.answers)}"))

    def _word_now(self) -> str | None:
        return None if self._word is None else self._word(self.answers)

    def on_input_changed(self, message: Input.Changed) -> None:
        """The lines say what it would mean."""
        if not self._asked:
            self._tell("")
        self._draw()

    def on_descendant_focus(self) -> None:
        """In a field `y` is a letter: the button says so."""
        for button in self.query("#accept").results(Button):
            button.label = self._verb if isinstance(self.focused, Input) else f"y  {self._verb}"

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """On to the next field, then to Cancel: Enter alone never changes the proxy, `y` does.
        Where nothing is changed there, on to the yes."""
        if message.input.id == "word":
            self.action_accept()
        else:
            self.focus_next()
            if isinstance(self.focused, Button) and self._command is None:
                self.query_one("#accept", Button).focus()

    def on_button_pressed(self, message: Button.Pressed) -> None:
        """Yes or no."""
        if message.button.id == "accept":
            self.action_accept()
        else:
            self.dismiss()

    def on_key(self, event: events.Key) -> None:
        """Arrows go between the buttons."""
        if isinstance(self.focused, Button) and event.key in ("left", "right"):
            (self.focus_previous if event.key == "left" else self.focus_next)()
            event.stop()

    def action_cancel(self) -> None:
        """No."""
        self.dismiss()

    def action_accept(self) -> None:
        """Yes, if the word was typed and the answers are good."""
        if self._asked or not self._verb:
            return
        word = self._word_now()
        if word is not None and self.query_one("#word", Input).value.strip() != word:
            self.complain(f"type {word} to go on, or Esc")
            self.query_one("#word", Input).focus()
            return
        self._asked = True
        self._tell("asking…")
        wrong = self._accept(self.answers)
        if wrong:
            self.complain(wrong)
