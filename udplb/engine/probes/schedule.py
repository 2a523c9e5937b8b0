"""When each backend is probed. Pure: time and chance come in.

A backend's next probe starts `interval` after the last one started, less a jitter of up to a
fifth, or when the last one ends if that takes longer. At most `PROBES_MAX` run at a time; the
others wait in line.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from math import inf
from typing import Generic, TypeVar

JITTER_MAX = 0.2
"""Share of an interval that chance takes away at most; it never adds."""
FIRST_WITHIN_S = 1.0
"""The first probe of a backend starts within that, or within an interval if it is shorter."""
PROBES_MAX = 1_024
"""Probes that run at a time, all clusters together: each holds a descriptor."""
STALE_MIN = 64
"""Entries that are not valid any more and yet kept, beside one for each place."""


class Place:
    """One backend's place in the schedule."""

    __slots__ = ("deadline", "due", "entry", "interval", "running", "timeout")

    def __init__(self, interval: float, timeout: float) -> None:
        self.interval = interval
        self.timeout = timeout
        self.due = inf
        """When its next probe starts."""
        self.deadline = inf
        """When the probe that runs has had its time."""
        self.running = False
        self.entry = 0
        """The number of its one valid entry in the line of times; 0: none."""


PlaceT = TypeVar("PlaceT", bound=Place)


class Schedule(Generic[PlaceT]):
    """The places of all backends. `chance` gives numbers from 0 to below 1."""

    def __init__(self, chance: Callable[[], float], running_max: int = PROBES_MAX) -> None:
        self.running = 0
        self.running_max = running_max
        self._chance = chance
        self._places = 0
        self._entries = 0
        self._times: list[tuple[float, int, PlaceT]] = []
        """A heap. An entry whose number its place does not have is not valid any more."""
        self._line: OrderedDict[PlaceT, None] = OrderedDict()
        """Those whose time has come, the longest-waiting first."""

    def enter(self, now: float, place: PlaceT) -> None:
        """From now on `place` has its turns."""
        self._places += 1
        place.due = now + min(place.interval, FIRST_WITHIN_S) * self._chance()
        self._wake(place, place.due)

    def leave(self, place: PlaceT) -> None:
        """`place` has no turns any more; a probe of it that runs is over."""
        self._places -= 1
        place.entry = 0
        self._line.pop(place, None)
        if place.running:
            place.running = False
            self.running -= 1

    def start_next(self, now: float) -> PlaceT | None:
        """The place whose probe starts now; None: nobody is due, or enough probes run."""
        if not self._line or self.running >= self.running_max:
            return None
        place, _ = self._line.popitem(last=False)
        place.running = True
        self.running += 1
        place.due = now + place.interval * (1 - JITTER_MAX * self._chance())
        place.deadline = now + place.timeout
        self._wake(place, min(place.due, place.deadline))
        return place

    def ended(self, now: float, place: PlaceT) -> None:
        """The probe of `place` is over."""
        place.running = False
        place.deadline = inf
        self.running -= 1
        if place.due <= now:
            place.entry = 0
            self._line[place] = None
        elif not place.entry:
            self._wake(place, place.due)
        # Else its entry comes in time: it is for the due time, or for a deadline before it.

    def advance(self, now: float, at_most: int) -> list[PlaceT]:
        """Look at so many times that have passed; those whose running probe has had its time.

        They are running until `ended` is told. Whoever is due now stands in line.
        """
        late: list[PlaceT] = []
        times = self._times
        while at_most and times and times[0][0] <= now:
            _, number, place = heappop(times)
            if place.entry != number:
                continue
            at_most -= 1
            if place.running and place.deadline <= now:
                place.entry = 0
                late.append(place)
            elif place.running:
                self._wake(place, place.deadline)
            elif place.due <= now:
                place.entry = 0
                self._line[place] = None
            else:
                self._wake(place, place.due)
        return late

    def next_time(self, now: float) -> float:
        """When there is something to do: `now` while a probe can start; infinity: never."""
        if self._line and self.running < self.running_max:
            return now
        times = self._times
        while times and times[0][2].entry != times[0][1]:
            heappop(times)
        return times[0][0] if times else inf

    def _wake(self, place: PlaceT, at: float) -> None:
        """Let the one valid entry of `place` be for this time."""
        self._entries += 1
        place.entry = self._entries
        heappush(self._times, (at, self._entries, place))
        if len(self._times) > 2 * self._places + STALE_MIN:
            self._times[:] = [each for each in self._times if each[2].entry == each[1]]
            heapify(self._times)
