"""What happens in the demo, and when: pure data, and a timeline that walks through it.

A round lasts a minute and brings every state of a backend and most reasons for a drop. Whatever a
round breaks it mends before its end, and never are two backends of a cluster out of service.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# What can happen. A backend is called CLUSTER/NAME.


@dataclass(frozen=True, slots=True)
class Slow:
    """A backend takes so long for its replies from now on; 0: as fast as it can."""

    backend: str
    delay_s: float


@dataclass(frozen=True, slots=True)
class Die:
    """A backend's socket is closed: what is sent to it is refused."""

    backend: str


@dataclass(frozen=True, slots=True)
class Return:
    """A backend that died is there again, at its old address."""

    backend: str


@dataclass(frozen=True, slots=True)
class FallSilent:
    """A backend takes datagrams and answers none."""

    backend: str


@dataclass(frozen=True, slots=True)
class Speak:
    """A silent backend answers again; what came meanwhile it has forgotten."""

    backend: str


@dataclass(frozen=True, slots=True)
class TakeOut:
    """An operator drains a backend; after the deadline the flows that are left move."""

    backend: str
    deadline_s: float


@dataclass(frozen=True, slots=True)
class PutBack:
    """An operator ends the drain of a backend."""

    backend: str


@dataclass(frozen=True, slots=True)
class Rush:
    """Clients send so many times what they usually do."""

    factor: float


@dataclass(frozen=True, slots=True)
class Flood:
    """One host opens so many flows as fast as it can, more than are admitted in a second."""

    flows: int


@dataclass(frozen=True, slots=True)
class Hoard:
    """One host opens so many flows, more than one source may have."""

    flows: int


@dataclass(frozen=True, slots=True)
class Knock:
    """A client that `deny` names sends so many datagrams."""

    datagrams: int


@dataclass(frozen=True, slots=True)
class Oversize:
    """Somebody sends so many datagrams that are larger than the listener takes."""

    datagrams: int


@dataclass(frozen=True, slots=True)
class Empty:
    """Somebody without a flow sends so many empty datagrams."""

    datagrams: int


Deed = (
    Slow | Die | Return | FallSilent | Speak | TakeOut | PutBack
    | Rush | Flood | Hoard | Knock | Oversize | Empty
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that happens, so many seconds after the beginning of its round."""

    at_s: float
    deed: Deed


ROUND_S = 60.0

ACTS: tuple[Act, ...] = (
    Act(4, Slow("dns/birch", 0.040)),
    Act(8, Knock(30)),
    Act(11, Oversize(12)),
    Act(13, Rush(2.0)),
    Act(15, Slow("dns/birch", 0.0)),
    Act(17, Rush(1.0)),
    Act(18, Die("game/oak")),
    Act(24, Flood(1_400)),
    Act(28, Empty(20)),
    Act(31, Return("game/oak")),
    Act(35, Hoard(48)),
    Act(38, TakeOut("game/pine", 6.0)),
    Act(42, FallSilent("dns/cedar")),
    Act(44, Knock(15)),
    Act(47, Rush(1.7)),
    Act(50, Speak("dns/cedar")),
    Act(51, Rush(1.0)),
    Act(57, PutBack("game/pine")),
)
"""In order. A dead backend is ejected for 5 s by its refusals, or for longer each time; from then
on its probes keep it down, and when it is back they put it on trial."""


class Timeline:
    """Walks through the rounds. Times are those of any one clock, in seconds."""

    def __init__(
        self,
        began_at: float,
        acts: Sequence[Act] = ACTS,
        *,
        round_s: float = ROUND_S,
        speed: float = 1.0,
    ) -> None:
        """`speed`: how many of its seconds go by in a second of the clock."""
        assert all(0 <= act.at_s < round_s for act in acts)
        assert sorted(acts, key=lambda act: act.at_s) == list(acts)
        self._began_at = began_at
        self._acts = tuple(acts)
        self._round_s = round_s
        self._speed = speed
        self._round = 0
        self._next = 0

    def due(self, now: float) -> list[Deed]:
        """What has become due since the last call, in order.

        Of a long absence (a laptop that slept) only the round that was begun and one more are
        told: every round ends as it began.
        """
        elapsed = (now - self._began_at) * self._speed
        behind = int(elapsed // self._round_s) - self._round
        if self._next == 0 and behind > 0:
            self._round += behind
        elif behind > 1:
            self._round += behind - 1
        deeds: list[Deed] = []
        while self._acts and self._round * self._round_s + self._acts[self._next].at_s <= elapsed:
            deeds.append(self._acts[self._next].deed)
            self._next += 1
            if self._next == len(self._acts):
                self._next = 0
                self._round += 1
        return deeds
