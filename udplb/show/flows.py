"""A window of the live flows."""

from __future__ import annotations

from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import FlowRow, FlowWindow
from udplb.show import page, traffic
from udplb.show.page import Cell, Column, Page, Role, Table, line
from udplb.show.quantities import count, plural
from udplb.show.states import state_of_flow

_COLUMNS = (
    Column("FLOW", "flow", number=True),
    Column("CLIENT", "client"),
    Column("LISTENER", "listener", rank=4),
    Column("BACKEND", "backend"),
    Column("BACKEND ADDRESS", "backend_address", rank=8),
    Column("STATE", "state", rank=2),
    Column("AGE", "age_s", number=True, rank=1),
    Column("IDLE", "idle_s", number=True, rank=1),
    Column("RATE", "rate_per_s", number=True),
    *traffic.COUNTERS,
    Column("1ST REPLY", "first_reply_s", number=True, rank=6),
)


def page_of_flows(window: FlowWindow, query: FlowQuery) -> Page:
    """A table, for people with how many there are besides."""
    rows = tuple(map(_row, window.rows))
    empty = "no flows yet" if query == FlowQuery(limit=query.limit, sort=query.sort) else "no match"
    return (Table(_COLUMNS, rows, empty),)


def summary_of(window: FlowWindow, query: FlowQuery) -> Page:
    """`20 of 18,402 flows, the highest rate first`; nothing where all are shown."""
    shown = len(window.rows)
    if shown >= window.matched:
        return ()
    end = "lowest" if query.ascending else "highest"
    first = f", from row {count(query.offset + 1)} on" if query.offset else ""
    return (
        line(
            f"{count(shown)} of {plural(window.matched, 'flow')}, the {end} {query.sort} first"
            f"{first}; --limit shows more",
            role=Role.QUIET,
        ),
    )


def _row(row: FlowRow) -> tuple[Cell, ...]:
    return (
        Cell(str(row.id)),
        page.word(row.client),
        page.word(row.listener),
        page.word(row.backend),
        page.word(row.backend_address),
        state_of_flow(row.state),
        page.age(row.age_s),
        page.idle(row.idle_s),
        page.rate(row.rate),
        *traffic.counters(row),
        page.span(row.first_reply_s),
    )
