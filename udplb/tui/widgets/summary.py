"""The summary: the whole console on a terminal that is too small for anything else."""

from __future__ import annotations

from collections.abc import Sequence

from textual.strip import Strip
from textual.widget import Widget

from udplb.show.quantities import count, rate
from udplb.tui.actions import DEFAULTS, ActionTable
from udplb.tui.ink import Inks, Piece, strip_of
from udplb.tui.model import Model
from udplb.tui.problems import Problem
from udplb.tui.themes.glyphs import GLYPHS
from udplb.tui.widgets.masthead import liveness

LEAST_WIDTH, LEAST_HEIGHT = 60, 15
"""Below either of these there is the summary alone."""


class Summary(Widget):
    """One line that says how it goes, then a line for each problem."""

    DEFAULT_CSS = """
    Summary { height: 1fr; display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.inks: Inks = {}
        self._lines: list[list[Piece]] = []
        self._actions = DEFAULTS

    def show(
        self,
        model: Model,
        problems: Sequence[Problem],
        now: float,
        actions: ActionTable = DEFAULTS,
    ) -> None:
        """How it goes now."""
        self._actions = actions
        first = [*liveness(model, now, GLYPHS, brief=True)]
        if model.shown is not None:
            every = [each for cluster in model.shown.clusters for each in cluster.backends]
            good = sum(each.up and not each.draining for each in every)
            first += [
                Piece(f"  {count(model.shown.totals.flows)} flows"),
                Piece(f"  {good}/{len(every)} up"),
            ]
        if model.paces is not None:
            first += [Piece(f"  {rate(model.paces.total.requests)}")]
        self._lines = [first, *([Piece(each.text, each.ink)] for each in problems)]
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """A line; the last one says what a larger terminal would do."""
        lines, height = self._lines, self.size.height
        line: list[Piece] = lines[y] if y < len(lines) else []
        if y == height - 1 and y >= len(lines):
            leaves = f"{self._actions['quit'].key} leaves"
            line = [Piece(f"{LEAST_WIDTH}x{LEAST_HEIGHT} shows more; {leaves}", "quiet")]
        return strip_of(line, self.inks, self.size.width, self.rich_style)
