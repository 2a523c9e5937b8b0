"""Listeners with their traffic and drops."""

from __future__ import annotations

from collections.abc import Sequence

from udplb.engine.snapshot import ListenerSnapshot
from udplb.show import page, traffic
from udplb.show.paces import Paces
from udplb.show.page import NOTHING, Cell, Column, Page, Role, Table
from udplb.show.reasons import tally

_NAMES = (
    Column("LISTENER", "listener"),
    Column("ADDRESS", "address", rank=2),
    Column("CLUSTER", "cluster", rank=4),
    Column("FLOWS", "flows", number=True),
)
_LOSSES = (
    Column("DROPPED", "dropped", number=True),
    Column("SHED", "shed", number=True, rank=6),
    Column("KERNEL", "kernel_drops", number=True, rank=6),
    Column("QUEUED", "receive_queued_bytes", number=True, rank=7),
)
_REASONS = Column("DROPS BY REASON", "drops_by_reason", rank=1)


def page_of_listeners(listeners: Sequence[ListenerSnapshot], paces: Paces | None = None) -> Page:
    """A table; with paces where there are any."""
    watched = traffic.PACES if paces else ()
    rows = tuple(_row(listener, paces) for listener in listeners)
    columns = (*_NAMES, *traffic.COUNTERS, *_LOSSES, *watched, _REASONS)
    return (Table(columns, rows, "no listeners"),)


def _row(listener: ListenerSnapshot, paces: Paces | None) -> tuple[Cell, ...]:
    pace = traffic.paces(paces.listeners.get(listener.name)) if paces else ()
    return (
        page.word(listener.name),
        page.word(listener.address),
        page.word(listener.cluster),
        page.count(listener.flows),
        *traffic.counters(listener),
        _loss(sum(listener.dropped.values())),
        _loss(sum(listener.shed.values())),
        _loss(listener.kernel_drops),
        page.size(listener.receive_queued),
        *pace,
        Cell(tally(listener.dropped), tally(listener.dropped) or NOTHING),
    )


def _loss(number: int) -> Cell:
    return page.count(number, Role.WAITING)
