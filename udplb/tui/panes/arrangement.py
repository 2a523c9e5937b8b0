"""Arrangement: which parts a screen has room for, and how many lines each gets.

Where there is too little room parts are left out, the least useful first; nothing is squeezed
until it cannot be read.
"""

from __future__ import annotations

from dataclasses import dataclass

FRAME = 2
"""Lines of a frame."""
WIDE = 100
"""Columns from which parts stand beside each other."""
SIDE = 140
"""Columns from which the detail stands beside the table."""
LEAST_WIDTH, LEAST_HEIGHT = 60, 11
"""A pane with less shows its table and nothing else; the console has a summary then."""

TOP_WIDE = 9 + FRAME
"""Nine lines about the engine."""
TOP_NARROW = 3 + FRAME
TOP_MORE = 8
"""Lines that the graphs get beyond that, where there are many."""
TABLE_LEAST = 1 + 3 + FRAME
"""Titles and three backends."""
FOOT_LEAST = 2 + FRAME
FOOT_STACKED = 12
FOOT_ENOUGH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Lines of the overview's parts; 0: it is left out."""

    top: int
    """Traffic."""
    engine: bool
    """The engine's box stands beside the traffic."""
    backends: int
    flows: bool
    events: bool
    stacked: bool = False
    """Events stand below the flows, not beside them."""


@dataclass(frozen=True, slots=True)
class Detail:
    """Where one backend is shown in detail."""

    table: int
    """Lines; 0: all that there are."""
    shown: bool
    beside: bool
    """To the right of the table; else below it."""
    traffic: bool
    """With its graph and its flows, besides the facts."""
    columns: bool
    """These stand beside the facts; else below them."""


def overview(width: int, height: int, backends: int) -> Overview:
    """The parts of a pane of this size."""
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return Overview(top=0, engine=False, backends=height, flows=False, events=False)
    wide = width >= WIDE and height >= TOP_WIDE + TABLE_LEAST
    top = TOP_WIDE if wide else TOP_NARROW
    rest = height - top
    wanted = max(TABLE_LEAST, backends + 1 + FRAME)
    if rest < TABLE_LEAST + FOOT_LEAST:
        return Overview(top=top, engine=wide, backends=rest, flows=False, events=False)
    table = min(wanted, max(TABLE_LEAST, rest - (FOOT_ENOUGH if rest > 30 else FOOT_LEAST)))
    foot = rest - table
    if wide and foot > FOOT_ENOUGH:
        more = min(TOP_MORE, foot - FOOT_ENOUGH)
        top, foot = top + more, foot - more
    flows = width >= WIDE or foot >= FOOT_STACKED
    return Overview(
        top=top, engine=wide, backends=table, flows=flows, events=True, stacked=width < WIDE
    )


def detail(width: int, height: int, backends: int) -> Detail:
    """The parts of the screen of backends."""
    if width >= SIDE and height >= LEAST_HEIGHT:
        return Detail(table=0, shown=True, beside=True, traffic=height >= 24, columns=False)
    wanted = max(TABLE_LEAST, backends + 1 + FRAME)
    least = 7 + FRAME if height < 24 else 13 + FRAME
    if width < LEAST_WIDTH or height < TABLE_LEAST + least:
        return Detail(table=0, shown=False, beside=False, traffic=False, columns=False)
    table = min(wanted, height - least)
    columns = width >= WIDE
    traffic = columns or height - table >= 26
    return Detail(table=table, shown=True, beside=False, traffic=traffic, columns=columns)
