"""What was measured, as text for people at a terminal and as JSON for programs. It only prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from bench.figures import FIGURES, Judgement, Row, Sample, middle, values

WHAT_MAX = 76


@dataclass(frozen=True, slots=True)
class Origin:
    """Where and how figures were taken."""

    date: str
    machine: Mapping[str, object]
    rounds: int
    seconds: float
    beside: tuple[str, ...] = ()

    def __str__(self) -> str:
        machine = self.machine
        rounds = f"{self.rounds} round{'s' if self.rounds > 1 else ''} of {self.seconds:g} s"
        beside = f", beside udplb: {', '.join(self.beside)}" if self.beside else ""
        return (
            f"{self.date}, {machine['cpu']}, {machine['cores']} cores, kernel"
            f" {machine['kernel']}; {rounds}{beside}"
        )


@dataclass(slots=True)
class Outcome:
    """All that came out of a run so far."""

    taken: dict[str, dict[str, list[Sample | None]]] = field(default_factory=dict)
    """By row and side."""
    missing: dict[str, dict[str, str]] = field(default_factory=dict)
    """By row and side: why it was not measured."""
    judgements: list[Judgement] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def row_lines(row: Row, outcome: Outcome) -> list[str]:
    """A heading and a line per side, with its figures."""
    lines = [f"{row.name}: {row.about}"]
    for side in row.sides:
        samples = outcome.taken.get(row.name, {}).get(side.name, [])
        if any(samples):
            lines.append(f"  {side.name:16} {_figures(row, samples)}")
        elif why := outcome.missing.get(row.name, {}).get(side.name):
            lines.append(f"  {side.name:16} not measured: {why}")
    return lines


def _figures(row: Row, samples: Sequence[Sample | None]) -> str:
    parts = []
    for position, name in enumerate(row.shown):
        value = middle(samples, name)
        if value is None:
            continue
        figure, found = FIGURES[name], values(samples, name)
        spread = position == 0 and len(found) > 1
        parts.append(figure.write(value) + (f" ({figure.write(*_ends(found))})" if spread else ""))
    limits = dict.fromkeys(one.limited for one in samples if one is not None and one.limited)
    return "  ".join([*parts, *(f"({limit})" for limit in limits)])


def _ends(found: Sequence[float]) -> tuple[float, float]:
    return min(found), max(found)


def measured(judgement: Judgement) -> str:
    """The figure, or why there is none."""
    if judgement.figure is None:
        return f"not measured: {judgement.missing}"
    return judgement.goal.write(judgement.figure)


def cells(judgement: Judgement) -> tuple[str, ...]:
    """What, measured, rounds, must, wanted, medians."""
    goal = judgement.goal
    return (
        goal.what,
        measured(judgement),
        judgement.spread,
        f"{goal.target(goal.must)} {judgement.must}".strip(),
        f"{goal.target(goal.wanted)} {judgement.wanted}".strip(),
        "; ".join(filter(None, (judgement.medians, judgement.limited))),
    )


HEADINGS = ("what", "measured", "rounds", "must", "wanted", "medians")


def table(judgements: Sequence[Judgement]) -> list[str]:
    """The one table, as aligned columns; what was not measured says why in its own line."""
    rows = [HEADINGS, *(cells(one) for one in judgements)]
    whole = [row for row, one in zip(rows[1:], judgements, strict=True) if one.figure is not None]
    widths = [max(len(row[n]) for row in [HEADINGS, *whole]) for n in range(len(HEADINGS))]
    widths[0] = min(WHAT_MAX, max(len(row[0]) for row in rows))
    return [_line(row, widths) for row in rows]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    if row[1].startswith("not measured"):
        targets = "  ".join(filter(None, row[3:5]))
        return f"{row[0]:{widths[0]}}  {row[1]}" + (f"  ({targets})" if targets else "")
    return "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def summary(judgements: Sequence[Judgement]) -> str:
    """How many targets there are, were met, were not, and were not measured."""
    with_targets = [one for one in judgements if one.goal.must is not None]
    absent = sum(one.figure is None for one in with_targets)
    parts = [
        f"targets: {len(with_targets)}",
        f"must: {sum(one.must == 'pass' for one in with_targets)} pass,"
        f" {sum(one.must == 'SHORT' for one in with_targets)} SHORT",
        f"wanted: {sum(one.wanted == 'pass' for one in with_targets)} pass,"
        f" {sum(one.wanted == 'SHORT' for one in with_targets)} SHORT",
    ]
    if absent:
        parts.append(f"{absent} not measured")
    if any("SHORT" in (one.must, one.wanted) for one in with_targets):
        parts.append("why SHORT: bench/NOTES.md")
    return "; ".join(parts)


def as_json(origin: Origin, settings: Mapping[str, object], outcome: Outcome) -> dict[str, object]:
    """Everything that was counted."""
    return {
        "origin": asdict(origin),
        "settings": dict(settings),
        "notes": outcome.notes,
        "failures": outcome.failures,
        "judgements": [_as_json(one) for one in outcome.judgements],
        "missing": outcome.missing,
        "rows": {
            row: {
                side: {
                    "medians": {name: middle(samples, name) for name in _names(samples)},
                    "samples": [asdict(one) if one else None for one in samples],
                }
                for side, samples in sides.items()
            }
            for row, sides in outcome.taken.items()
        },
    }


def _names(samples: Sequence[Sample | None]) -> list[str]:
    return list(dict.fromkeys(name for one in samples if one for name in one.figures))


def _as_json(judgement: Judgement) -> dict[str, object]:
    return {
        **asdict(judgement),
        "must_reached": {"pass": True, "SHORT": False}.get(judgement.must),
        "wanted_reached": {"pass": True, "SHORT": False}.get(judgement.wanted),
    }
