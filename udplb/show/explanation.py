"""Where a new flow of a client would go, and why: an explanation to read."""

from __future__ import annotations

from collections.abc import Sequence

from udplb.engine.control.requests import Explanation, FlowNow, Ranked
from udplb.show.page import (
    NOTHING,
    Cell,
    Column,
    Fact,
    Facts,
    Line,
    Page,
    Role,
    Table,
    apart,
    line,
)
from udplb.show.quantities import count, idle, lasting, plural
from udplb.show.reasons import meaning_of_drop
from udplb.show.states import BAD, CARE, GOOD

_RANKING = (
    Column("RANK", "rank", number=True),
    Column("BACKEND", "backend"),
    Column("ADDRESS", "address", rank=1),
    Column("USABLE", "usable"),
    Column("NOTE", "note"),
)


def page_of_explanation(told: Explanation, without: Sequence[str] = ()) -> Page:
    """`without`: the backends that were taken to be down."""
    supposed = f", as if {' and '.join(without)} were down" if without else ""
    return apart(
        (
            (
                line(
                    f"Client {told.client} on listener {told.listener}, cluster {told.cluster}"
                    f"{supposed}:",
                    role=Role.HEADING,
                ),
                *_verdict(told),
            ),
            (Facts(tuple(_hashing(told))),),
            (
                Table(
                    _RANKING,
                    tuple(map(_ranked, range(1, len(told.ranked) + 1), told.ranked)),
                    "no backends",
                ),
            ),
            (*_flows(told.flows), _last_drop(told)),
        )
    )


def _verdict(told: Explanation) -> Page:
    bad = Cell(f"{BAD} ", role=Role.BAD)
    if told.barred is not None:
        why = f": {told.barred} ({meaning_of_drop(told.barred)})."
        barred = line(Cell("It would get no flow now", role=Role.BAD), why, lead=(bad,))
        if told.chosen is None:
            return (barred,)
        return (
            barred,
            line(f"Were it admitted: a new flow {_choice(told)}", lead=("  ",)),
        )
    if told.chosen is None:
        return (line(Cell("It would get no flow", role=Role.BAD), f": {told.why}", lead=(bad,)),)
    return (line(f"A new flow {_choice(told)}", lead=(Cell(f"{GOOD} ", role=Role.GOOD),)),)


def _choice(told: Explanation) -> str:
    if told.chosen is None:
        return told.why
    address = next((each.address for each in told.ranked if each.name == told.chosen), "")
    named = f" ({address})" if address not in ("", told.chosen) else ""
    return f"goes to {told.chosen}{named}: {told.why}"


def _hashing(told: Explanation) -> list[Fact]:
    facts = [Fact("balance", "balance", Cell(told.balance))]
    if told.affinity is not None:
        facts += [Fact("affinity", "affinity", Cell(told.affinity))]
    if told.hash_key is not None:
        facts += [Fact("hash key", "hash_key", Cell(told.hash_key))]
    if told.hash is not None:
        facts += [Fact("hash", "hash", Cell(told.hash))]
    return facts


def _ranked(rank: int, backend: Ranked) -> tuple[Cell, ...]:
    usable = (
        Cell(f"{GOOD} yes", "yes", Role.GOOD)
        if backend.usable
        else Cell(f"{BAD} no", "no", Role.BAD)
    )
    same = backend.address == backend.name
    return (
        Cell(str(rank)),
        Cell(backend.name),
        Cell("", backend.address) if same else Cell(backend.address),
        usable,
        Cell(backend.note, backend.note or NOTHING),
    )


def _flows(flows: Sequence[FlowNow]) -> Page:
    if not flows:
        return (line("It has no flow now."),)
    return tuple(line(_flow(flow)) for flow in flows)


def _flow(flow: FlowNow) -> str:
    same = flow.backend == flow.backend_address
    backend = flow.backend if same else f"{flow.backend} ({flow.backend_address})"
    return (
        f"Its flow {flow.id} is {flow.state}, at {backend}: age {lasting(flow.age_s)},"
        f" idle {idle(flow.idle_s)}, ends in {lasting(flow.ends_in_s)} if nothing comes;"
        f" {plural(flow.requests, 'request')}, {count(flow.replies)}"
        f" {'reply' if flow.replies == 1 else 'replies'}."
    )


def _last_drop(told: Explanation) -> Line:
    drop = told.last_drop
    if drop is None:
        return line("Nothing of it was dropped lately.")
    return line(
        f"Its last drop was {lasting(drop.ago_s)} ago: {drop.reason} ({drop.meaning}).",
        lead=(Cell(f"{CARE} ", role=Role.WAITING),),
    )
