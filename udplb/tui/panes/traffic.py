"""Traffic as a graph has it: what comes in and what goes out, in the unit that was chosen."""

from __future__ import annotations

from udplb.show.quantities import bit_rate, rate
from udplb.tui.draw.chart import Series
from udplb.tui.model import Traces


def ways(traces: Traces, *, bits: bool) -> tuple[Series, Series]:
    """In and out, per second: datagrams, or bits."""
    if bits:
        return (
            Series("in", traces.request_bytes, bit_rate, "rx", 8),
            Series("out", traces.reply_bytes, bit_rate, "tx", 8),
        )
    return (
        Series("in", traces.requests, rate, "rx"),
        Series("out", traces.replies, rate, "tx"),
    )
