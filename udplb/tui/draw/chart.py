"""Charts: histories below each other, as rows of text in roles.

Each has as much as its room allows: a title, an area with axes; one line with a sparkline; the
number alone. Every row is exactly as wide as asked, and what a row says stays at its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from rich.cells import cell_len, set_cell_size

from udplb.config.wording import escape
from udplb.show.page import NOTHING
from udplb.tui.draw.blocks import columns, sparkline
from udplb.tui.draw.history import History
from udplb.tui.draw.scale import tick

Role = Literal["area", "rx", "tx", "drop", "peak", "quiet"]
"""What a piece is there for; the first four may be the role of a series."""
Piece = tuple[str, Role]
Row = list[Piece]

NUMBERS_BELOW = 20
"""Cells: in less, there is room for a number and nothing else."""
AREA_FROM = 4
"""Rows: in less, a series has one line."""
AXIS_WIDTH = 6
"""Cells of the widest label and its tick."""

_NUMBER_WIDTH = len("49.8 Mb/s")
_SPARKLINE_FROM = 4
_MIDDLE_FROM = 32


@dataclass(frozen=True, slots=True)
class Series:
    """One number in the course of time."""

    title: str
    values: History
    spell: Callable[[float], str]
    """A value, with its unit: `quantities.rate`, or `quantities.bit_rate` for bytes per second."""
    role: Role = "area"
    times: int = 1
    """What one value is on the axis: 8 where bytes are shown as bits."""


@dataclass(frozen=True, slots=True)
class Span:
    """The time that is drawn, in seconds: so long until now."""

    now: float
    lasts_s: float = 60.0


def chart(
    series: Sequence[Series], tops: Sequence[float], span: Span, width: int, height: int
) -> list[Row]:
    """`height` rows of `width` cells. `tops` are the ends of the axes, one a series."""
    rows: list[Row] = []
    if width < NUMBERS_BELOW:
        rows = [_number(each, span, width) for each in series]
    else:
        lead = max((cell_len(escape(each.title)) for each in series), default=0)
        for each, top, room in zip(series, tops, rooms(height, len(series)), strict=False):
            if room >= AREA_FROM:
                rows += _area(each, top, span, width, room)
            elif room:
                rows.append(_line(each, top, span, width, lead))
    rows += [[(" " * max(0, width), "quiet")] for _ in range(height - len(rows))]
    return rows[: max(0, height)]


def rooms(height: int, count: int) -> list[int]:
    """The rows of each of `count` series: equal areas, or one area and lines, or lines alone."""
    if count <= 0:
        return []
    each, over = divmod(max(0, height), count)
    if each >= AREA_FROM:
        return [each + (place < over) for place in range(count)]
    lines = count - 1
    if height - lines >= AREA_FROM:
        return [height - lines] + [1] * lines
    return [int(place < height) for place in range(count)]


# One series


def _number(series: Series, span: Span, width: int) -> Row:
    """`in 41.2k/s`, and of that what has room: the number first."""
    number, title = _now(series, span), escape(series.title)
    if cell_len(title) + 1 + cell_len(number) <= width:
        return [(f"{title} ", "quiet"), _padded(number, width - cell_len(title) - 1, series.role)]
    return [_padded(number, width, series.role)]


def _line(series: Series, top: float, span: Span, width: int, lead: int) -> Row:
    """`in   41.2k/s ▂▃▅▆▅`; `lead` is the room for titles, so that lines stand below each other."""
    number = _now(series, span).rjust(_NUMBER_WIDTH)
    rest = width - lead - cell_len(number) - 2
    if rest < _SPARKLINE_FROM:
        return _number(series, span, width)
    values = series.values.resampled(span.now, span.lasts_s, rest)
    return [
        _padded(escape(series.title), lead + 1, "quiet"),
        (f"{number} ", series.role),
        *_inked(sparkline(values, rest, top / series.times), _roles(values, series.role)),
    ]


def _area(series: Series, top: float, span: Span, width: int, height: int) -> list[Row]:
    """A title, an even number of rows of area, the axis below, and one more row where there is.

    The number of rows is even so that half of the top is where its label stands.
    """
    room = width - AXIS_WIDTH
    inside = height - 2
    high = inside - inside % 2
    values = series.values.resampled(span.now, span.lasts_s, room)
    roles = _roles(values, series.role)
    labels = {0: tick(top), high // 2: tick(top / 2)}
    rows = [_title(series, values, span, width)]
    for place, text in enumerate(columns(values, room, high, top / series.times)):
        rows.append([_axis(labels.get(place)), *_inked(text, roles)])
    rows += _foot(span, room, apart=bool(inside % 2))
    return rows


def _title(series: Series, values: Sequence[float | None], span: Span, width: int) -> Row:
    """`in 41.2k/s`, and at the right end `peak 49.8k/s`, which is that of the columns."""
    title, number = f"{escape(series.title)} ", _now(series, span)
    highest = max((value for value in values if value is not None), default=None)
    peak = "" if highest is None else series.spell(highest)
    rest = width - cell_len(title) - cell_len(number) - cell_len(peak)
    if not peak or rest < len("  peak "):
        return _number(series, span, width)
    return [(title, "quiet"), (number, series.role), ("peak ".rjust(rest), "quiet"), (peak, "peak")]


def _axis(label: str | None) -> Piece:
    """One row's part of the axis at the left."""
    text = "│" if label is None else f"{label}┤"
    return text.rjust(AXIS_WIDTH), "quiet"


