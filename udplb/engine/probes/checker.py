"""The health checker: probes the backends of every cluster, and tells the clusters what it learnt.

It lives on the engine's loop with raw non-blocking sockets, one poller of its own and one timer.
Nothing here blocks, and no turn does more than `STEPS_PER_TURN` of anything, so that probes of a
thousand backends never hold up a datagram for long.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from math import inf
from typing import Protocol

from udplb.core.backend import Backend
from udplb.core.proxy_protocol import LOCAL
from udplb.core.settings import ClusterSettings, HealthSettings
from udplb.engine.addresses import SocketAddress
from udplb.engine.poller import Poller, new_poller
from udplb.engine.probes.attempt import Attempt, NotMadeError, TcpAttempt, UdpAttempt
from udplb.engine.probes.exchange import Exchange, Judgement
from udplb.engine.probes.exchanges import EXCHANGES
from udplb.engine.probes.schedule import Place, Schedule

STEPS_PER_TURN = 16
"""Probes that are started, answered or given up in one turn of the loop: about half a
millisecond of each."""
TICK_S = 0.002
"""The timer's grain: whatever is due within it is done in one turn."""

_DEFAULTS = HealthSettings()
_NOT_OF_PROBES = (
    "rise", "fall", "fail_open", "passive", "refusals", "refusal_window", "eject_below",
)  # fmt: skip
"""Health settings that concern the results alone."""


class ProbedCluster(Protocol):
    """What the checker needs of a cluster."""

    @property
    def settings(self) -> ClusterSettings:
        """Its settings now."""

    @property
    def backends(self) -> Sequence[Backend]:
        """Its backends now."""

    def probe_succeeded(
        self, now: float, backend: Backend, started_at: float, latency_s: float
    ) -> None:
        """A probe of `backend`, begun at `started_at`, had its answer after `latency_s`."""

    def probe_failed(self, now: float, backend: Backend, why: str) -> None:
        """A probe of `backend` had no answer; `why` reads behind "3 dns probes "."""


class Plan:
    """How the backends of one cluster are probed."""

    __slots__ = ("exchange", "header", "interval", "port", "settings", "timeout")

    def __init__(self, settings: ClusterSettings) -> None:
        health = settings.health
        self.settings = _of_probes(settings)
        self.exchange: Exchange | None = None
        """None: a tcp probe."""
        if health.probe in EXCHANGES:
            self.exchange = EXCHANGES[health.probe](health)
        self.header = LOCAL if settings.terms.proxy_protocol != "off" else b""
        self.interval = health.interval
        self.timeout = health.timeout
        self.port = health.port

    def attempt(
        self,
        backend: SocketAddress,
        now: float,
        tokens: Callable[[int], bytes],
        draw_port: Callable[[], int] | None,
    ) -> Attempt:
        """A probe of this backend, not started yet. Raises NotMadeError."""
        host, port = backend
        target = host, self.port or port
        if self.exchange is None:
            return TcpAttempt(target, now)
        token = tokens(self.exchange.token_bytes)
        return UdpAttempt(target, now, self.exchange, token, self.header, draw_port)


class Probing(Place):
    """One backend that is probed."""

    __slots__ = ("attempt", "backend", "cluster", "plan")

    def __init__(self, cluster: ProbedCluster, backend: Backend, plan: Plan) -> None:
        super().__init__(plan.interval, plan.timeout)
        self.cluster = cluster
        self.backend = backend
        self.plan = plan
        self.attempt: Attempt | None = None
        """The probe on its way."""


