"""A checker at work under a clock of the test's own, over real sockets on loopback.

Its loop turns when the test says so; nothing here waits for a time.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

from tests.harness import until
from udplb.core.address import Address, normal_ip
from udplb.core.backend import Backend
from udplb.core.settings import (
    BackendSettings,
    ClusterSettings,
    FlowTerms,
    HealthSettings,
    ProxyProtocol,
)
from udplb.engine.probes.checker import HealthChecker

UDP = HealthSettings(probe="udp", send=b"ping", expect=b"pong", interval=10.0, timeout=2.0)
TCP = HealthSettings(probe="tcp", interval=10.0, timeout=2.0)


class Handle:
    """What the loop gives for a call to come."""

    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None


class Loop:
    """As much of an event loop as a checker needs, under the test's clock."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now
        self._handles: list[Handle] = []
        self._readers: dict[int, Callable[[], None]] = {}

    def clock(self) -> float:
        return self.now

    def add_reader(self, fd: int, call: Callable[[], None]) -> None:
        self._readers[fd] = call

    def remove_reader(self, fd: int) -> None:
        del self._readers[fd]

    def call_soon(self, call: Callable[[], None]) -> Handle:
        return self.call_later(0, call)

    def call_later(self, delay: float, call: Callable[[], None]) -> Handle:
        self._handles.append(Handle(self.now + delay, call))
        return self._handles[-1]

    @property
    def waiting(self) -> int:
        """Calls that are to come."""
        return sum(handle.call is not None for handle in self._handles)

    def turn(self) -> None:
        """One turn: who is readable, then who is due."""
        for fd in select.select(list(self._readers), [], [], 0)[0]:
            self._readers[fd]()
        due = [each for each in self._handles if each.at <= self.now]
        self._handles = [each for each in self._handles if each.at > self.now]
        for each in due:
            if each.call is not None:
                each.call()


class Cluster:
    """A cluster that notes what it is told."""

    def __init__(
        self,
        *addresses: tuple[str, int],
        health: HealthSettings = UDP,
        proxy_protocol: ProxyProtocol = "off",
    ) -> None:
        self.settings = ClusterSettings(
            name="c",
            backends=tuple(
                BackendSettings(address=Address(normal_ip(host), port), name=f"b{number}")
                for number, (host, port) in enumerate(addresses)
            ),
            terms=FlowTerms(proxy_protocol=proxy_protocol),
            health=health,
        )
        self.backends: Sequence[Backend] = [
            Backend(each, health, b"0") for each in self.settings.backends
        ]
        self.good: list[tuple[float, str, float, float]] = []
        """Now, backend, when it was started, latency."""
        self.bad: list[tuple[float, str, str]] = []
        """Now, backend, why."""

    def change(self, **health: Any) -> None:
        """Set some of the health settings."""
        self.settings = replace(self.settings, health=replace(self.settings.health, **health))

    def probe_succeeded(
        self, now: float, backend: Backend, started_at: float, latency_s: float
    ) -> None:
        self.good.append((now, backend.name, started_at, latency_s))

    def probe_failed(self, now: float, backend: Backend, why: str) -> None:
        self.bad.append((now, backend.name, why))

    @property
    def whys(self) -> list[str]:
        return [why for _, _, why in self.bad]


class Ground:
    """A loop and its checker; first probes start at once, and nothing is left to chance."""

    def __init__(self, ports: Sequence[int] = ()) -> None:
        self.loop = Loop()
        self.checker = HealthChecker(
            cast(asyncio.AbstractEventLoop, self.loop),
            self.loop.clock,
            ports=ports,
            chance=lambda: 0.0,
        )

    def until(self, condition: Callable[[], object], what: str = "") -> None:
        """Let the loop turn until the condition holds; the clock stands still."""

        def holds() -> object:
            self.loop.turn()
            return condition()

        until(holds, what)

    def start(self, cluster: Cluster) -> None:
        """Follow a cluster, and let the first probes of all its backends start."""
        self.checker.follow(cluster)
        wanted = self.checker.made + self.checker.not_made + len(cluster.backends)
        self.until(lambda: self.checker.made + self.checker.not_made == wanted)

    def pass_time(self, span: float) -> None:
        """Let time pass and the loop turn a few times."""
        self.loop.now += span
        for _ in range(3):
            self.loop.turn()


def descriptors() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))
