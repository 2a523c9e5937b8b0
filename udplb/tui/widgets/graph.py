"""A graph of the last minute: what comes in, what goes out, each with its scale.

It draws lines of its own (`render_line`), and only when it is shown something new.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from udplb.tui.breath import breathe
from udplb.tui.draw.chart import Row, Series, Span, chart
from udplb.tui.draw.history import History
from udplb.tui.draw.scale import Scale

__all__ = ["Series", "TrafficGraph"]


class TrafficGraph(Widget):
    """Series below each other. It shows what it was given last, until `show` is called again."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "graph--area",
        "graph--rx",
        "graph--tx",
        "graph--drop",
        "graph--peak",
        "graph--quiet",
    }
    DEFAULT_CSS = """
    TrafficGraph {
        height: 1fr;
        & > .graph--area { color: $udplb-graph; }
        & > .graph--rx { color: $udplb-rx; }
        & > .graph--tx { color: $udplb-tx; }
        & > .graph--drop { color: $udplb-drop; }
        & > .graph--peak { color: $udplb-graph-peak; }
        & > .graph--quiet { color: $udplb-quiet; }
    }
    """
    ALLOW_SELECT = False

    def __init__(self, span_s: float = 60.0, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._span = Span(0.0, span_s)
        self._series: tuple[Series, ...] = ()
        self._scales: dict[tuple[History, int], Scale] = {}
        self._rows: list[Row] = []
        self._drawn: Size | None = None
        """The size for which the rows were drawn."""

    def show(self, series: Sequence[Series], now: float) -> None:
        """Draw these, as they are at this time of the clock that made their histories.

        A history keeps its scale from one call to the next; another one begins with its own.
        """
        breathe()
        self._series = tuple(series)
        self._span = Span(now, self._span.lasts_s)
        self._scales = {
            key: self._scales.get(key) or Scale()
            for key in ((each.values, each.times) for each in series)
        }
        for (values, times), scale in self._scales.items():
            scale.fit((values.peak(now, self._span.lasts_s) or 0.0) * times)
        self._drawn = None
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One row of the chart."""
        breathe()
        if self._drawn != self.size:
            tops = [self._scales[each.values, each.times].top for each in self._series]
            self._rows = chart(self._series, tops, self._span, *self.size)
            self._drawn = self.size
        width = self.size.width
        if y >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        styles = {
            role: self.get_component_rich_style(f"graph--{role}") for _, role in self._rows[y]
        }
        return Strip([Segment(text, styles[role]) for text, role in self._rows[y]], width)
