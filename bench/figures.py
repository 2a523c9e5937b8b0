"""What is measured and how it is judged: figures, samples, rows and their goals. No I/O.

A row is some *sides* that are taken in turn (A B C A B C): peers under one load, a console open and
closed, few flows and many. Each taking gives a sample, which is figures by name. A goal looks at
one figure of one side, by itself or against another side's of the same row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol

OTHERS = "others_core"
"""The figure of what processes used of the cores that have nothing to do with the measurement."""
DISTURBED_FROM = 0.1
DETAILED_BELOW = 2.0
"""Ratios below it are written with three places, so that 0.949 is not taken for 0.95."""


@dataclass(frozen=True, slots=True)
class Figure:
    """How a figure is written: what stands before the number, its format, its unit."""

    number: str
    unit: str
    before: str = ""

    def write(self, *numbers: float, between: str = " to ") -> str:
        """One number, or several of the same kind."""
        written = between.join(format(one, self.number) for one in numbers)
        return f"{self.before}{written}{self.unit}"


FIGURES = {
    "cpu_us": Figure(".2f", " µs CPU per reply"),
    "datagram_us": Figure(".2f", " µs CPU per datagram"),
    "gbit_s": Figure(".2f", " Gbit/s"),
    "per_second": Figure(",.0f", " replies/s"),
    "datagrams_per_s": Figure(",.0f", " datagrams/s"),
    "new_flows_per_s": Figure(",.0f", " new flows/s"),
    "p50_us": Figure(",.0f", " µs", "p50 "),
    "p99_us": Figure(",.0f", " µs", "p99 "),
    "proxy_core": Figure(".0%", "", "proxy's core "),
    "load_core": Figure(".0%", "", "load's core "),
    "others_core": Figure(".0%", "", "others "),
    "lost_share": Figure(".2%", "", "lost "),
    "start_s": Figure(".2f", " s"),
    "half_rate": Figure(",.0f", "/s", "at half load "),
    "half_p50_us": Figure(",.0f", " µs", "p50 "),
    "half_p99_us": Figure(",.0f", " µs", "p99 "),
    "console_core": Figure(".1%", " of a core", "console "),
    "memory_kib": Figure(".2f", " KiB"),
    "expiry_s": Figure(".2f", " s"),
    "longest_ms": Figure(".1f", " ms"),
    "train_us": Figure(".2f", " µs per train and its reply"),
    "random_train_us": Figure(".2f", " µs", "clients at random "),
    "busy_train_us": Figure(".2f", " µs", "1,000 of them busy "),
    "admit_us": Figure(".1f", " µs per new flow"),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """What one taking of one side gave."""

    figures: Mapping[str, float]
    limited: str = ""
    """Why the side might have done more than was asked of it; empty: it was asked enough."""
    raw: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cores:
    """The proxy has one core for itself; load, backends and this program share the other."""

    proxy: int
    load: int


@dataclass(frozen=True, slots=True)
class Setting:
    """What is alike for everything that is taken in one run."""

    seconds: float
    cores: Cores
    beside: tuple[str, ...] = ()
    """Who watches udplb meanwhile: names of bench/beside.py."""
    screen: str = "1"
    """The key that is typed into a console once it draws; of several one per second, in turn."""


class Side(Protocol):
    """Something that can be measured again and again."""

    @property
    def name(self) -> str: ...

    def missing(self) -> str | None:
        """Why it cannot be measured here; None: it can."""

    def take(self, setting: Setting) -> Sample:
        """Measure it once. Raises MeasurementError."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure of the side `of`: a ratio to the same of `against`, or by itself.

    Without `must` it is only told.
    """

    what: str
    figure: str
    of: str
    against: str = ""
    must: float | None = None
    wanted: float | None = None
    at_most: bool = True

    def write(self, value: float) -> str:
        """The number as people read it."""
        if not self.against:
            return FIGURES[self.figure].write(value)
        return f"{value:.3f}" if value < DETAILED_BELOW else f"{value:.2f}"

    def target(self, value: float | None) -> str:
        """What is asked for, as people read it; empty: nothing."""
        if value is None:
            return ""
        written = f"{value:g}" if self.against else FIGURES[self.figure].write(value)
        return f"{'≤' if self.at_most else '≥'} {written}"

    def verdict(self, value: float, target: float | None) -> str:
        """`pass` or `SHORT`; empty: nothing was asked for."""
        if target is None:
            return ""
        return "pass" if (value <= target if self.at_most else value >= target) else "SHORT"


@dataclass(frozen=True, slots=True)
class Row:
    """Sides that are taken in turn, and what is wanted of them."""

    name: str
    about: str
    sides: tuple[Side, ...]
    goals: tuple[Goal, ...]
    shown: tuple[str, ...]
    """The figures of the lines about each side; the first one with its spread."""


Taken = Mapping[str, Sequence[Sample | None]]
"""By side, a sample per round; None: that one could not be taken."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A goal and what was measured: the ratio of the medians, and what the rounds gave."""

    row: str
    goal: Goal
    figure: float | None
    """The ratio, or the figure itself; None: it was not measured."""
    least: float | None = None
    most: float | None = None
    own: float | None = None
    """The medians of both sides, where it is a ratio."""
    other: float | None = None
    missing: str = ""
    """Why there is no figure."""
    limited: str = ""
    """Which side might have done more than was asked of it."""

    @property
    def medians(self) -> str:
        """What the ratio was made of, as people read it."""
        if self.own is None or self.other is None:
            return ""
        return FIGURES[self.goal.figure].write(self.own, self.other, between=" against ")

    @property
    def spread(self) -> str:
        """What the rounds gave; empty: all the same."""
        if self.least is None or self.most is None or self.least == self.most:
            return ""
        if not self.goal.against:
            return FIGURES[self.goal.figure].write(self.least, self.most)
        return f"{self.goal.write(self.least)} to {self.goal.write(self.most)}"

    @property
    def must(self) -> str:
        return "" if self.figure is None else self.goal.verdict(self.figure, self.goal.must)

    @property
    def wanted(self) -> str:
        return "" if self.figure is None else self.goal.verdict(self.figure, self.goal.wanted)


