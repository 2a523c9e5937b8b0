"""Peers under a load: what a datagram costs them, how many pass, and how fast they start."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace

from bench.beside import COMPANIONS, accompany
from bench.figures import Sample, Setting
from bench.machine import cpu_s
from bench.peers import Peer
from bench.stage import (
    Backends,
    Result,
    backends,
    check,
    latency,
    number,
    proxy,
    run_load,
    scene_with,
    sink_result,
)

SETTLE_S = 0.3
"""For what is still queued behind a one-way load."""
BUSY = 0.95
"""Of a core: whoever uses that much of it could do no more."""


@dataclass(frozen=True, slots=True)
class Load:
    """A command of bench/load and its arguments, without target and time."""

    words: tuple[str, ...]
    responses: int = 0
    """Replies that end a flow; 0: any number."""
    one_way: bool = False
    new_flows: bool = False
    """Every query is a flow of its own."""


@dataclass(frozen=True, slots=True)
class Forwarding:
    """One peer under one load; `beside`: who watches it, besides whom the setting names."""

    name: str
    peer: Peer
    load: Load
    beside: tuple[str, ...] = ()

    def missing(self) -> str | None:
        reasons = [COMPANIONS[name].missing() for name in self.beside]
        return self.peer.missing() or next(filter(None, reasons), None)

    def take(self, setting: Setting) -> Sample:
        with ExitStack() as stack:
            kind = "sink" if self.load.one_way else "echo"
            those = stack.enter_context(backends(kind, setting.cores, setting.seconds))
            if self.peer.command is None:
                return self._load(setting, those, None, those.ports[0])
            scene = scene_with(those.ports, responses=self.load.responses)
            watchers = [*self.beside, *setting.beside] if self.peer.watched else []
            for name in watchers:
                scene = COMPANIONS[name].prepare(scene)
            started = stack.enter_context(proxy(self.peer, scene, setting.cores))
            for name in dict.fromkeys(watchers):
                stack.enter_context(accompany(name, scene, started.folder, setting.cores.load))
            sample = self._load(setting, those, started.process.pid, scene.port)
            return replace(sample, figures={**sample.figures, "start_s": started.start_s})

    def _load(self, setting: Setting, those: Backends, proxied: int | None, port: int) -> Sample:
        proxy_before = cpu_s(proxied) if proxied else 0.0
        backend_before = cpu_s(those.process.pid)
        # A one-way sender never waits: with the lowest priority it leaves the sink the time it
        # needs, and offers as much as the rest of the core allows.
        words, polite = self.load.words, self.load.one_way
        sent = run_load(words, port, setting.seconds, setting.cores.load, polite=polite)
        if polite:
            time.sleep(SETTLE_S)
        proxy_s = cpu_s(proxied) - proxy_before if proxied else None
        load_s = cpu_s(those.process.pid) - backend_before
        load_s += number(sent, "cpu_user_s") + number(sent, "cpu_system_s")
        sunk = sink_result(those.process) if polite else None
        return evaluate(self.load, sent, sunk, proxy_s, load_s)


def evaluate(
    load: Load, sent: Result, sunk: Result | None, proxy_s: float | None, load_s: float
) -> Sample:
    """The sample of what generator and sink printed, and of the CPU seconds that passed."""
    result = sunk or sent
    check(result, replies=sunk is None)  # one way, 0 Gbit/s is a figure
    delivered = number(result, "datagrams" if sunk else "replies")
    offered = number(sent, "datagrams") if sunk else delivered + number(sent, "lost")
    seconds = number(sent, "seconds")  # without the wait for what is still owed at the end
    figures = {
        "datagrams_per_s" if sunk else "per_second": delivered / seconds,
        "load_core": load_s / seconds,
        "lost_share": 1 - delivered / offered if offered else 0.0,
    }
    if load.new_flows:
        figures["new_flows_per_s"] = figures["per_second"]
    if sunk:
        figures["gbit_s"] = number(sunk, "gbit_s")
    for key in ("p50", "p99"):
        if (found := latency(sent, key)) is not None:
            figures[f"{key}_us"] = found
    if proxy_s is not None:
        figures["proxy_core"] = proxy_s / seconds
        if delivered:
            figures["datagram_us" if sunk else "cpu_us"] = proxy_s / delivered * 1e6
    raw = {"load": sent, "sink": sunk, "proxy_cpu_s": proxy_s}
    return Sample(figures, limited(figures, one_way=load.one_way), raw)


def limited(figures: dict[str, float], *, one_way: bool) -> str:
    """Whether generator and backends were the bottleneck: their own idle share tells."""
    if "proxy_core" not in figures or figures["load_core"] < BUSY:
        return ""
    if one_way:
        # The sender never waits: that its core is full says nothing unless all of it arrived.
        return "load and sink could do no more" if figures["lost_share"] < 0.01 else ""
    return "the load could do no more" if figures["proxy_core"] < BUSY else ""


@dataclass(frozen=True, slots=True)
class Start:
    """How long a peer takes from nothing to its first forwarded datagram."""

    name: str
    peer: Peer

    def missing(self) -> str | None:
        return self.peer.missing()

    def take(self, setting: Setting) -> Sample:
        with (
            backends("echo", setting.cores, setting.seconds) as those,
            proxy(self.peer, scene_with(those.ports), setting.cores) as started,
        ):
            return Sample({"start_s": started.start_s})
