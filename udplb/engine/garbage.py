"""The garbage collector: tuned so that no full collection ever pauses the datapath.

Flows, sockets and callbacks form no reference cycles, so reference counting frees them. What
start-up made is frozen; young objects are still collected, for the odd cycle of a library.
"""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 10_000
"""New objects after which the youngest generation is collected: a fraction of a millisecond."""
YOUNG_COLLECTIONS = 10
NEVER = 1_000_000_000


def spare_the_datapath() -> None:
    """Collect and freeze what start-up made, and let no full collection run by itself."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_COLLECTIONS, NEVER)
