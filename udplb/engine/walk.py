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

SAVED_MAX_S = 0.1
"""Of that share so much may be saved while nobody walks: an answer then comes at once."""
SAVED_SHARE = 0.25
"""Of the loop's time, while savings are spent: datagrams come first then, too."""

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
        """Take some steps; the seconds for which the walk has nothing to do."""
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
        return rest

    def close(self) -> None:
        """Nobody wants to know any more."""
        self._steps.close()


def steps_over(slab: Slab) -> Iterator[Sequence[Flow | None]]:
    """All places, step by step, while the slab grows and shrinks under the walk."""
    start = 0
    while start < len(slab.places):
        yield slab.places[start : start + STEP_FLOWS]
        start += STEP_FLOWS


class Allowance:
    """The time for walks of one kind: a share of the loop's, of which some can be saved."""

    __slots__ = ("_at", "_saved")

    def __init__(self) -> None:
        self._saved = SAVED_MAX_S
        self._at: float | None = None

    def pause_after(self, took_s: float, now: float) -> float:
        """How long to leave the loop alone after a slice that took so long, in seconds."""
        took_s = max(took_s, SLICE_S / 4)
        passed = 0.0 if self._at is None else max(0.0, now - self._at)
        self._saved = min(SAVED_MAX_S, self._saved + LOOP_SHARE * passed) - took_s
        self._at = now
        if self._saved >= took_s:  # enough for another one
            return took_s / SAVED_SHARE - took_s
        self._saved = max(0.0, self._saved)
        return took_s / LOOP_SHARE - took_s


def pause_after(took_s: float) -> float:
    """How long to leave the loop alone after a slice that took so long, in seconds."""
    return max(took_s, SLICE_S / 4) / LOOP_SHARE
