"""Upstream ports: which local port an upstream socket gets, so that no reply finds a stranger.

Left to itself the kernel gives every connected UDP socket a port of its own and hands a port out
again at once; then an old flow's late reply reaches a new client. So we choose: one pool per
backend address in the whole process, the longest-rested port first, never before its rest is over.
Elsewhere than on Linux the kernel chooses.
"""

from __future__ import annotations

import random
import socket
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

from udplb.engine.kernel import LINUX

RESTED_CHOICE = 64
"""A port is drawn from so many of the longest-rested, so that none can be foretold."""
SHARE_LEFT_TO_OTHERS = 5
"""One in so many ports of the range stays free for probes and other programs."""

SocketAddress = tuple[str, int]
"""A backend's host and port, as sockets want it; the key of its pool."""

_PROC = Path("/proc/sys/net/ipv4")


def _port_numbers(text: str) -> Iterable[int]:
    """The ports of a list such as `8080,9000-9100`."""
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first:
            yield from range(int(first), int(last or first) + 1)


def usable_ports(listener_ports: Iterable[int]) -> Sequence[int]:
    """The ports that upstream sockets may have, in a random order; none: the kernel chooses."""
    if not LINUX:
        return ()
    first, last = map(int, (_PROC / "ip_local_port_range").read_text().split())
    reserved = set(_port_numbers((_PROC / "ip_local_reserved_ports").read_text()))
    reserved.update(listener_ports)
    ports = [port for port in range(first, last + 1) if port not in reserved]
    random.SystemRandom().shuffle(ports)
    return ports[len(ports) // SHARE_LEFT_TO_OTHERS :]


def family_of(backend: SocketAddress) -> socket.AddressFamily:
    """The address family of a backend."""
    return socket.AF_INET6 if ":" in backend[0] else socket.AF_INET


class _Pool:
    """The ports towards one backend address."""

    __slots__ = ("cursor", "resting")

    def __init__(self) -> None:
        self.cursor = 0
        """Where the ports begin that this pool never handed out."""
        self.resting: deque[tuple[float, int]] = deque()
        """When it was given back, and the port; the longest-rested first."""


class Ports:
    """All pools of the process, and which ports its upstream sockets hold."""

    def __init__(self, order: Sequence[int], rest_s: float) -> None:
        self._order = order
        self._rest_s = rest_s
        self._pools: dict[SocketAddress, _Pool] = {}
        self._held: dict[tuple[int, int], int] = {}
        self._random = random.Random()

    @property
    def chosen_by_kernel(self) -> bool:
        """Whether there is nothing to choose from here."""
        return not self._order

    def take(self, backend: SocketAddress, now: float) -> int | None:
        """A rested port towards this backend; None if there is none."""
        pool = self._pools.get(backend)
        if pool is None:
            pool = self._pools[backend] = _Pool()
        if pool.cursor < len(self._order):
            pool.cursor += 1
            return self._order[pool.cursor - 1]
        resting = pool.resting
        if not resting or not self._is_rested(resting[0], now):
            return None
        chosen = self._random.randrange(min(len(resting), RESTED_CHOICE))
        while not self._is_rested(resting[chosen], now):
            chosen //= 2
        port = resting[chosen][1]
        del resting[chosen]
        return port

    def _is_rested(self, entry: tuple[float, int], now: float) -> bool:
        return entry[0] + self._rest_s <= now

    def give_back(self, backend: SocketAddress, port: int, now: float) -> None:
        """The port's socket is closed, or somebody else held the port: let it rest."""
        self._pools[backend].resting.append((now, port))

    def give_back_unused(self, backend: SocketAddress, port: int) -> None:
        """Nothing was ever sent from the port: it needs no rest."""
        self._pools[backend].resting.appendleft((float("-inf"), port))

    def holds(self, family: int, port: int) -> bool:
        """Whether an upstream socket of ours, of this address family, is bound to the port."""
        return (family, port) in self._held

    def hold(self, family: int, port: int) -> None:
        """Another upstream socket is bound to the port."""
        key = (family, port)
        self._held[key] = self._held.get(key, 0) + 1

    def release(self, family: int, port: int) -> None:
        """One upstream socket that was bound to the port is closed."""
        key = (family, port)
        holders = self._held[key] - 1
        if holders:
            self._held[key] = holders
        else:
            del self._held[key]
