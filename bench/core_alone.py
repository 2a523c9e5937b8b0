"""The core alone: a flow manager, an injected clock, and a shell that answers at once.

No socket and no loop: what a train costs in a table of a million flows, what they weigh, how long
it takes to expire them, and the longest firing on the way.

Which flows the trains belong to matters more than how many there are: in rotation the next flow
stands near the one before, at random every train finds its flow out of the processor's caches, and
a few busy flows stay in them however many others there are. All three are told.

    python -m bench.core_alone FLOWS SECONDS      one measurement; a line of JSON
"""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from statistics import median

from bench.figures import Sample, Setting
from bench.machine import FOLDER, MeasurementError, resident_bytes
from udplb.core.address import parse_address
from udplb.core.cluster import Cluster
from udplb.core.commands import (
    CloseUpstream,
    Command,
    OpenUpstream,
    ReadUpstream,
    SendToBackend,
    SendToClient,
)
from udplb.core.counters import RecentDrops
from udplb.core.flow import ClientAddress, Flow
from udplb.core.limits import Capacity, OwnAddresses
from udplb.core.manager import FlowManager
from udplb.core.settings import BackendSettings, ClusterSettings, ListenerSettings
from udplb.core.train import Train
from udplb.engine.garbage import spare_the_datapath

PAYLOAD = b"\xa5" * 64
TRAIN = 8
"""Datagrams of a train: those of the row 16x8."""
PICKED = 20_000
"""Trains whose clients are picked, and their addresses made anew as recvfrom does, between two
looks at the clock."""
BUSY = 1_000
CLIENTS_PER_HOST = 50_000
ROUND_ADMISSIONS = 32
BACKENDS = 16
SECONDS_PER_ADMISSION = 1e-5
"""By the injected clock: flows are spread over time as if they had come one after the other."""
WITHIN_S = 300.0


def client_address(number: int) -> ClientAddress:
    """Made anew every time, as the kernel's answers are."""
    host, port = divmod(number, CLIENTS_PER_HOST)
    return (f"10.{host >> 16 & 255}.{host >> 8 & 255}.{host & 255}", 10_000 + port)


class Bench:
    """A listener's flow manager, and a shell to which everything goes well."""

    def __init__(self, flows: int) -> None:
        backends = tuple(
            BackendSettings(address=parse_address(f"192.0.2.{n + 1}:53"), name=f"b{n}")
            for n in range(BACKENDS)
        )
        settings = ClusterSettings(name="c", backends=backends)
        cluster = Cluster(settings, b"seed")
        preparation = cluster.prepare(settings)
        while not preparation.build(1024):
            pass
        cluster.settings_changed(0.0, preparation, 0.0)
        listener = ListenerSettings(name="l", address=parse_address("198.51.100.1:53"), cluster="c")
        self.manager = FlowManager(
            listener, cluster, Capacity(2 * flows), OwnAddresses(()), RecentDrops()
        )
        self.now = 0.0
        self.number_of_flows = flows
        self.flows: list[Flow] = []
        self.closed = 0
        self.datagrams = 0

    def carry_out(self, commands: Sequence[Command]) -> None:
        """What the shell does, without a kernel; every answer comes at once."""
        manager = self.manager
        for command in commands:
            if isinstance(command, SendToBackend | SendToClient):
                self.datagrams += command.train.count
            elif isinstance(command, OpenUpstream):
                self.flows.append(command.flow)
                self.carry_out(manager.upstream_opened(self.now, command.flow, command.train))
            elif isinstance(command, ReadUpstream):
                self.carry_out(manager.upstream_was_silent(self.now, command.flow))
            elif isinstance(command, CloseUpstream):
                self.closed += 1
            else:
                raise MeasurementError(f"the core asked for {command}")

    def fill(self) -> float:
        """Open all flows; seconds of CPU that took."""
        train = Train.of([PAYLOAD])
        began = time.process_time()
        for number in range(self.number_of_flows):
            if number % ROUND_ADMISSIONS == 0:
                self.manager.round_began()
            self.now += SECONDS_PER_ADMISSION
            self.carry_out(
                self.manager.client_train_received(self.now, client_address(number), None, train)
            )
        return time.process_time() - began

    def trains(self, order: Iterator[int]) -> float:
        """Seconds of CPU of PICKED trains, each with its reply; `order` says whose they are."""
        manager, flows = self.manager, self.flows
        picked = list(itertools.islice(order, PICKED))
        clients = [client_address(number) for number in picked]
        train = Train.of([PAYLOAD] * TRAIN)
        now, expected = self.now, self.datagrams + 2 * TRAIN * PICKED
        began = time.process_time()
        for number, client in zip(picked, clients, strict=True):
            self.carry_out(manager.client_train_received(now, client, None, train))
            self.carry_out(manager.backend_train_received(now, flows[number], train))
        took = time.process_time() - began
        if self.datagrams != expected:
            raise MeasurementError("the core did not hand on every train")
        return took

    def expire(self) -> tuple[float, float]:
        """Close all flows as idle: seconds in all, and of the longest firing."""
        self.flows.clear()
        total = longest = 0.0
        while (deadline := self.manager.next_deadline()) < inf:
            self.now = max(self.now, deadline)
            began = time.perf_counter()
            self.carry_out(self.manager.deadline_passed(self.now))
            took = time.perf_counter() - began
            total += took
            longest = max(longest, took)
        if self.closed != self.number_of_flows:
            raise MeasurementError(f"{self.closed} of {self.number_of_flows} flows closed")
        return total, longest


