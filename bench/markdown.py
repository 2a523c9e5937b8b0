"""The table as Markdown, and its place in README.md, between two marker comments."""

from __future__ import annotations

from collections.abc import Sequence

from bench.figures import Judgement
from bench.report import HEADINGS, Origin, cells, summary

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


class MarkerError(Exception):
    """The text has no place for the table. The message is one line."""


def table(origin: Origin, judgements: Sequence[Judgement], notes: Sequence[str] = ()) -> str:
    """The table, with where and how it was measured."""
    lines = [
        f"Measured on {_escape(str(origin))}. Medians of the rounds, in which all sides took turns;"
        " SHORT: a target that was not met.",
        "",
        _row(HEADINGS),
        _row(["---"] * len(HEADINGS)),
        *(_row(_bold(cells(one))) for one in judgements),
        "",
        f"{summary(judgements)}.",
    ]
    if notes:
        lines += ["", *(f"- {_escape(note)}" for note in notes)]
    return "\n".join(lines) + "\n"


def _bold(row: Sequence[str]) -> list[str]:
    return [_escape(cell).replace("SHORT", "**SHORT**") for cell in row]


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _row(row: Sequence[str]) -> str:
    return "| " + " | ".join(row) + " |"


def put_between_markers(text: str, part: str) -> str:
    """The text with `part` between its markers. Raises MarkerError."""
    begin, end = text.find(BEGIN), text.find(END)
    if begin < 0 or end < begin or BEGIN in text[begin + 1 :] or END in text[end + 1 :]:
        raise MarkerError(f"there must be one {BEGIN} and one {END} behind it")
    return f"{text[: begin + len(BEGIN)]}\n\n{part.strip()}\n\n{text[end:]}"
