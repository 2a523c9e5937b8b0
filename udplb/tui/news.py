"""News: what came of what the operator did. Failures stay until they are dismissed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

KEPT = 64
GOOD_FOR_S = 10.0
"""Seconds for which good news are shown."""


@dataclass(frozen=True, slots=True)
class Said:
    """One piece of news."""

    at: float
    text: str
    good: bool
    stays: bool = False
    """Until it is dismissed."""


class News:
    """The latest results, of which one is shown."""

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        self._wall_clock = wall_clock
        self._said: deque[Said] = deque(maxlen=KEPT)

    def told(self, text: str, *, stays: bool = False) -> None:
        """Something was done; `stays`: somebody waits for it, and may look away meanwhile."""
        self._said.append(Said(self._wall_clock(), text, True, stays))

    def failed(self, text: str) -> None:
        """Something was not done; this stays until it is dismissed."""
        self._said.append(Said(self._wall_clock(), text, False, stays=True))

    def latest(self) -> Said | None:
        """What is to be shown: failures until they are dismissed, the rest for a while."""
        for said in reversed(self._said):
            if said.stays or self._wall_clock() - said.at < GOOD_FOR_S:
                return said
        return None

    def dismiss(self) -> bool:
        """Nothing is shown any more; False where nothing was."""
        shown = self.latest() is not None
        self._said.clear()
        return shown
