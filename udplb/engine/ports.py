"""Upstream ports: which local port an upstream socket gets, so that no reply finds a stranger.

Left to itself the kernel gives every connected UDP socket a port of its own and hands a port out
again at once; then an old flow's late reply reaches a new client. So we choose: one pool per
backend address in the whole process, the longest-rested port first, never before its rest is over.
Elsewhere than on Linux the kernel chooses.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from udplb.engine.addresses import SocketAddress
from udplb.engine.kernel import LINUX

RESTED_CHOICE = 64
"""A port is drawn from so many of the longest-rested, so that none can be foretold."""
SHARE_LEFT_TO_OTHERS = 5
"""One in so many ports of the range stays free for probes and other programs."""

_PROC = Path("/proc/sys/net/ipv4")


def _port_numbers(text: str) -> Iterable[int]:
    """The ports of a list such as `8080,9000-9100`."""
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first:
            yield from range(int(first), int(last or first) + 1)


class PortShares(NamedTuple):
    """Who gets which local ports, each share in a random order."""

    upstreams: Sequence[int] | None
    """None: the kernel chooses."""
    probes: Sequence[int]
    """Probes share what is left with other programs: a probe's late reply must find no flow."""


def port_shares(listener_ports: Iterable[int]) -> PortShares:
    """Share out the local ports that this system gives to programs."""
    if not LINUX:
        return PortShares(None, ())
    first, last = map(int, _setting("ip_local_port_range", "32768 60999").split())
    reserved = set(_port_numbers(_setting("ip_local_reserved_ports", "")))
    reserved.update(listener_ports)
    ports = [port for port in range(first, last + 1) if port not in reserved]
    random.SystemRandom().shuffle(ports)
    left = len(ports) // SHARE_LEFT_TO_OTHERS
    return PortShares(ports[left:], ports[:left])


def _setting(name: str, default: str) -> str:
    """What the system says; the kernel's default where there is no /proc to read it from."""
    try:
        return (_PROC / name).read_text()
    except OSError:
        return default


class _Pool:
    """The ports towards one backend address.

    Plain arrays, not a deque of tuples: thousands of small objects, made whenever flows end, would
    pin the memory that the flows leave behind.
    """

    __slots__ = ("_given_back", "_head", "_ports", "cursor")

    def __init__(self) -> None:
        self.cursor = 0
        """Where the ports begin that this pool never handed out."""
        self._ports = array("H")
        """The ports that rest, the longest-rested first, from `_head` on."""
        self._given_back = array("d")
        self._head = 0

    def append(self, port: int, now: float) -> None:
        """The port begins to rest."""
        self._ports.append(port)
        self._given_back.append(now)

    def put_first(self, port: int) -> None:
        """The port needs no rest."""
        self._ports.insert(self._head, port)
        self._given_back.insert(self._head, float("-inf"))

    def pop(self, rested_since: float, chance: random.Random) -> int | None:
        """One of the longest-rested ports, given back at `rested_since` at the latest."""
        ports, given_back, head = self._ports, self._given_back, self._head
        waiting = len(ports) - head
        if not waiting or given_back[head] > rested_since:
            return None
        ahead = chance.randrange(min(waiting, RESTED_CHOICE))
        while given_back[head + ahead] > rested_since:
            ahead //= 2
        port = ports[head + ahead]
        ports[head + ahead], given_back[head + ahead] = ports[head], given_back[head]
        self._head += 1
        if self._head * 2 > len(ports) and self._head > RESTED_CHOICE:
            del ports[: self._head], given_back[: self._head]
            self._head = 0
        return port


class Ports:
    """All pools of the process, and which ports its upstream sockets hold."""

    def __init__(self, order: Sequence[int] | None, rest_s: float) -> None:
        self.chosen_by_kernel = order is None
        """Whether this platform leaves the choice to the kernel."""
        self._order = order or ()
        self._rest_s = rest_s
        self._pools: dict[SocketAddress, _Pool] = {}
        self._held: dict[tuple[int, int], int] = {}
        self._reserved: frozenset[int] = frozenset()
        self._random = random.Random()

    def take(self, backend: SocketAddress, now: float) -> int | None:
        """A rested port towards this backend; None if there is none."""
        pool = self._pools.get(backend)
        if pool is None:
            pool = self._pools[backend] = _Pool()
        while pool.cursor < len(self._order):
            pool.cursor += 1
            port = self._order[pool.cursor - 1]
            if port not in self._reserved:
                return port
        passed_over = []
        while (rested := pool.pop(now - self._rest_s, self._random)) in self._reserved:
            passed_over.append(rested)
        for port in passed_over:
            pool.append(port, now)  # its turn comes when the listener is gone
        return rested

    def reserve(self, ports: Iterable[int]) -> None:
        """From now on listeners have these ports; upstream sockets get others."""
        self._reserved = frozenset(ports)

    def rest_changed(self, rest_s: float) -> None:
        """Ports rest for so long from now on, in seconds; those that rest already, too."""
        self._rest_s = rest_s

    def forget(self, backend: SocketAddress) -> None:
        """The backend is gone, and all its flows: so are its ports, once they have rested."""
        self._pools.pop(backend, None)

    def give_back(self, backend: SocketAddress, port: int, now: float) -> None:
        """The port's socket is closed, or somebody else held the port: let it rest."""
        self._pools[backend].append(port, now)

    def give_back_unused(self, backend: SocketAddress, port: int) -> None:
        """Nothing was ever sent from the port: it needs no rest."""
        self._pools[backend].put_first(port)

    def holds(self, family: int, port: int) -> bool:
        """Whether an upstream socket of ours, of this address family, is bound to the port."""
        return (family, port) in self._held

    def hold(self, family: int, port: int) -> None:
        """Another upstream socket is bound to the port."""
        key = (family, port)
        self._held[key] = self._held.get(key, 0) + 1

    def shrink(self) -> None:
        """Give back the memory of a table that once was large and is empty now."""
        if not self._held:
            self._held.clear()

    def release(self, family: int, port: int) -> None:
        """One upstream socket that was bound to the port is closed."""
        key = (family, port)
        holders = self._held[key] - 1
        if holders:
            self._held[key] = holders
        else:
            del self._held[key]
