"""Which window of the flows to ask for: the rows that are looked at, and as many around them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from udplb.engine.ranking import OFFSET_MAX, WINDOW_MAX, FlowQuery, SortKey

DEPTH_MAX = OFFSET_MAX + WINDOW_MAX
"""Rows of a ranking that can be looked at; for what is behind them there are filters."""
STEP = 50
"""Windows begin and end at multiples of this many rows, so that few are different."""

SORTS: tuple[SortKey, ...] = ("rate", "datagrams", "bytes", "age", "idle")
"""In the order in which they follow each other."""


def window_over(query: FlowQuery, first: int, rows: int) -> FlowQuery:
    """The same view, with the rows from `first` on and some more before and behind them."""
    margin = max(rows, STEP)
    offset = min(max(0, first - margin) // STEP * STEP, OFFSET_MAX)
    end = -(-(first + rows + margin) // STEP) * STEP
    return msgspec.structs.replace(query, offset=offset, limit=min(end - offset, WINDOW_MAX))


def view_of(query: FlowQuery) -> FlowQuery:
    """What all windows of the same ranking have in common."""
    return msgspec.structs.replace(query, offset=0, limit=0)


def same_view(one: FlowQuery | None, other: FlowQuery | None) -> bool:
    """Whether both are windows of the same ranking."""
    return one is not None and other is not None and view_of(one) == view_of(other)


def rows_there(query: FlowQuery, rows: int, matched: int) -> int:
    """How many rows can be scrolled to, where a window brought so many of those that matched."""
    deep = min(matched, DEPTH_MAX)
    behind = query.offset + query.limit >= deep
    return query.offset + rows if behind and rows else deep


def worth_drawing(places: Sequence[int], rows: int, length: int) -> slice:
    """Of a window of `length` rows, those around these places, with `rows` in view at each.

    A window at the end of what can be looked at is long, and most of it is far out of sight. A
    place that the window does not have is taken for its nearest: some rows are always drawn.
    """
    margin = max(rows, STEP)
    there = [max(0, min(place, length - rows)) for place in places]
    begin = max(0, min(there, default=0) - margin) // STEP * STEP
    end = -(-(max(there, default=0) + rows + margin) // STEP) * STEP
    return slice(begin, min(end, length))


def next_sort(key: SortKey) -> SortKey:
    """By what to sort after this."""
    return SORTS[(SORTS.index(key) + 1) % len(SORTS)]
