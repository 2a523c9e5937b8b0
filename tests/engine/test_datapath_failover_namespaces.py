"""A backend goes away on another machine, which limits how many port-unreachables it sends.

Six at once, and then one a second (KERNEL.md 8): loopback is exempt, and so hides it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.harness import Events, Udp, configuration, need, proxy, until
from tests.namespaces import PR_SET_PDEATHSIG, THERE, in_namespace, ip, neighbour
from tests.traffic import Traffic
from udplb.core import health
from udplb.core.manager import FlowManager
from udplb.core.settings import FlowTerms, HealthSettings
from udplb.engine.events import BackendWentDown

PORTS = 7_000, 7_001
BACKENDS = [(THERE, port) for port in PORTS]
RATE = 200.0


def answer(server: Udp) -> None:
    """Be a backend, until the parent dies."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    server.settimeout(None)
    while True:
        datagram, client = server.recvfrom(65_535)
        server.sendto(datagram, client)


class Machine:
    """The other machine: obeys one-letter orders, and says when it has."""

    def __init__(self) -> None:
        self._orders, self._ordering = os.pipe()
        self._answering, self._answers = os.pipe()

    def order(self, what: bytes) -> None:
        os.write(self._ordering, what)
        assert os.read(self._answering, 1) == what

    def serve(self) -> None:
        """Two backends, each a process of its own."""
        servers = [self._start(port) for port in PORTS]
        while True:
            match what := os.read(self._orders, 1):
                case b"k":
                    os.kill(servers[0], signal.SIGKILL)
                    os.waitpid(servers[0], 0)
                case b"r":
                    servers[0] = self._start(PORTS[0])
                case b"d":
                    ip("link set there down")
                case b"a":
                    ip(f"addr del {THERE}/24 dev there")
            os.write(self._answers, what)

    def _start(self, port: int) -> int:
        child = os.fork()
        if child == 0:
            try:
                answer(Udp(THERE, port))
            finally:
                os._exit(1)
        return child


@contextmanager
def machine() -> Iterator[Machine]:
    other = Machine()
    with neighbour(other.serve):
        for backend in BACKENDS:
            until(lambda: answers(backend), f"{backend} serves")
        yield other


def answers(backend: tuple[str, int]) -> bool:
    try:
        with Udp("0.0.0.0") as client:
            client.settimeout(0.2)
            return client.ask(b"there?", backend) == b"there?"
    except OSError:
        return False


def note_refusals() -> list[float]:
    """When refusals are read from now on. Nothing is undone: the process ends with the test."""
    times: list[float] = []
    original = FlowManager.upstream_refused

    def noting(*arguments: Any, **named: Any) -> Any:
        times.append(time.monotonic())
        return original(*arguments, **named)

    FlowManager.upstream_refused = noting  # type: ignore[method-assign]
    return times


@pytest.mark.parametrize("way", ["sessions", "fresh"])
@pytest.mark.parametrize("responses", [0, 1])
def test_a_killed_backend_costs_nothing_after_the_first_refusal(way: str, responses: int) -> None:
    need("ip")
    _killed(way, responses)


@in_namespace
def _killed(way: str, responses: int) -> None:
    refused_at = note_refusals()
    terms = FlowTerms(responses=responses)
    with (
        machine() as other,
        proxy(configuration(*BACKENDS, terms=terms, on_backend_down="move")) as p,
        Traffic(p.at, rate=RATE, clients=8, fresh=way == "fresh") as traffic,
    ):
        traffic.go_on(100)
        killed_at = time.monotonic()
        other.order(b"k")
        p.until(lambda p: not p.backends[0].up)
        down_after = time.monotonic() - killed_at
        traffic.go_on(400)
        traffic.hush()
        print(
            traffic.told(f"\nkill, {way}, responses = {responses}", refused_at[0]),
            f"; {len(refused_at)} refusals read, the first after"
            f" {refused_at[0] - killed_at:.3f} s, down after {down_after:.3f} s,"
            f" {p.listener.resent} resent",
            sep="",
        )
        assert traffic.lost_since(refused_at[0]) == []
        assert len(traffic.lost) <= 5, "what was in the dead process's socket"
        assert not traffic.strange
        assert p.listener.dropped == {}


