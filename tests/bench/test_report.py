"""What is printed: a line per side, the one table, and the JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass

from bench.figures import Goal, Judgement, Row, Sample, Setting, judge
from bench.report import Origin, Outcome, as_json, row_lines, summary, table

ORIGIN = Origin("2026-11-23", {"cpu": "A processor", "cores": 2, "kernel": "6.1"}, 3, 4.0)
MET = Goal("cost, against theirs", "cpu_us", "ours", "theirs", 0.8, 0.6)
TOLD = Goal("time that it takes", "expiry_s", "ours")
GONE = Goal("cost, against absent", "cpu_us", "ours", "absent", 1.1, 0.8)


@dataclass(frozen=True, slots=True)
class NoSide:
    """A side that nobody takes here."""

    name: str

    def missing(self) -> str | None:
        return None

    def take(self, setting: Setting) -> Sample:
        raise AssertionError("not here")


ROW = Row(
    "row",
    "what it is about",
    tuple(map(NoSide, ("ours", "theirs", "absent"))),
    (MET, TOLD, GONE),
    ("cpu_us", "p99_us"),
)


def outcome() -> Outcome:
    """Two rounds, one peer that is absent, and one taking that failed."""
    ours: list[Sample | None] = [
        Sample({"cpu_us": 5.0, "p99_us": 900.0, "expiry_s": 1.0}),
        Sample({"cpu_us": 7.0, "p99_us": 1100.0, "expiry_s": 1.0}, limited="too few cores"),
    ]
    theirs: list[Sample | None] = [Sample({"cpu_us": 10.0}), None]
    taken = {"ours": ours, "theirs": theirs}
    missing = {"absent": "install it"}
    judgements = judge(ROW, taken, missing)
    return Outcome({"row": taken}, {"row": missing}, judgements, ["row: theirs: ended"], ["a note"])


def test_a_line_per_side() -> None:
    assert row_lines(ROW, outcome()) == [
        "row: what it is about",
        "  ours             6.00 µs CPU per reply (5.00 to 7.00 µs CPU per reply)"
        "  p99 1,000 µs  (too few cores)",
        "  theirs           10.00 µs CPU per reply",
        "  absent           not measured: install it",
    ]


def test_the_table_is_aligned_and_skips_nothing() -> None:
    heading, met, told, gone = table(outcome().judgements)
    assert heading.split() == ["what", "measured", "rounds", "must", "wanted", "medians"]
    assert met.startswith("cost, against theirs  0.600")
    assert "≤ 0.8 pass" in met
    assert "≤ 0.6 pass" in met
    assert met.index("≤ 0.8") == heading.index("must")
    assert met.index("≤ 0.6") == heading.index("wanted")
    assert met.endswith("6.00 against 10.00 µs CPU per reply; ours: too few cores")
    assert told.split("  ")[0] == "time that it takes"
    assert "pass" not in told
    assert "SHORT" not in told
    assert gone == "cost, against absent  not measured: absent: install it  (≤ 1.1  ≤ 0.8)"


def test_the_summary_counts_targets_alone() -> None:
    judgements = outcome().judgements
    assert summary(judgements) == (
        "targets: 2; must: 1 pass, 0 SHORT; wanted: 1 pass, 0 SHORT; 1 not measured"
    )
    judgements.append(Judgement("row", MET, 0.7))
    judgements.append(Judgement("row", MET, 0.9))
    assert summary(judgements) == (
        "targets: 4; must: 2 pass, 1 SHORT; wanted: 1 pass, 2 SHORT; 1 not measured; "
        "why SHORT: bench/NOTES.md"
    )
    assert summary([]) == "targets: 0; must: 0 pass, 0 SHORT; wanted: 0 pass, 0 SHORT"


def test_where_it_comes_from() -> None:
    assert str(ORIGIN) == "2026-11-23, A processor, 2 cores, kernel 6.1; 3 rounds of 4 s"
    beside = Origin("2026-11-23", ORIGIN.machine, 1, 1.5, ("subscriber",))
    assert str(beside).endswith("; 1 round of 1.5 s, beside udplb: subscriber")


def test_json_has_everything() -> None:
    written = json.loads(json.dumps(as_json(ORIGIN, {"screen": "1"}, outcome())))
    assert written["origin"]["machine"]["cpu"] == "A processor"
    assert written["settings"] == {"screen": "1"}
    assert written["notes"] == ["a note"]
    assert written["failures"] == ["row: theirs: ended"]
    assert written["missing"] == {"row": {"absent": "install it"}}
    assert written["rows"]["row"]["ours"]["medians"]["cpu_us"] == 6.0
    assert written["rows"]["row"]["theirs"]["samples"][1] is None
    met, told, gone = written["judgements"]
    assert met["goal"]["must"] == 0.8
    assert (met["must_reached"], met["wanted_reached"]) == (True, True)
    assert (told["must_reached"], told["wanted_reached"]) == (None, None)
    assert (gone["figure"], gone["must_reached"]) == (None, None)