def orders(flows: int) -> dict[str, Iterator[int]]:
    """Whose train is next, by the name of the figure."""
    chance = random.Random(1)
    busy = range(0, flows, max(1, flows // BUSY))
    return {
        "train_us": itertools.cycle(range(flows)),
        "random_train_us": _for_ever(lambda: chance.randrange(flows)),
        "busy_train_us": _for_ever(lambda: chance.choice(busy)),
    }


def _for_ever(pick: Callable[[], int]) -> Iterator[int]:
    while True:
        yield pick()


def run(flows: int, seconds: float) -> dict[str, float]:
    """One measurement, in this process; each order has a third of the time."""
    bench = Bench(flows)
    spare_the_datapath()
    before = resident_bytes(os.getpid())
    filled_s = bench.fill()
    figures = {
        "memory_kib": (resident_bytes(os.getpid()) - before) / flows / 1024,
        "admit_us": filled_s / flows * 1e6,
    }
    for name, order in orders(flows).items():
        figures[name] = _cost(bench, order, seconds / 3)
    expired_s, longest_s = bench.expire()
    return {**figures, "expiry_s": expired_s, "longest_ms": longest_s * 1e3}


def _cost(bench: Bench, order: Iterator[int], seconds: float) -> float:
    """µs of CPU per train and its reply."""
    bench.trains(order)  # warms up
    taken: list[float] = []
    until = time.perf_counter() + seconds
    while not taken or time.perf_counter() < until:
        taken.append(bench.trains(order))
    return median(taken) / PICKED * 1e6


@dataclass(frozen=True, slots=True)
class CoreAlone:
    """A table of so many flows, in a process of its own on the proxy's core."""

    name: str
    flows: int

    def missing(self) -> str | None:
        return None

    def take(self, setting: Setting) -> Sample:
        arguments = [str(self.flows), str(setting.seconds)]
        command = [sys.executable, "-m", "bench.core_alone", *arguments]
        try:
            done = subprocess.run(
                ["taskset", "-c", str(setting.cores.proxy), *command],
                capture_output=True,
                text=True,
                check=False,
                timeout=setting.seconds + WITHIN_S,
                cwd=FOLDER.parent,
            )
        except subprocess.TimeoutExpired:
            raise MeasurementError(f"{self.flows} flows took more than {WITHIN_S:g} s") from None
        if done.returncode:
            raise MeasurementError(f"{' '.join(command)} failed: {done.stderr[-2000:].strip()}")
        figures: dict[str, float] = json.loads(done.stdout)
        return Sample(figures)


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]), float(sys.argv[2]))))
