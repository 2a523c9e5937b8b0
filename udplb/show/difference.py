"""The file on disk against what runs: sentences, and the live flows that each would touch."""

from __future__ import annotations

from collections.abc import Sequence

from udplb.engine.control.requests import Difference, Touched
from udplb.show.page import Cell, Line, Page, Role, apart, line
from udplb.show.quantities import count, plural


def page_of_difference(told: Difference) -> Page:
    """Grouped by what one can do about it. The problems of the file are not among it."""
    now = [each for each in told.on_reload if not each.needs_restart]
    later = [each for each in told.on_reload if each.needs_restart]
    groups = (
        _group("udplb reload would change", now, told.flows),
        _group("A restart is needed for", later, told.flows),
        _group(
            "Operators changed (a reload keeps it, udplb save writes it into the file,"
            " udplb revert undoes it)",
            told.drift,
            told.flows,
        ),
        _dropped(told.dropped),
    )
    if not any(groups):
        if told.problems:
            return ()
        return (line(f"{told.file} and what runs are the same."),)
    return apart((_heading(told), *groups))


def _heading(told: Difference) -> Page:
    return (
        line(f"{told.file} against what runs, {plural(told.flows, 'live flow')}", role=Role.QUIET),
    )


def _group(heading: str, touched: Sequence[Touched], flows: int) -> Page:
    if not touched:
        return ()
    return (line(f"{heading}:", role=Role.HEADING), *(_sentence(each, flows) for each in touched))


def _sentence(touched: Touched, flows: int) -> Line:
    if touched.flows:
        number = f"{count(touched.flows)} of {plural(flows, 'live flow')}"
        note = Cell(f"  ({number})", role=Role.WAITING)
    else:
        note = Cell("  (no live flow)", role=Role.QUIET)
    return line(touched.sentence, note, lead=("  ",))


def _dropped(sentences: Sequence[str]) -> Page:
    if not sentences:
        return ()
    heading = "udplb reload would drop these changes of operators, as the file changed the same:"
    return (line(heading, role=Role.HEADING), *(line(each, lead=("  ",)) for each in sentences))