@in_namespace
def test_many_sessions_whose_refusals_never_come() -> None:
    """100 clients ask at once: a few flows meet a refusal, and all have their answers."""
    refused_at = note_refusals()
    with (
        machine() as other,
        proxy(configuration(*BACKENDS, on_backend_down="move")) as p,
    ):
        clients = [Udp() for _ in range(100)]
        for number, client in enumerate(clients):
            assert client.ask(b"%d" % number, p.at) == b"%d" % number
        other.order(b"k")
        clients[0].sendto(b"the first to know", p.at)
        p.until(lambda p: p.backends[0].refusals == 2)
        assert p.backends[0].up
        blocked = p.look_away()
        for number, client in enumerate(clients):
            client.sendto(b"again %d" % number, p.at)
        blocked.set()
        assert clients[0].recv(100) == b"the first to know"
        for number, client in enumerate(clients):
            assert client.recv(100) == b"again %d" % number
        print(f"\n100 clients at once: {len(refused_at)} refusals, {p.listener.resent} resent")
        assert len(refused_at) < 20
        assert not any(client.waiting() for client in clients)


@in_namespace
def test_a_backend_on_trial_that_is_still_dead_costs_nothing() -> None:
    refused_at = note_refusals()
    health.EJECTION_S = 3.0
    terms = FlowTerms(responses=1)
    with (
        machine() as other,
        proxy(configuration(*BACKENDS, terms=terms, on_backend_down="move")) as p,
        Traffic(p.at, rate=RATE, fresh=True) as traffic,
    ):
        traffic.go_on(50)
        other.order(b"k")
        p.until(lambda p: p.backends[0].ejections == 2, "ejected again, on trial")
        assert p.backends[0].reason == "refused on trial, ejected for 6 s"
        traffic.go_on(50)
        traffic.hush()
        print(traffic.told("\nstill dead on trial", refused_at[0]))
        assert traffic.lost_since(refused_at[0]) == []


@in_namespace
def test_a_backend_that_comes_back_is_used_again() -> None:
    health.EJECTION_S = 1.0
    with (
        machine() as other,
        proxy(configuration(*BACKENDS, on_backend_down="move")) as p,
        Traffic(p.at, rate=RATE, fresh=True) as traffic,
    ):
        traffic.go_on(50)
        other.order(b"k")
        p.until(lambda p: not p.backends[0].up)
        other.order(b"r")
        p.until(lambda p: p.backends[0].standing == "trusted" and p.backends[0].ejections)
        before = p.backends[0].replies
        p.until(lambda p: p.backends[0].replies >= before + 20)
        assert p.backends[0].ejections == 1
        lost = traffic.hush()
        assert len(lost) <= 5


@pytest.mark.parametrize("way", ["link", "address"])
def test_a_machine_that_is_gone_is_noticed_by_a_probe(way: str) -> None:
    """Nobody there refuses, and Linux tells a connected socket nothing of a host unreachable."""
    _gone(way)


@in_namespace
def _gone(way: str) -> None:
    health_settings = HealthSettings(probe="udp", send=b"?", interval=0.3, timeout=0.3, fall=2)
    with (
        here() as survivor,
        machine() as other,
        proxy(
            configuration(BACKENDS[0], survivor, on_backend_down="move", health=health_settings)
        ) as p,
        Traffic(p.at, rate=RATE, clients=8) as traffic,
    ):
        events = Events(p.engine)
        traffic.go_on(50)
        gone_at = time.monotonic()
        other.order(b"d" if way == "link" else b"a")
        down = events.first(BackendWentDown)
        down_at = time.monotonic()
        assert (down.backend, down.reason) == ("b0", "2 udp probes timed out")
        traffic.go_on(200)
        traffic.hush()
        print(traffic.told(f"\n{way} gone", gone_at), f"; down after {down_at - gone_at:.2f} s")
        assert traffic.lost_since(down_at) == []
        assert down_at - gone_at < 2 * 0.3 + 0.3 + 3


@in_namespace
def test_a_route_that_is_gone_here_is_noticed_by_those_who_send() -> None:
    """The kernel says so at every send: three of those, and the flows move."""
    with (
        here() as survivor,
        machine(),
        proxy(configuration(BACKENDS[0], survivor, on_backend_down="move")) as p,
        Traffic(p.at, rate=RATE, clients=8) as traffic,
    ):
        events = Events(p.engine)
        traffic.go_on(50)
        gone_at = time.monotonic()
        ip("link set here down")
        down = events.first(BackendWentDown)
        down_at = time.monotonic()
        assert down.backend == "b0"
        traffic.go_on(200)
        traffic.hush()
        print(
            traffic.told("\nno route", gone_at),
            f"; down after {down_at - gone_at:.3f} s: {down.reason}; {p.listener.dropped} dropped",
        )
        assert traffic.lost_since(down_at) == []
        assert down.reason == "3 refusals, ejected for 5 s"
        assert len(traffic.lost) == p.listener.dropped["unreachable"] <= 10


@contextmanager
def here() -> Iterator[tuple[str, int]]:
    """A backend on this machine, in a process of its own."""
    with Udp() as server:
        child = os.fork()
        if child == 0:
            try:
                answer(server)
            finally:
                os._exit(1)
        try:
            yield server.name
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
