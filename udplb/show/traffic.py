"""The columns that everything with traffic has: datagrams and bytes both ways, and their paces."""

from __future__ import annotations

from udplb.engine.snapshot import Traffic
from udplb.show import page
from udplb.show.paces import Pace
from udplb.show.page import Cell, Column

COUNTERS = (
    Column("REQUESTS", "requests", number=True, rank=3),
    Column("REPLIES", "replies", number=True, rank=3),
    Column("BYTES IN", "request_bytes", number=True, rank=5),
    Column("BYTES OUT", "reply_bytes", number=True, rank=5),
)
PACES = (
    Column("IN", "requests_per_s", number=True),
    Column("OUT", "replies_per_s", number=True),
    Column("IN BITS", "request_bytes_per_s", number=True, rank=2),
    Column("OUT BITS", "reply_bytes_per_s", number=True, rank=2),
)


def counters(traffic: Traffic) -> tuple[Cell, ...]:
    """The cells below COUNTERS."""
    return (
        page.count(traffic.requests),
        page.count(traffic.replies),
        page.size(traffic.request_bytes),
        page.size(traffic.reply_bytes),
    )


def paces(pace: Pace | None) -> tuple[Cell, ...]:
    """The cells below PACES."""
    if pace is None:
        return (page.rate(None), page.rate(None), page.bit_rate(None), page.bit_rate(None))
    return (
        page.rate(pace.requests),
        page.rate(pace.replies),
        page.bit_rate(pace.request_bytes),
        page.bit_rate(pace.reply_bytes),
    )
