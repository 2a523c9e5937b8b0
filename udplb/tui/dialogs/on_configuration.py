"""Questions about the configuration: reload, save, revert; the difference first."""

from __future__ import annotations

from collections.abc import Sequence

from udplb.engine.control.requests import Difference, Reload, Revert, Save, Touched
from udplb.show.quantities import count, plural
from udplb.tui.dialogs.dialog import Answers
from udplb.tui.dialogs.plan import Plan, Text
from udplb.tui.ink import Piece

SHOWN_MAX = 40
MANY_FLOWS = 0.25
"""Of the live flows: to touch more needs a word."""


def reloading(difference: Difference, generation: int) -> Plan | str:
    """Apply the file as it is on disk."""
    now = [each for each in difference.on_reload if not each.needs_restart]
    later = [each for each in difference.on_reload if each.needs_restart]
    if not (now or later or difference.problems or difference.dropped):
        return f"{difference.file} and what runs are the same: nothing to reload"
    word = _word(now, difference)

    def lines(answers: Answers) -> Text:
        if difference.problems:
            head = plural(len(difference.problems), "mistake")
            return [
                [Piece(f"The file has {head}; a reload changes nothing:", "down")],
                *[[Piece(f"  {problem}")] for problem in difference.problems[:SHOWN_MAX]],
            ]
        return [
            *_group("A reload changes", now, difference.flows),
            *_group("Only a restart changes", later, difference.flows),
            *([[Piece("It drops what operators changed:", "slow")]] if difference.dropped else []),
            *[[Piece(f"  {sentence}")] for sentence in difference.dropped[:SHOWN_MAX]],
        ]

    return Plan(
        title="The file has mistakes" if difference.problems else "Reload the file?",
        verb="" if difference.problems else "Reload",
        lines=lines,
        requests=lambda answers: [
            Reload(generation=generation, expected=difference.digest or None)
        ],
        word=lambda answers: None if difference.problems else word,
    )


def saving(difference: Difference, generation: int) -> Plan | str:
    """Write what operators changed into the file."""
    if not difference.drift:
        return "nothing differs from the file: nothing to save"
    if difference.problems:
        return "the file has mistakes (screen 5): mend them, then save"
    return Plan(
        title=f"Save into {difference.file}?",
        verb="Save",
        lines=lambda answers: _group("This is written down", difference.drift, difference.flows),
        requests=lambda answers: [Save(generation=generation)],
    )


def reverting(difference: Difference, generation: int) -> Plan | str:
    """Undo what operators changed."""
    if not difference.drift:
        return "nothing differs from the file: nothing to revert"
    return Plan(
        title="Revert what was changed here?",
        verb="Revert",
        lines=lambda answers: _group("This is undone", difference.drift, difference.flows),
        requests=lambda answers: [Revert(generation=generation)],
        word=lambda answers: _word(difference.drift, difference),
    )


def _word(touched: Sequence[Touched], difference: Difference) -> str | None:
    """The flows that are touched, where that is many, or where a backend or listener goes."""
    flows = min(difference.flows, sum(each.flows for each in touched))
    removes = any(each.sentence.split(",")[0].endswith(" removed") for each in touched)
    return str(flows) if removes or flows > MANY_FLOWS * max(1, difference.flows) else None


def _group(title: str, touched: Sequence[Touched], flows: int) -> Text:
    if not touched:
        return []
    text: list[Sequence[Piece]] = [[Piece(f"{title}:", "heading")]]
    for each in touched[:SHOWN_MAX]:
        note = f"  {count(each.flows)} of {plural(flows, 'flow')}" if each.flows else ""
        text.append([Piece(f"  {each.sentence}"), Piece(note, "slow")])
    if len(touched) > SHOWN_MAX:
        text.append([Piece(f"  … and {len(touched) - SHOWN_MAX} more", "quiet")])
    return text
