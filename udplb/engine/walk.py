"""Walks over all flows of a listener: by slab index, in slices that no datagram notices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from udplb.core.flow import Flow
from udplb.core.slab import Slab

SLICE_FLOWS = 512
"""Flows that one slice visits: well below 1 ms."""
SLICE_S = 0.001
LOOP_SHARE = 0.05
"""Of the loop's time, at most so much goes into a walk."""


def slices(slab: Slab) -> Iterator[Sequence[Flow | None]]:
    """All places, slice by slice, while the slab grows and shrinks under the walk."""
    start = 0
    while start < len(slab.places):
        yield slab.places[start : start + SLICE_FLOWS]
        start += SLICE_FLOWS


def pause_after(took_s: float) -> float:
    """How long to leave the loop alone after a slice that took so long, in seconds."""
    return max(took_s, SLICE_S / 4) / LOOP_SHARE
