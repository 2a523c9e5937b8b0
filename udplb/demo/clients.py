"""The demo's well-behaved clients: resolvers with short flows, players with long ones.

Every client knows what it is owed, and sees what is not its own.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from heapq import heappop, heappush

from udplb.demo.cast import RESOLVERS, Place, open_client, player_host
from udplb.demo.servers import DATAGRAM_MAX, ROUND_MAX
from udplb.demo.tally import Tally
from udplb.demo.zone import Zone

OWED_MAX = 1_024
"""Replies that a client waits for at a time; of the oldest beyond it, it expects nothing more."""
ANSWERED_MAX = 256
"""Replies that a client remembers, to tell one that comes twice."""
QUERIES_PER_S = 140.0
QUERY_PATIENCE_S = 2.0
"""So long a resolver waits for its answer."""
PIPELINED = 0.1
"""Share of the resolvers' flows that ask more than one thing at once."""
PLAYERS = 56
NEW_PLAYERS_PER_TICK = 2
PLAYER_LIFE_S = (15.0, 60.0)
PLAYER_PATIENCE_S = 1.0
"""So long a player waits for its last replies."""
_TOKEN_BYTES = 8
_FILLER = random.Random(1).randbytes(4_096)


class Client:
    """One socket towards one listener."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        host: str,
        target: Place,
        tally: Tally,
    ) -> None:
        """Raises OSError."""
        self._loop = loop
        self._tally = tally
        self._owed: dict[bytes, None] = {}
        self._answered: dict[bytes, None] = {}
        self._socket = open_client(host, target)
        self._open = True
        loop.add_reader(self._socket, self._read)

    @property
    def satisfied(self) -> bool:
        """Whether nothing is owed to it."""
        return not self._owed

    def send(self, datagram: bytes, reply: bytes) -> None:
        """Send it, and be owed this reply, which no other datagram has."""
        try:
            try:
                self._socket.send(datagram)
            except ConnectionRefusedError:
                self._socket.send(datagram)  # that was news about an earlier one
        except OSError:
            return  # it did not leave, and nothing is owed
        self._tally.sent += 1
        _note(self._owed, reply, OWED_MAX)

    def close(self) -> None:
        """Hear nothing more. What is owed stays missing."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def _read(self) -> None:
        for _ in range(ROUND_MAX):
            if not self._open:
                return
            try:
                reply = self._socket.recv(DATAGRAM_MAX)
            except BlockingIOError:
                return
            except OSError:
                continue
            self._received(reply)

    def _received(self, reply: bytes) -> None:
        if reply in self._owed:
            del self._owed[reply]
            _note(self._answered, reply, ANSWERED_MAX)
            self._tally.answered += 1
        elif reply in self._answered:
            self._tally.twice += 1
        else:
            self._tally.wrong += 1


def _note(notes: dict[bytes, None], reply: bytes, most: int) -> None:
    """Note it, and forget the oldest if these are too many."""
    notes[reply] = None
    if len(notes) > most:
        del notes[next(iter(notes))]


class Query(Client):
    """One short flow: it ends when it has all its answers."""

    def _received(self, reply: bytes) -> None:
        super()._received(reply)
        if self.satisfied:
            self.close()


