"""Breath: a console that shares a core, or an interpreter, with a proxy never works long at a time.

A picture takes Textual 10 to 20 ms to draw. While it does, an engine in the same process gets on by
one system call per switch interval, and one on the same core not at all. So whatever draws calls
`breathe` again and again, and after WORK_S of work in a row the drawing thread rests for REST_S: a
picture is ready 50 ms later, which nobody sees, and no datagram waits for all of it.

Off until a console shows itself on a real terminal: tests draw as fast as they can.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

WORK_S = 0.0003
REST_S = 0.001
NICENESS = 19
"""Of the drawing thread, where the engine is another thread of the process."""
YOUNG_OBJECTS, YOUNG_COLLECTIONS, MIDDLE_COLLECTIONS = 10_000, 10, 100
"""When a console of its own process collects garbage: Textual's many objects seldom."""


class Breath:
    """Rests for a moment after each bit of work. For one thread."""

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        rest: Callable[[float], None] = time.sleep,
    ) -> None:
        self.on = False
        self._clock = clock
        self._rest = rest
        self._rested_at = 0.0

    def breathe(self) -> None:
        """Rest, if it is time; cheap if it is not."""
        if self.on and self._clock() - self._rested_at >= WORK_S:
            self._rest(REST_S)
            self._rested_at = self._clock()


_BREATH = Breath()
breathe = _BREATH.breathe
"""For whatever draws, once a line or more often."""


@contextmanager
def breathing(*, embedded: bool) -> Iterator[None]:
    """The calling thread draws for a while beside a proxy. `embedded`: which is in this process.

    The thread stays nice afterwards: only a privileged process could take that back.
    """
    if embedded:
        _be_nice()
    else:
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS, YOUNG_COLLECTIONS, MIDDLE_COLLECTIONS)
    _BREATH.on = True
    try:
        yield
    finally:
        _BREATH.on = False


def _be_nice() -> None:
    """Let the engine's thread have the processor when both want it; on Linux each has its own."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
