"""Pages: what is shown, before anybody decides how; lines, facts and tables of cells.

A cell has two readings: one for people, and one for programs, which is a single word without
thousands separators or changing units. Writers escape every text, so cells hold what came.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from udplb.show import quantities

NOTHING = "-"
"""Shown where there is nothing to show."""


class Role(StrEnum):
    """What a piece of text is there for; a writer may have a colour for it."""

    PLAIN = "plain"
    HEADING = "heading"
    QUIET = "quiet"
    GOOD = "good"
    WAITING = "waiting"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Cell:
    """One value."""

    text: str
    """For people."""
    raw: str = ""
    """For programs; empty: the same."""
    role: Role = Role.PLAIN

    @property
    def word(self) -> str:
        """For programs, whether or not it differs."""
        return self.raw or self.text


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str
    """For people."""
    key: str
    """For programs, with the unit."""
    number: bool = False
    """To the right."""
    rank: int = 0
    """Where a terminal has too little room, all columns of the highest rank go first; 0 stays."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells. The last column may hold sentences, the others words."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str
    """What people read where there are no rows."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something with a name."""

    title: str | None
    """For people; None: they read it elsewhere."""
    key: str
    """For programs; empty: they read it elsewhere."""
    value: Cell


@dataclass(frozen=True, slots=True)
class Facts:
    """A column of facts."""

    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text, in pieces. What does not fit on a terminal's line goes on below its begin,
    right of the lead."""

    pieces: tuple[Cell, ...]
    lead: tuple[Cell, ...] = ()


Block = Line | Facts | Table
Page = tuple[Block, ...]


def line(*pieces: str | Cell, role: Role = Role.PLAIN, lead: Sequence[str | Cell] = ()) -> Line:
    """A line of texts, which have the role, and cells, which have their own."""
    return Line(_cells(pieces, role), _cells(lead, role))


def blank() -> Line:
    """An empty line."""
    return Line(())


def apart(pages: Sequence[Page]) -> Page:
    """Pages below each other, with an empty line between those that have anything."""
    joined: tuple[Block, ...] = ()
    for page in pages:
        if page:
            joined = (*joined, blank(), *page) if joined else page
    return joined


# Cells


def _cells(pieces: Sequence[str | Cell], role: Role) -> tuple[Cell, ...]:
    return tuple(Cell(each, role=role) if isinstance(each, str) else each for each in pieces)


def word(text: str, role: Role = Role.PLAIN) -> Cell:
    """A text as it is."""
    return Cell(text or NOTHING, role=role)


def count(number: int, role: Role = Role.PLAIN) -> Cell:
    """A number of things; none is quiet."""
    return Cell(quantities.count(number), str(number), role if number else Role.QUIET)


def size(number: int) -> Cell:
    """Bytes."""
    return Cell(quantities.size(number), str(number))


def age(seconds: float | None) -> Cell:
    """A time span to the second."""
    return _cell(seconds, quantities.age, 1)


def idle(seconds: float | None) -> Cell:
    """A time span that is often less than a second."""
    return _cell(seconds, quantities.idle, 1)


def span(seconds: float | None) -> Cell:
    """A short time span."""
    return _cell(seconds, quantities.span, 6)


def share(part: float | None) -> Cell:
    """A part of one."""
    return _cell(part, quantities.share, 4)


def rate(per_second: float | None) -> Cell:
    """Things per second."""
    return _cell(per_second, quantities.rate, 1)


def bit_rate(bytes_per_second: float | None) -> Cell:
    """Bytes per second for programs, bits per second for people."""
    return _cell(bytes_per_second, quantities.bit_rate, 1)


def moment(epoch_s: float) -> Cell:
    """A point in time."""
    return Cell(quantities.moment(epoch_s))


def _cell(value: float | None, spell: Callable[[float], str], digits: int) -> Cell:
    if value is None:
        return Cell(NOTHING, role=Role.QUIET)
    return Cell(spell(value), f"{value:.{digits}f}")
