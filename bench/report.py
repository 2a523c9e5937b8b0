"""What was measured, as text for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from bench.measure import Sample
from bench.rows import START_MUST_S, START_WANTED_S, Metric, Row

OWN = "udplb"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A figure beside its target."""

    row: str
    what: str
    figure: float
    must: float
    wanted: float
    at_most: bool  # else at least

    def verdict(self, target: float) -> str:
        reached = self.figure <= target if self.at_most else self.figure >= target
        return "pass" if reached else "SHORT"

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        return (
            f"{self.row:10} {self.what:22} {self.figure:6.2f}   "
            f"must {sign} {self.must:g} {self.verdict(self.must)}   "
            f"wanted {sign} {self.wanted:g} {self.verdict(self.wanted)}"
        )


def values(samples: Sequence[Sample]) -> list[float]:
    return [sample.value for sample in samples if sample.value is not None]


def middle(samples: Sequence[Sample]) -> float | None:
    return median(values(samples)) if values(samples) else None


def judge(row: Row, samples: dict[str, list[Sample]]) -> Judgement | None:
    """The ratio of the medians against the row's target; None if one side is missing."""
    own, other = middle(samples.get(OWN, [])), middle(samples.get(row.goal.against, []))
    if own is None or other is None:
        return None
    return Judgement(
        row.name,
        f"{OWN} / {row.goal.against}",
        own / other if other else float("inf"),
        row.goal.must,
        row.goal.wanted,
        at_most=row.metric is Metric.CPU_PER_REPLY,
    )


def judge_start(samples: Sequence[Sample]) -> Judgement | None:
    if not samples:
        return None
    start_s = median(sample.start_s for sample in samples)
    what = "first datagram after s"
    return Judgement("start", what, start_s, START_MUST_S, START_WANTED_S, at_most=True)


def row_lines(row: Row, samples: dict[str, list[Sample]]) -> list[str]:
    """A heading, a line per peer, and the ratios to each other peer."""
    lines = [f"{row.name}: {row.about} ({row.metric.value})"]
    lines += [peer_line(row, name, those) for name, those in samples.items() if those]
    own = values(samples.get(OWN, []))
    for name, those in samples.items():
        other = values(those)
        if name == OWN or not own or not other or not all(other):
            continue
        rounds = [a / b for a, b in zip(own, other, strict=False)]
        ratio = median(own) / median(other)
        lines.append(
            f"  {OWN} / {name}: {ratio:.2f} (rounds {min(rounds):.2f} to {max(rounds):.2f})"
        )
        if row.one_way and (cpu := cpu_ratio(samples[OWN], those)):
            lines.append(f"  CPU per datagram, {OWN} / {name}: {cpu:.2f} (steadier than the rate)")
    return lines


def cpu_ratio(own: Sequence[Sample], other: Sequence[Sample]) -> float | None:
    costs = [
        [one.proxy_core / one.per_second for one in samples if one.delivered and one.proxy_core]
        for samples in (own, other)
    ]
    return median(costs[0]) / median(costs[1]) if all(costs) else None


def peer_line(row: Row, name: str, samples: Sequence[Sample]) -> str:
    def of(field: str) -> float:
        return median(getattr(sample, field) or 0.0 for sample in samples)

    figures = values(samples)
    spread = f"{min(figures):7.2f} to {max(figures):.2f}" if figures else ""
    figure = f"{median(figures):7.2f}" if figures else "      -"
    unit = "datagrams/s" if row.one_way else "replies/s"
    latency = "" if row.one_way else f"p50 {of('p50_us'):.0f} p99 {of('p99_us'):.0f} µs  "
    wrong = sum(sample.wrong for sample in samples)
    offered = sum(sample.delivered + sample.lost for sample in samples)
    lost = sum(sample.lost for sample in samples) / offered if offered else 0.0
    limited = row.one_way and lost < 0.01 and of("load_core") > 0.95
    return (
        f"  {name:7}{figure} ({spread:>16})  {of('per_second'):9,.0f} {unit}  {latency}"
        f"cores: proxy {of('proxy_core'):.0%} load {of('load_core'):.0%}  lost {lost:.2%}"
        + ("  (load and sink could not do more)" if limited else "")
        + (f"  WRONG {wrong}" if wrong else "")
    )


def as_json(
    machine: dict[str, object],
    settings: dict[str, object],
    rows: dict[str, dict[str, list[Sample]]],
    judgements: Sequence[Judgement],
    absent: Sequence[str],
) -> dict[str, object]:
    return {
        "machine": machine,
        "settings": settings,
        "absent": list(absent),
        "rows": {
            row: {
                peer: {"median": middle(samples), "samples": [asdict(one) for one in samples]}
                for peer, samples in peers.items()
            }
            for row, peers in rows.items()
        },
        "judgements": [
            {
                **asdict(one),
                "must_reached": one.verdict(one.must) == "pass",
                "wanted_reached": one.verdict(one.wanted) == "pass",
            }
            for one in judgements
        ],
    }
