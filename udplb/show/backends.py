"""Backends with their states, traffic and health."""

from __future__ import annotations

from collections.abc import Sequence

from udplb.engine.snapshot import BackendSnapshot
from udplb.show import page, traffic
from udplb.show.drains import what_is_left
from udplb.show.paces import Paces
from udplb.show.page import NOTHING, Cell, Column, Page, Role, Table
from udplb.show.quantities import lasting, times
from udplb.show.states import state_of_backend

_NAMES = (
    Column("BACKEND", "backend"),
    Column("ADDRESS", "address", rank=4),
    Column("STATE", "state"),
    Column("WT", "weight", number=True, rank=2),
    Column("FLOWS", "flows", number=True),
)
_HEALTH = (
    Column("PROBE", "probe_latency_s", number=True, rank=6),
    Column("1ST REPLY", "first_reply_s", number=True, rank=7),
    Column("ANSWERED", "answered_share", number=True, rank=7),
    Column("REFUSALS", "refusals", number=True, rank=7),
)
_NOTE = Column("NOTE", "note", rank=1)


def page_of_backends(
    backends: Sequence[BackendSnapshot], now: float, paces: Paces | None = None
) -> Page:
    """A table; `now` is in seconds since the epoch. With paces where there are any."""
    watched = traffic.PACES if paces else ()
    rows = tuple(_row(backend, now, paces) for backend in backends)
    columns = (*_NAMES, *traffic.COUNTERS, *_HEALTH, *watched, _NOTE)
    return (Table(columns, rows, "no backends"),)


def target_of(backend: BackendSnapshot) -> str:
    """CLUSTER/BACKEND, as commands take it."""
    return f"{backend.cluster}/{backend.name}"


def note_on(backend: BackendSnapshot, now: float) -> str:
    """What an operator should know beside the state, in a few words; empty: nothing."""
    notes = []
    if backend.draining and backend.drain is not None:
        notes += [what_is_left(backend.drain)]
    elif backend.draining:
        notes += ["drains since the start"]
    if not backend.up:
        lasts = "" if backend.changed_at is None else f" for {lasting(now - backend.changed_at)}"
        down = "down" if backend.draining else ""
        notes += [": ".join(part for part in (f"{down}{lasts}".strip(), backend.reason) if part)]
    if backend.backup:
        notes += ["backup"]
    if backend.weight == 0 and not backend.draining:
        notes += ["no new flows: weight 0"]
    if backend.unreachable:
        notes += [f"no route {times(backend.unreachable)}"]
    if backend.ejections and backend.up:
        notes += [f"ejected {times(backend.ejections)}"]
    return "; ".join(filter(None, notes))


def _row(backend: BackendSnapshot, now: float, paces: Paces | None) -> tuple[Cell, ...]:
    pace = paces.backends.get((backend.cluster, backend.address)) if paces else None
    # A backend without a name is called by its address: saying that twice helps nobody but awk.
    same = backend.name == backend.address
    return (
        page.word(target_of(backend)),
        Cell("", backend.address) if same else page.word(backend.address),
        state_of_backend(backend),
        page.count(backend.weight),
        page.count(backend.flows),
        *traffic.counters(backend),
        page.span(backend.probe_latency_s),
        page.span(backend.first_reply_s),
        page.share(backend.answered_share),
        page.count(backend.refusals, Role.WAITING),
        *(traffic.paces(pace) if paces else ()),
        Cell(note_on(backend, now), note_on(backend, now) or NOTHING),
    )
