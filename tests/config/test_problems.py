from __future__ import annotations

import pytest

from udplb.config.problems import GUESSES_MAX, ConfigError, Finding, Problem, Report


@pytest.mark.parametrize(
    ("problem", "printed"),
    [
        (Problem("f", 3, "a.b", "found 1", "allowed: 2"), "f:3: a.b: found 1; allowed: 2"),
        (Problem("f", 3, "", "not valid TOML", ""), "f:3: not valid TOML"),
        (Problem("f", 0, "", "no such file", "make one"), "f: no such file; make one"),
        (Problem("f\x1b[1m\n", 0, "", "gone", ""), "f\\x1b[1m\\n: gone"),
    ],
)
def test_a_problem_prints_on_one_line(problem: Problem, printed: str) -> None:
    assert str(problem) == printed


def test_the_error_says_all_its_problems() -> None:
    problems = (Problem("f", 1, "a", "x", ""), Problem("f", 2, "b", "y", ""))
    error = ConfigError(problems)
    assert error.problems == problems
    assert str(error) == "f:1: a: x\nf:2: b: y"


def test_a_report_collects() -> None:
    report = Report()
    report.add(("a",), "x")
    report.add(("b", 0), "y", "z", other=("a",))
    assert report.findings == [Finding(("a",), "x"), Finding(("b", 0), "y", "z", ("a",))]


def test_near_misses_are_searched_for_a_bounded_number_of_times() -> None:
    report = Report()
    for _ in range(GUESSES_MAX):
        assert report.did_you_mean("wieght", ["weight"]) == "did you mean weight?"
    assert report.did_you_mean("wieght", ["weight"]) == ""


def test_nothing_near_is_no_question() -> None:
    assert Report().did_you_mean("zzz", ["weight"]) == ""