class HealthChecker:
    """Probes what it follows until it is stopped. For the loop's own thread only."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float] = time.monotonic,
        *,
        ports: Sequence[int] = (),
        chance: Callable[[], float] | None = None,
        tokens: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Raises OSError if there is no descriptor left.

        `ports`: the local ports of probes over UDP; empty: the kernel chooses. They should be none
        that flows get, lest a probe's late reply reaches a client (KERNEL.md 2).
        `chance` gives numbers from 0 to below 1.
        """
        self.most_in_flight = 0
        self.made = 0
        """Probes that were started."""
        self.not_made = 0
        """Probes that were due, and could not be made for our own lack of something."""
        self._loop = loop
        self._clock = clock
        self._tokens = tokens
        self._draw_port = partial(random.Random().choice, ports) if ports else None
        self._schedule: Schedule[Probing] = Schedule(chance or random.Random().random)
        self._followed: dict[ProbedCluster, dict[Backend, Probing]] = {}
        self._by_descriptor: dict[int, Probing] = {}
        self._timer: asyncio.Handle | None = None
        self._timer_at = inf
        self._poller: Poller = new_poller()
        loop.add_reader(self._poller.fileno(), self._ready)

    @property
    def in_flight(self) -> int:
        """Probes on their way, each with a socket."""
        return len(self._by_descriptor)

    def sockets_on(self, port: int) -> list[socket.socket]:
        """The UDP sockets of probes on their way that are bound to this local port."""
        attempts = [each.attempt for each in self._by_descriptor.values()]
        return [
            attempt.sock
            for attempt in attempts
            if isinstance(attempt, UdpAttempt) and attempt.sock.getsockname()[1] == port
        ]

    # What is probed

    def follow(self, cluster: ProbedCluster) -> None:
        """Probe the backends of this cluster as its settings want it, from now on.

        To be called again when its settings or backends have changed: probes of backends that are
        gone, and all of them where the way of probing is another, end without a result.
        """
        if cluster.settings.health.probe == "off":
            self.forget(cluster)
            return
        before = self._followed.get(cluster, {})
        plan = next((each.plan for each in before.values()), None)
        if plan is None or plan.settings != _of_probes(cluster.settings):
            plan = Plan(cluster.settings)
        now = self._clock()
        followed: dict[Backend, Probing] = {}
        for backend in cluster.backends:
            probing = before.get(backend)
            if probing is None or probing.plan is not plan:
                probing = Probing(cluster, backend, plan)
                self._schedule.enter(now, probing)
            followed[backend] = probing
        for backend, probing in before.items():
            if followed.get(backend) is not probing:
                self._drop(probing)
        self._followed[cluster] = followed
        self._arm()

    def forget(self, cluster: ProbedCluster) -> None:
        """Probe this cluster no longer; its probes end without a result."""
        for probing in self._followed.pop(cluster, {}).values():
            self._drop(probing)
        self._arm()

    def stop(self) -> None:
        """End everything, and close all sockets."""
        for cluster in list(self._followed):
            self.forget(cluster)
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._poller.fileno())
        self._poller.close()

    def _drop(self, probing: Probing) -> None:
        self._schedule.leave(probing)
        self._close(probing)

    # Turns of the loop

    def _arm(self) -> None:
        """Let the one timer fire when there is something to do."""
        now = self._clock()
        at = self._schedule.next_time(now)
        if self._timer is not None:
            if self._timer_at <= at:
                return  # it fires in time, or early and arms itself anew
            self._timer.cancel()
            self._timer = None
        if at < inf:
            self._timer_at = at
            # "At once" is the loop's next turn: sockets that are readable have theirs in between.
            self._timer = (
                self._loop.call_later(max(at - now, TICK_S), self._turn)
                if at > now
                else self._loop.call_soon(self._turn)
            )

    def _turn(self) -> None:
        """Give up what has had its time, then start what is due."""
        self._timer = None
        for probing in self._schedule.advance(self._clock(), STEPS_PER_TURN):
            attempt = probing.attempt
            if attempt is not None:  # else a cluster was forgotten while another was told
                # A loop that was held up has not read yet what came in time.
                self._settle(probing, self._clock(), attempt.look() or attempt.gave_up())
        for _ in range(STEPS_PER_TURN):
            now = self._clock()
            started = self._schedule.start_next(now)
            if started is None:
                break
            self._start(started, now)
        self._arm()

    def _ready(self) -> None:
        """Some probes have something to read."""
        now = self._clock()
        for fd, _ in self._poller.poll(STEPS_PER_TURN):
            # The owner is looked up now: a probe told before may have ended this one.
            probing = self._by_descriptor.get(fd)
            if probing is not None and probing.attempt is not None:
                judgement = probing.attempt.look()
                if judgement is not None:
                    self._settle(probing, now, judgement)
        self._arm()

    # One probe

    def _start(self, probing: Probing, now: float) -> None:
        try:
            attempt = probing.plan.attempt(
                probing.backend.socket_address, now, self._tokens, self._draw_port
            )
            probing.attempt = attempt
            judgement = attempt.start(self._clock)
            if judgement is None:
                self._watch(probing, attempt)
        except NotMadeError:
            self.not_made += 1
            self._close(probing)
            self._schedule.ended(now, probing)
            return
        self.made += 1
        if judgement is not None:
            self._settle(probing, self._clock(), judgement)

    def _watch(self, probing: Probing, attempt: Attempt) -> None:
        """Raises NotMadeError."""
        fd = attempt.sock.fileno()
        try:
            self._poller.watch(fd)
            if isinstance(attempt, TcpAttempt):
                self._poller.watch_writable(fd, True)
        except OSError as error:
            raise NotMadeError from error
        self._by_descriptor[fd] = probing
        self.most_in_flight = max(self.most_in_flight, len(self._by_descriptor))

    def _settle(self, probing: Probing, now: float, judgement: Judgement) -> None:
        """The probe is over: close it, see to the next one, and then tell the cluster."""
        attempt = probing.attempt
        assert attempt is not None
        self._close(probing)
        self._schedule.ended(now, probing)
        if judgement.good:
            latency = now - attempt.sent_at
            probing.cluster.probe_succeeded(now, probing.backend, attempt.started_at, latency)
        else:
            probing.cluster.probe_failed(now, probing.backend, judgement.why)

    def _close(self, probing: Probing) -> None:
        attempt, probing.attempt = probing.attempt, None
        if attempt is None:
            return
        fd = attempt.sock.fileno()
        if self._by_descriptor.pop(fd, None) is not None:
            with suppress(OSError):
                self._poller.forget(fd)
        attempt.close()


def _of_probes(settings: ClusterSettings) -> tuple[HealthSettings, bool]:
    """What of the settings decides how a cluster is probed: when it changes, probes start anew."""
    unused = {name: getattr(_DEFAULTS, name) for name in _NOT_OF_PROBES}
    return replace(settings.health, **unused), settings.terms.proxy_protocol != "off"
