"""Above the keys: what is wrong now, and what came of the last action."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from textual import events
from textual.strip import Strip
from textual.widget import Widget

from udplb.show.states import BAD, CARE, GOOD
from udplb.tui.actions import DEFAULTS, ActionTable
from udplb.tui.breath import breathe
from udplb.tui.ink import Inks, Piece, clean, strip_of
from udplb.tui.model import Model
from udplb.tui.news import Said
from udplb.tui.problems import Problem

NEWS_LINES_MAX = 3


class BottomLine(Widget):
    """One line for what is wrong; above it, for a while, what came of the last action."""

    DEFAULT_CSS = """
    BottomLine { height: 1; background: $surface; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.inks: Inks = {}
        self._said: Said | None = None
        self._dismisses = ""
        self._problems: tuple[list[Piece], str] = ([], "")
        self._lines: list[tuple[list[Piece], str]] = []
        """Each with a hint at its right."""

    def show(
        self,
        said: Said | None,
        problems: Sequence[Problem],
        model: Model,
        actions: ActionTable = DEFAULTS,
    ) -> None:
        """The news, and the problems; the keys that help are those of `actions`."""
        breathe()
        self._said, self._dismisses = said, f" {actions['back'].key} dismisses "
        self._problems = _problems(problems, model, actions)
        self._lay_out()

    def on_resize(self) -> None:
        """Other lines have room; before the first one there was none at all."""
        self._lay_out()

    def _lay_out(self) -> None:
        self._lines = [*self._news(), self._problems]
        self.styles.height = len(self._lines)
        self.refresh()

    def _news(self) -> list[tuple[list[Piece], str]]:
        said = self._said
        if said is None:
            return []
        glyph, ink = (GOOD, "up") if said.good else (BAD, "down")
        hint = self._dismisses if said.stays else ""
        text = " ".join(clean(line) for line in said.text.split("\n"))
        width = max(20, self.size.width - 3 - len(hint))
        rows = (wrap(text, width) if self.size.width else []) or [text]
        if len(rows) > NEWS_LINES_MAX:
            rows = [*rows[: NEWS_LINES_MAX - 1], f"{rows[NEWS_LINES_MAX - 1][:-1]}…"]
        heads = [Piece(f" {glyph} ", ink), *[Piece("   ")] * (len(rows) - 1)]
        hints = [hint, *[""] * (len(rows) - 1)]
        return [
            ([head, Piece(row)], beside)
            for head, row, beside in zip(heads, rows, hints, strict=True)
        ]

    def render_line(self, y: int) -> Strip:
        """The pieces, and at the right what can be done about them."""
        breathe()
        pieces, hint = self._lines[y] if y < len(self._lines) else ([], "")
        width = self.size.width
        left = strip_of(pieces, self.inks, max(0, width - len(hint)), self.rich_style)
        right = strip_of((Piece(hint, "quiet"),), self.inks, len(hint), self.rich_style)
        return Strip.join([left, right]) if hint else left

    def on_click(self, event: events.Click) -> None:
        """To the problem, or away with the message."""
        name = "problem" if event.y == len(self._lines) - 1 else "back"
        self.app.call_later(self.app.run_action, f"do('{name}')")


def _problems(
    problems: Sequence[Problem], model: Model, actions: ActionTable
) -> tuple[list[Piece], str]:
    if problems:
        pieces = [Piece(f" {CARE} ", problems[0].ink)]
        for at, problem in enumerate(problems):
            pieces += [Piece(" · ", "quiet")] if at else []
            pieces += [Piece(problem.text, problem.ink)]
        return pieces, f" {actions['problem'].key} goes there "
    if model.shown is not None and model.link.state == "live":
        return [Piece(f" {GOOD} ", "up"), Piece("no problem", "quiet")], ""
    return [], ""
