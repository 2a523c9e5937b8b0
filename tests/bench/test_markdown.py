"""The table as Markdown, and its place in a README."""

from __future__ import annotations

import pytest

from bench.figures import Goal, Judgement
from bench.machine import FOLDER
from bench.markdown import BEGIN, END, MarkerError, put_between_markers, table
from bench.report import HEADINGS, Origin

ORIGIN = Origin("2026-11-23", {"cpu": "A|B <fast>", "cores": 2, "kernel": "6.1"}, 3, 4.0)
GOAL = Goal("cost, against theirs", "cpu_us", "ours", "theirs", 0.8, 0.6)


def test_the_table() -> None:
    judgements = [
        Judgement("row", GOAL, 0.7, 0.65, 0.71, 7.0, 10.0),
        Judgement("row", GOAL, None, missing="theirs: install | it"),
    ]
    lines = table(ORIGIN, judgements, ["a note"]).splitlines()
    assert lines[0].startswith(
        "Measured on 2026-11-23, A\\|B &lt;fast>, 2 cores, kernel 6.1; 3 rounds of 4 s."
    )
    assert lines[2:6] == [
        f"| {' | '.join(HEADINGS)} |",
        "| --- | --- | --- | --- | --- | --- |",
        "| cost, against theirs | 0.700 | 0.650 to 0.710 | ≤ 0.8 pass | ≤ 0.6 **SHORT** |"
        " 7.00 against 10.00 µs CPU per reply |",
        "| cost, against theirs | not measured: theirs: install \\| it |  | ≤ 0.8 | ≤ 0.6 |  |",
    ]
    assert lines[7].startswith("targets: 2; must: 1 pass")
    assert lines[-1] == "- a note"


def test_no_notes() -> None:
    assert table(ORIGIN, []).endswith("0 SHORT.\n")


def test_what_stands_between_the_markers_is_replaced() -> None:
    text = f"before\n{BEGIN}\nold\n{END}\nbehind\n"
    once = put_between_markers(text, "new\n")
    assert once == f"before\n{BEGIN}\n\nnew\n\n{END}\nbehind\n"
    assert put_between_markers(once, "new\n") == once


@pytest.mark.parametrize(
    "text", ["", BEGIN, END, f"{END} {BEGIN}", f"{BEGIN} {BEGIN} {END}", f"{BEGIN} {END} {END}"]
)
def test_without_a_place_nothing_is_written(text: str) -> None:
    with pytest.raises(MarkerError):
        put_between_markers(text, "new")


def test_the_readme_has_the_place() -> None:
    text = (FOLDER.parent / "README.md").read_text()
    assert "new" in put_between_markers(text, "new")
