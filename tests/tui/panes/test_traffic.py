"""Traffic as a graph has it."""

from __future__ import annotations

from udplb.show.paces import Pace
from udplb.tui.model import Traces
from udplb.tui.panes.traffic import ways


def test_datagrams_or_bits_both_ways() -> None:
    traces = Traces()
    traces.add(1.0, Pace(10.0, 1_000.0, 20.0, 2_000.0, 0.0))
    for bits, said in ((False, ("10/s", "20/s")), (True, ("8 kb/s", "16 kb/s"))):
        both = ways(traces, bits=bits)
        assert tuple(each.spell(each.values.last or 0.0) for each in both) == said
        assert [(each.title, each.role, each.times) for each in both] == [
            ("in", "rx", 8 if bits else 1),
            ("out", "tx", 8 if bits else 1),
        ]
