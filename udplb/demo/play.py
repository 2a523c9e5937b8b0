"""The play: servers, clients and what happens to them, on one loop, in ticks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import assert_never

from udplb.demo.acts import (
    Deed,
    Die,
    Empty,
    FallSilent,
    Flood,
    Hoard,
    Knock,
    Oversize,
    PutBack,
    Return,
    Rush,
    Slow,
    Speak,
    TakeOut,
    Timeline,
)
from udplb.demo.cast import CLUSTERS, DNS, GAME, Place
from udplb.demo.clients import Players, Resolvers
from udplb.demo.intruders import Intruders
from udplb.demo.operator import Operator
from udplb.demo.servers import Server
from udplb.demo.swell import Swell
from udplb.demo.tally import Tally
from udplb.demo.zone import Zone

TICK_S = 0.02
REPLY_TIME_S = 1.0
"""So long the last replies may take at the end."""
LATE_MAX_S = 0.2
"""Of a loop that stood still so much is made up for, and no more."""

Answer = Callable[[bytes], bytes | None]


USUAL_S: Mapping[str, float] = {"dns/alder": 0.002, "dns/birch": 0.003, "dns/cedar": 0.005}
"""How long backends think that do not answer at once."""


def _echo(datagram: bytes) -> bytes:
    return datagram


def open_servers(
    loop: asyncio.AbstractEventLoop,
    zone: Zone,
    chance: random.Random,
    spoil: Callable[[Answer], Answer] = lambda answer: answer,
) -> dict[str, Server]:
    """All backends, by CLUSTER/NAME. `spoil` makes bad ones of good ones. Raises OSError."""
    answers: Mapping[str, Answer] = {DNS: zone.answer, GAME: _echo}
    return {
        name: Server(loop, spoil(answers[cluster]), chance, USUAL_S.get(name, 0.0))
        for cluster, names in CLUSTERS.items()
        for name in (f"{cluster}/{each}" for each in names)
    }


class Play:
    """From `begin` on something happens; after `stop_sending` only replies come."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        servers: Mapping[str, Server],
        targets: dict[str, Place],
        zone: Zone,
        chance: random.Random,
        *,
        timeline: Timeline | None = None,
        operator: Operator | None = None,
        speed: float = 1.0,
    ) -> None:
        """`targets`: where the clients of each cluster send to. Without a timeline all is calm."""
        self.tally = Tally()
        self._loop = loop
        self._servers = servers
        self._timeline = timeline
        self._operator = operator
        self._resolvers = Resolvers(loop, targets[DNS], self.tally, zone, chance)
        self._players = Players(loop, targets[GAME], self.tally, chance, speed)
        self._intruders = Intruders(targets, self.tally)
        self._swells = {DNS: Swell(23.0, 0.35, chance), GAME: Swell(41.0, 0.3, chance)}
        self._rush = 1.0
        self._ticked_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Let the clients send."""
        self._ticked_at = self._loop.time()
        self._tick()

    def stop_sending(self) -> None:
        """From now on the clients only wait for what they are owed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def satisfied(self) -> bool:
        """Whether nothing is owed to anybody."""
        return self._resolvers.satisfied and self._players.satisfied

    def close(self) -> None:
        """End clients and servers."""
        self.stop_sending()
        self._resolvers.close()
        self._players.close()
        for server in self._servers.values():
            server.die()

    def _tick(self) -> None:
        now = self._loop.time()
        passed_s = min(LATE_MAX_S, now - self._ticked_at)
        self._ticked_at = now
        if self._timeline is not None:
            for deed in self._timeline.due(now):
                self.do(deed)
        dns, game = (self._rush * self._swells[cluster].at(now) for cluster in (DNS, GAME))
        self._resolvers.tick(now, passed_s, dns)
        self._players.tick(now, game)
        self._intruders.tick()
        self._timer = self._loop.call_later(TICK_S, self._tick)

    def do(self, deed: Deed) -> None:
        """Let this happen."""
        match deed:
            case Slow(backend, delay_s):
                self._servers[backend].delay_s = delay_s
            case Die(backend):
                self._servers[backend].die()
            case Return(backend):
                self._servers[backend].come_back()
            case FallSilent(backend):
                self._servers[backend].silent = True
            case Speak(backend):
                self._servers[backend].silent = False
            case TakeOut() | PutBack():
                if self._operator is not None:
                    self._operator.order(deed)
            case Rush(factor):
                self._rush = factor
            case Flood() | Hoard() | Knock() | Oversize() | Empty():
                self._intruders.order(deed)
            case _:
                assert_never(deed)
