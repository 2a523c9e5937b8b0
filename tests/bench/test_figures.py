"""Judging: ratios of medians, what the rounds gave, targets, and what was not measured."""

from __future__ import annotations

import pytest

from bench.figures import FIGURES, Goal, Judgement, Row, Sample, judge, middle, values
from bench.rows import ROWS

AT_MOST = Goal("cost, against theirs", "cpu_us", "ours", "theirs", 0.8, 0.6)
AT_LEAST = Goal("rate, against theirs", "per_second", "ours", "theirs", 0.95, 0.98, at_most=False)
ALONE = Goal("memory", "memory_kib", "ours", "", 2.0, 1.0)
TOLD = Goal("time", "expiry_s", "ours")


def cost(*numbers: float | None) -> list[Sample | None]:
    return [None if each is None else Sample({"cpu_us": each}) for each in numbers]


def only(goal: Goal, **taken: list[Sample | None]) -> Judgement:
    (judgement,) = judge(Row("row", "about", (), (goal,), ()), taken, {})
    return judgement


def test_the_ratio_is_that_of_the_medians() -> None:
    judgement = only(AT_MOST, ours=cost(5, 50, 6), theirs=cost(10, 20, 12))
    assert judgement.figure == pytest.approx(6 / 12)
    assert (judgement.least, judgement.most) == pytest.approx((0.5, 2.5)), "round by round"
    assert (judgement.own, judgement.other) == (6, 12)
    assert judgement.medians == "6.00 against 12.00 µs CPU per reply"


def test_rounds_are_paired_though_one_failed() -> None:
    judgement = only(AT_MOST, ours=cost(None, 4, 6), theirs=cost(1, 8, 6))
    assert judgement.figure == pytest.approx(5 / 6)
    assert (judgement.least, judgement.most) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("goal", "ratio", "must", "wanted"),
    [
        (AT_MOST, 0.6, "pass", "pass"),
        (AT_MOST, 0.601, "pass", "SHORT"),
        (AT_MOST, 0.8, "pass", "SHORT"),
        (AT_MOST, 0.801, "SHORT", "SHORT"),
        (AT_LEAST, 0.949, "SHORT", "SHORT"),
        (AT_LEAST, 0.95, "pass", "SHORT"),
        (AT_LEAST, 0.98, "pass", "pass"),
        (ALONE, 1.5, "pass", "SHORT"),
        (TOLD, 1.5, "", ""),
    ],
)
def test_verdicts(goal: Goal, ratio: float, must: str, wanted: str) -> None:
    judgement = Judgement("row", goal, ratio)
    assert (judgement.must, judgement.wanted) == (must, wanted)


def test_a_figure_by_itself() -> None:
    samples: list[Sample | None] = [Sample({"memory_kib": each}) for each in (1.0, 3.0, 1.5)]
    judgement = only(ALONE, ours=samples)
    assert (judgement.figure, judgement.least, judgement.most) == (1.5, 1.0, 3.0)
    assert judgement.spread == "1.00 to 3.00 KiB"
    assert only(ALONE, ours=samples[:1]).spread == "", "one round has none"
    assert judgement.medians == ""


def test_what_is_missing_is_named() -> None:
    row = Row("row", "about", (), (AT_MOST,), ())
    (judgement,) = judge(row, {"ours": cost(1)}, {"theirs": "install theirs"})
    assert judgement.figure is None
    assert judgement.missing == "theirs: install theirs"
    assert (judgement.must, judgement.wanted, judgement.spread) == ("", "", "")
    (left_out,) = judge(row, {"ours": cost(1)}, {})
    assert left_out.missing == "theirs: left out"
    (failed,) = judge(row, {"ours": cost(1), "theirs": cost(None)}, {})
    assert failed.missing == "theirs: its measurement failed"


def test_a_side_that_might_have_done_more_is_told() -> None:
    ours: list[Sample | None] = [Sample({"cpu_us": 1.0}, limited="the load could do no more")] * 2
    judgement = only(AT_MOST, ours=ours, theirs=cost(2, 2))
    assert judgement.limited == "ours: the load could do no more"


@pytest.mark.parametrize(("others", "told"), [(0.099, ""), (0.1, "others had up to 10% of a core")])
def test_others_on_the_cores_are_told(others: float, told: str) -> None:
    samples: list[Sample | None] = [
        Sample({"memory_kib": 1.0, "others_core": each}) for each in (0.0, others, 0.0)
    ]
    assert only(ALONE, ours=samples).limited == (told and f"ours: {told}")


def test_nothing_to_divide_by() -> None:
    assert only(AT_MOST, ours=cost(1), theirs=cost(0)).figure == float("inf")


def test_values_of_the_rounds_that_have_them() -> None:
    samples = [*cost(3, None, 1), Sample({})]
    assert values(samples, "cpu_us") == [3, 1]
    assert middle(samples, "cpu_us") == 2
    assert middle(samples, "p99_us") is None


@pytest.mark.parametrize(
    ("goal", "value", "written"),
    [
        (AT_MOST, 0.7996, "0.800"),
        (AT_MOST, 0.9494, "0.949"),
        (AT_MOST, 12.345, "12.35"),
        (ALONE, 1.371, "1.37 KiB"),
    ],
)
def test_how_numbers_are_written(goal: Goal, value: float, written: str) -> None:
    assert goal.write(value) == written


def test_how_targets_are_written() -> None:
    assert AT_MOST.target(0.8) == "≤ 0.8"
    assert AT_LEAST.target(0.95) == "≥ 0.95"
    assert ALONE.target(2.0) == "≤ 2.00 KiB"
    assert TOLD.target(None) == ""


# The table of rows


def test_rows_have_names_of_their_own() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_goals_name_sides_and_figures_that_there_are(row: Row) -> None:
    sides = [side.name for side in row.sides]
    assert len(set(sides)) == len(sides)
    for goal in row.goals:
        assert goal.of in sides
        assert goal.against in ("", *sides)
        assert goal.figure in FIGURES
        assert (goal.must is None) == (goal.wanted is None)
        if goal.must is not None and goal.wanted is not None:
            assert goal.verdict(goal.wanted, goal.must) == "pass", "wanted is more than must"
    assert set(row.shown) <= set(FIGURES)


def test_every_target_of_performance_md_is_there() -> None:
    targets = {
        (goal.must, goal.wanted) for row in ROWS for goal in row.goals if goal.must is not None
    }
    assert targets >= {
        (0.80, 0.60), (0.85, 0.65), (0.65, 0.50), (1.10, 0.80), (5, 8), (1.0, 0.8),
        (0.95, 0.98), (1.5, 1.1), (1.5, 1.2), (2.0, 1.0), (1.5, 0.7),
    }  # fmt: skip
