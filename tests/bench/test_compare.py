"""Sides take turns, what fails or is missing is named, and a bad figure is no failure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench import compare
from bench.compare import Comparison, parse
from bench.figures import Cores, Goal, Row, Sample, Setting
from bench.machine import MeasurementError
from bench.report import Origin

SETTING = Setting(1.0, Cores(0, 1))
GOAL = Goal("cost, against theirs", "cpu_us", "ours", "nginx", 0.8, 0.6)


@dataclass(frozen=True, slots=True)
class FakeSide:
    """A side that gives what the test says."""

    name: str
    give: Callable[[], float]
    reason: str | None = None

    def missing(self) -> str | None:
        return self.reason

    def take(self, setting: Setting) -> Sample:
        assert self.reason is None, "what is missing is not taken"
        assert setting is SETTING
        return Sample({"cpu_us": self.give()})


class Busy:
    """A machine on which others use a quarter of a core."""

    def __init__(self, cores: Cores) -> None:
        assert cores == SETTING.cores

    def share(self) -> float:
        return 0.25


@pytest.fixture(autouse=True)
def others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clocks of the machine are not read."""
    monkeypatch.setattr(compare, "Others", Busy)


def fails() -> float:
    raise MeasurementError("it ended")


def row(*sides: FakeSide) -> Row:
    return Row("row", "about", sides, (GOAL,), ("cpu_us",))


def compared(rounds: int, *sides: FakeSide, peers: tuple[str, ...] = ("nginx",)) -> Comparison:
    comparison = Comparison(SETTING, rounds, peers)
    comparison.run(row(*sides))
    return comparison


def test_sides_take_turns() -> None:
    order: list[str] = []

    def side(name: str) -> FakeSide:
        def give() -> float:
            order.append(name)
            return 1.0

        return FakeSide(name, give)

    compared(3, side("ours"), side("nginx"))
    assert order == ["ours", "nginx"] * 3


def test_what_others_used_is_told() -> None:
    outcome = compared(1, FakeSide("ours", lambda: 1.0), FakeSide("nginx", lambda: 2.0)).outcome
    (judgement,) = outcome.judgements
    assert judgement.figure == 0.5
    assert "ours: others had up to 25% of a core" in judgement.limited


def test_a_failed_taking_is_told_and_the_others_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = compared(2, FakeSide("ours", lambda: 1.0), FakeSide("nginx", fails)).outcome
    assert outcome.failures == ["row: nginx: it ended"] * 2
    assert outcome.taken["row"]["nginx"] == [None, None]
    (judgement,) = outcome.judgements
    assert judgement.missing == "nginx: its measurement failed"
    assert "FAILED row: nginx: it ended" in capsys.readouterr().out


def test_a_missing_peer_is_named_and_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    missing = FakeSide("nginx", fails, "install nginx")
    outcome = compared(1, FakeSide("ours", lambda: 1.0), missing).outcome
    assert outcome.failures == []
    assert outcome.judgements[0].missing == "nginx: install nginx"
    assert "not measured: install nginx" in capsys.readouterr().out


def test_peers_can_be_left_out() -> None:
    outcome = compared(
        1, FakeSide("ours", lambda: 1.0), FakeSide("nginx", fails), peers=("udplb",)
    ).outcome
    assert list(outcome.taken["row"]) == ["ours"]
    assert outcome.judgements[0].missing == "nginx: left out"


@pytest.mark.parametrize(
    ("arguments", "rounds", "seconds"),
    [
        ([], 3, 4.0),
        (["--quick"], 1, 1.0),
        (["--quick", "--rounds", "2"], 2, 1.0),
        (["--seconds", "0.5"], 3, 0.5),
    ],
)
def test_how_often_and_how_long(arguments: list[str], rounds: int, seconds: float) -> None:
    options = parse(arguments)
    assert (options.rounds, options.seconds) == (rounds, seconds)


@pytest.mark.parametrize(
    "arguments",
    [["--rounds", "-1"], ["--seconds", "9999"], ["--row", "no such"], ["--beside", "nobody"]],
)
def test_bad_options_end_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2


@pytest.mark.parametrize(("give", "code"), [(lambda: 99.0, 0), (fails, 1)])
def test_a_bad_figure_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, give: Callable[[], float], code: int
) -> None:
    machine = {"cpu": "A processor", "cores": 2, "kernel": "6.1"}
    origin = Origin("2026-11-23", machine, 1, 1.0)
    readme, result = tmp_path / "README.md", tmp_path / "result.json"
    readme.write_text("<!-- bench: begin -->\n<!-- bench: end -->\n")
    sides = FakeSide("ours", give), FakeSide("nginx", lambda: 1.0)
    monkeypatch.setattr(compare, "README", readme)
    monkeypatch.setattr(compare, "ROWS", (row(*sides),))
    monkeypatch.setattr(
        compare, "prepare", lambda options: (Comparison(SETTING, 1, ["nginx"]), origin)
    )
    assert compare.main(["--json", str(result), "--readme"]) == code
    assert json.loads(result.read_text())["judgements"][0]["figure"] == (99.0 if not code else None)
    assert ("**SHORT**" in readme.read_text()) == (code == 0)
