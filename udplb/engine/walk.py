"""Walks over all flows: by slab index, in small steps, in slices that no datagram notices.

A walk is a generator that yields after every step. `Walk` takes steps until a slice is over, and
says how long the loop is to be left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Generic, TypeVar

from udplb.core.flow import Flow
from udplb.core.slab import Slab

STEP_FLOWS = 32
"""Flows that one step visits: a fraction of a slice, whatever is asked of each."""
SLICE_FLOWS = 2_048
"""Flows that one slice visits at most; its time may be over before."""
SLICE_S = 0.001
LOOP_SHARE = 0.05
"""Of the loop's time, at most so much goes into walks of one kind."""

Found = TypeVar("Found")

Steps = Generator[float, None, Found]
"""A walk. It yields the seconds in which it has nothing to do, most often 0, and returns what it
found."""


class Walk(Generic[Found]):
    """A walk in progress."""

    __slots__ = ("_steps", "found")

    def __init__(self, steps: Steps[Found]) -> None:
        self._steps = steps
        self.found: Found | None = None
        """What the walk came to; None before its end."""

    def slice(self, clock: Callable[[], float]) -> float:
        """Take some steps; the seconds after which the next slice is welcome."""
        began = clock()
        rest = 0.0
        try:
            # Half of the time is left for the step that goes beyond it, and for the odd
            # collection of garbage.
            for _ in range(SLICE_FLOWS // STEP_FLOWS):
                rest = next(self._steps)
                if rest or clock() - began >= SLICE_S / 2:
                    break
        except StopIteration as end:
            self.found = end.value
        return max(rest, pause_after(clock() - began))

    def close(self) -> None:
        """Nobody wants to know any more."""
        self._steps.close()


def steps_over(slab: Slab) -> Iterator[Sequence[Flow | None]]:
    """All places, step by step, while the slab grows and shrinks under the walk."""
    start = 0
    while start < len(slab.places):
        yield slab.places[start : start + STEP_FLOWS]
        start += STEP_FLOWS


def pause_after(took_s: float) -> float:
    """How long to leave the loop alone after a slice that took so long, in seconds."""
    return max(took_s, SLICE_S / 4) / LOOP_SHARE