def values(samples: Sequence[Sample | None], figure: str) -> list[float]:
    """The figure in all rounds that have it."""
    return [one.figures[figure] for one in samples if one is not None and figure in one.figures]


def middle(samples: Sequence[Sample | None], figure: str) -> float | None:
    """The median over the rounds; None: no round has it."""
    found = values(samples, figure)
    return median(found) if found else None


def judge(row: Row, taken: Taken, missing: Mapping[str, str]) -> list[Judgement]:
    """Every goal of the row; `missing` says which sides were not measured, and why."""
    return [_judge(row.name, goal, taken, missing) for goal in row.goals]


def _judge(row: str, goal: Goal, taken: Taken, missing: Mapping[str, str]) -> Judgement:
    sides = [side for side in (goal.of, goal.against) if side]
    for side in sides:
        if middle(taken.get(side, ()), goal.figure) is None:
            why = missing.get(side, "left out" if side not in taken else "its measurement failed")
            return Judgement(row, goal, None, missing=f"{side}: {why}")
    limited = "; ".join(note for side in sides for note in _limits(side, taken[side]))
    own = values(taken[goal.of], goal.figure)
    if not goal.against:
        return Judgement(row, goal, median(own), min(own), max(own), limited=limited)
    other = values(taken[goal.against], goal.figure)
    rounds = [
        _ratio(ours.figures[goal.figure], theirs.figures[goal.figure])
        for ours, theirs in zip(taken[goal.of], taken[goal.against], strict=True)
        if ours is not None
        and theirs is not None
        and goal.figure in ours.figures
        and goal.figure in theirs.figures
    ]
    return Judgement(
        row,
        goal,
        _ratio(median(own), median(other)),
        min(rounds, default=None),
        max(rounds, default=None),
        median(own),
        median(other),
        limited=limited,
    )


def _limits(side: str, samples: Sequence[Sample | None]) -> list[str]:
    """What kept the side from being measured as it is."""
    notes = [f"{side}: {one.limited}" for one in samples if one is not None and one.limited]
    others = max(values(samples, OTHERS), default=0.0)
    if others >= DISTURBED_FROM:
        notes.append(f"{side}: others had up to {others:.0%} of a core")
    return list(dict.fromkeys(notes))


def _ratio(ours: float, theirs: float) -> float:
    return ours / theirs if theirs else float("inf")