def _foot(span: Span, room: int, *, apart: bool) -> list[Row]:
    """The axis of time: one row, or two with the labels apart."""
    begin, middle, end = _ago(span.lasts_s), _ago(span.lasts_s / 2), "now"
    labels = [(0 if apart else 2, begin), (room - len(end), end)]
    if room >= _MIDDLE_FROM:
        labels.insert(1, ((room - len(middle)) // 2, middle))
    zero = "0└".rjust(AXIS_WIDTH)
    if apart:
        line = zero + "─" * room
        return [[(line, "quiet")], [(" " * AXIS_WIDTH + _placed(labels, room, " "), "quiet")]]
    return [[(zero + _placed(labels, room, "─"), "quiet")]]


def _placed(labels: Sequence[tuple[int, str]], room: int, between: str) -> str:
    """The labels at their places on one line; what is between them touches none."""
    line = ""
    for place, label in labels:
        gap = place - len(line)
        line += f"{between * max(0, gap - 1)} {label} " if gap > 0 else f"{label} "
    return set_cell_size(line, room)


def _ago(seconds: float) -> str:
    """`-60s`, `-7.5s`, `-10m`."""
    if seconds > 120:
        return f"-{seconds / 60:.3g}m"
    return f"-{seconds:.3g}s"


def _now(series: Series, span: Span) -> str:
    value = series.values.at(span.now)
    return NOTHING if value is None else series.spell(value)


def _padded(text: str, width: int, role: Role) -> Piece:
    return set_cell_size(text, max(0, width)), role


# Roles of columns


def _roles(values: Sequence[float | None], role: Role) -> list[Role]:
    """The newest column and the highest, the latest of equals, stand out; zero does not."""
    roles: list[Role] = [role if value else "quiet" for value in values]
    known = [(value, place) for place, value in enumerate(values) if value is not None]
    highest, place = max(known, default=(0.0, 0))
    if highest > 0:
        roles[place] = "peak"
    if values and values[-1]:
        roles[-1] = "peak"
    return roles


def _inked(text: str, roles: Sequence[Role]) -> Row:
    """A row of columns, in pieces of one role each."""
    pieces: Row = []
    begin = 0
    for role, run in groupby(roles):
        end = begin + sum(1 for _ in run)
        pieces.append((text[begin:end], role))
        begin = end
    return pieces