class Resolvers:
    """Ask names, each time from another port: many short flows."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        target: Place,
        tally: Tally,
        zone: Zone,
        chance: random.Random,
    ) -> None:
        self._loop = loop
        self._target = target
        self._tally = tally
        self._zone = zone
        self._chance = chance
        self._due = 0.0
        self._waiting: deque[tuple[float, Client]] = deque()
        """Until when each of them waits, in order."""

    @property
    def satisfied(self) -> bool:
        """Whether nothing is owed to any of them."""
        return all(client.satisfied for _, client in self._waiting)

    def tick(self, now: float, passed_s: float, factor: float) -> None:
        """Ask as many as are due since the last tick, `passed_s` ago."""
        while self._waiting and (self._waiting[0][0] <= now or self._waiting[0][1].satisfied):
            self._waiting.popleft()[1].close()
        self._due += QUERIES_PER_S * factor * passed_s * self._chance.uniform(0.3, 1.7)
        while self._due >= 1:
            self._due -= 1
            with suppress(OSError):  # no descriptor left: then not this one
                self._ask(now)

    def _ask(self, now: float) -> None:
        host = self._chance.choice(RESOLVERS)
        client = Query(self._loop, host, self._target, self._tally)
        self._waiting.append((now + QUERY_PATIENCE_S, client))
        count = self._chance.randrange(2, 6) if self._chance.random() < PIPELINED else 1
        for _ in range(count):
            client.send(*self._zone.query(self._chance))

    def close(self) -> None:
        """End all of them."""
        for _, client in self._waiting:
            client.close()
        self._waiting.clear()


@dataclass(frozen=True, slots=True)
class Habit:
    """How a kind of player sends."""

    share: int
    """Its part of the players, against the shares of the others."""
    period_s: float
    train: tuple[int, int]
    """Datagrams at once, at least and at most."""
    size: tuple[int, int]
    """Bytes of each, at least and at most."""


HABITS = (
    Habit(12, 0.060, (1, 1), (48, 120)),  # a game's updates
    Habit(4, 0.030, (1, 1), (172, 172)),  # voice
    Habit(6, 0.300, (3, 10), (900, 1_200)),  # bulk, in trains
    Habit(10, 0.500, (1, 3), (64, 400)),  # chatter
    Habit(8, 2.000, (1, 1), (16, 16)),  # keep-alives
)


class Player(Client):
    """One long flow."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        target: Place,
        tally: Tally,
        chance: random.Random,
        leaves_at: float,
    ) -> None:
        super().__init__(loop, player_host(chance), target, tally)
        self.leaves_at = leaves_at
        (self._habit,) = chance.choices(HABITS, [habit.share for habit in HABITS])
        self._chance = chance
        self._token = chance.randbytes(_TOKEN_BYTES)
        self._number = 0

    def play(self) -> float:
        """Send a train; seconds to the next one."""
        habit, chance = self._habit, self._chance
        size = chance.randint(*habit.size)
        for _ in range(chance.randint(*habit.train)):
            self._number += 1
            head = self._token + self._number.to_bytes(4, "big")
            start = chance.randrange(1_024)
            datagram = head + _FILLER[start : start + size - len(head)]
            self.send(datagram, datagram)
        return habit.period_s * chance.uniform(0.8, 1.2)


class Players:
    """Come, play for a while, and leave."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        target: Place,
        tally: Tally,
        chance: random.Random,
        speed: float = 1.0,
    ) -> None:
        """`speed`: how many times faster than usual players come and go."""
        self._loop = loop
        self._target = target
        self._tally = tally
        self._chance = chance
        self._speed = speed
        self._turns: list[tuple[float, int, Player]] = []
        """A heap: when each of them sends next."""
        self._number = 0
        self._leaving: deque[tuple[float, Player]] = deque()
        """Until when each of them waits for its last replies."""

    @property
    def satisfied(self) -> bool:
        """Whether nothing is owed to any of them."""
        playing = all(player.satisfied for _, _, player in self._turns)
        return playing and all(player.satisfied for _, player in self._leaving)

    def tick(self, now: float, factor: float) -> None:
        """Let those send whose turn has come, sooner by `factor`; let others come and go."""
        while self._leaving and (self._leaving[0][0] <= now or self._leaving[0][1].satisfied):
            self._leaving.popleft()[1].close()
        for _ in range(min(NEW_PLAYERS_PER_TICK, PLAYERS - len(self._turns))):
            with suppress(OSError):
                self._welcome(now)
        while self._turns and self._turns[0][0] <= now:
            _, number, player = heappop(self._turns)
            if player.leaves_at <= now:
                self._leaving.append((now + PLAYER_PATIENCE_S, player))
            else:
                heappush(self._turns, (now + player.play() / factor, number, player))

    def _welcome(self, now: float) -> None:
        leaves_at = now + self._chance.uniform(*PLAYER_LIFE_S) / self._speed
        player = Player(self._loop, self._target, self._tally, self._chance, leaves_at)
        self._number += 1
        heappush(self._turns, (now, self._number, player))

    def close(self) -> None:
        """End all of them."""
        for player in (*(turn[2] for turn in self._turns), *(each[1] for each in self._leaving)):
            player.close()
        self._turns.clear()
        self._leaving.clear()
