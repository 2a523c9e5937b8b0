"""The garbage collector: tuned so that no full collection ever pauses the datapath.

Flows, sockets and callbacks form no reference cycles, so reference counting frees them. What
start-up made is frozen; young objects are still collected, for the odd cycle of a library.
"""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 10_000
"""New objects after which the youngest generation is collected: a fraction of a millisecond."""
YOUNG_COLLECTIONS = 1
"""Of the youngest, before the middle generation is looked at: with 10 that has 100,000 objects and
takes 10 ms, when thousands of flows are opened."""
NEVER = 1_000_000_000
MANY_FLOWS = 4_096
FEW_FLOWS = 256


def spare_the_datapath() -> None:
    """Collect and freeze what start-up made, and let no full collection run by itself."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_COLLECTIONS, NEVER)


class MemoryReturn:
    """Tells when most of many flows have ended, and gives memory back to the system.

    Not cycles but free lists hold it: a few small objects that Python keeps for re-use pin whole
    arenas. A full collection empties them; with few flows left it is over in about a millisecond.
    """

    __slots__ = ("_peak",)

    def __init__(self) -> None:
        self._peak = 0

    def flows_live(self, live: int) -> bool:
        """So many flows live now; True if memory was given back."""
        self._peak = max(self._peak, live)
        if self._peak < MANY_FLOWS or live > FEW_FLOWS:
            return False
        if live == 0:
            self._peak = 0
        gc.collect()
        return True
