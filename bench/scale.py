"""Many flows on real sockets: what a datagram costs among them, what they weigh, how they end.

Generator, backends and proxy are processes of their own, each with at most 20,000 descriptors. The
clients live at 127.0.0.2 to .9, so that neither they nor the proxy run out of ports.

On all sides 100 datagrams are in flight, one per socket, in rotation: trains have the same length,
and only the number of flows differs.
"""

from __future__ import annotations

import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench.figures import Sample, Setting
from bench.machine import LOAD, MeasurementError, cpu_s, descriptors, process, resident_bytes
from bench.peers import OWN
from bench.stage import (
    Process,
    Proxy,
    backends,
    check,
    latency,
    load_command,
    number,
    proxy,
    read_result,
    scene_with,
)

MANY, FEW = 18_000, 100
IN_FLIGHT = 100
HOSTS = 8
KEPT_FREE = 500
"""Descriptors of the proxy and the generator for everything else."""
OPENING_S = 4.0
"""What opening many flows may take before the first of them may be idle."""
OTHERS = 5
"""Flows that are not the crowd's and may end before it: that of the first echo, for one."""
PROBES_PER_S = 1000
PROBE_WINDOW = 64
LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class ManyFlows:
    """So many live flows, of which `busy` carry the load; the rest is idle, and expires."""

    name: str
    flows: int
    busy: int

    def missing(self) -> str | None:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if hard != resource.RLIM_INFINITY and hard < self.flows + KEPT_FREE:
            return f"the hard descriptor limit is {hard}: {self.flows + KEPT_FREE} are needed"
        return OWN.missing()

    def take(self, setting: Setting) -> Sample:
        idle_s = setting.seconds + OPENING_S
        with ExitStack() as stack:
            those = stack.enter_context(backends("echo", setting.cores, 6 * setting.seconds))
            scene = scene_with(those.ports, idle_s=idle_s)
            started = stack.enter_context(proxy(OWN, scene, setting.cores))
            before = resident_bytes(started.process.pid)
            clients = stack.enter_context(self._clients(scene.port, setting))
            weight = (resident_bytes(started.process.pid) - before) / self.flows
            backend_before = cpu_s(those.process.pid)
            proxy_before = cpu_s(started.process.pid)
            result = _load(clients)
            proxy_s = cpu_s(started.process.pid) - proxy_before
            load_s = cpu_s(those.process.pid) - backend_before
            figures = {
                "cpu_us": proxy_s / number(result, "replies") * 1e6,
                "per_second": number(result, "per_second"),
                "proxy_core": proxy_s / number(result, "seconds"),
                "p99_us": latency(result, "p99") or 0.0,
            }
            raw: dict[str, object] = {"load": result, "backends_cpu_s": load_s}
            if self.busy < self.flows:
                figures["memory_kib"] = weight / 1024
                expired, probe = self._expire(started, idle_s, setting)
                figures["expiry_s"] = expired
                figures["longest_ms"] = (latency(probe, "max") or 0.0) / 1000
                raw["probe"] = probe
            return Sample(figures, raw=raw)

    @contextmanager
    def _clients(self, port: int, setting: Setting) -> Iterator[Process]:
        """The generator, once each of its sockets has its flow."""
        numbers = {"sockets": self.flows, "busy": self.busy, "in-flight": IN_FLIGHT, "hosts": HOSTS}
        words = ["closed", "--wait"]
        for name, value in numbers.items():
            words += [f"--{name}", str(value)]
        command = load_command(words, port, setting.seconds)
        core, pipe = setting.cores.load, subprocess.PIPE
        with process(command, core, stdin=pipe, stdout=pipe) as started:
            assert started.stdout
            if started.stdout.readline().strip() != "ready":
                raise MeasurementError(f"{LOAD.name} could not open {self.flows} flows")
            yield started

    def _expire(
        self, started: Proxy, idle_s: float, setting: Setting
    ) -> tuple[float, dict[str, object]]:
        """Seconds from the first idle flow's end to the last one's, and how a probe flow fared."""
        core, seconds = setting.cores.load, idle_s + OPENING_S
        probing = ["closed", "--sockets", "1", "--window", str(PROBE_WINDOW)]
        probing += ["--rate", str(PROBES_PER_S)]
        command = load_command(probing, started.port, seconds)
        with process(command, core, stdout=subprocess.PIPE) as probe:
            expired = _time_to_expire(started.process.pid, self.flows - self.busy, seconds)
            probe.send_signal(signal.SIGTERM)
            assert probe.stdout
            result = read_result(probe.stdout.read(), "closed")
        check(result)
        return expired, result


def _load(clients: Process) -> dict[str, object]:
    """Let the clients go on; what they print at their end."""
    assert clients.stdin
    assert clients.stdout
    clients.stdin.write("\n")
    clients.stdin.flush()
    result = read_result(clients.stdout.readline(), "closed")
    check(result)
    return result


def _time_to_expire(process_id: int, idle: int, within_s: float) -> float:
    """Seconds from the first idle flow's end to the last one's, as the descriptors tell."""
    deadline = time.monotonic() + within_s
    most, first = 0, None
    while (now := time.monotonic()) < deadline:
        left = descriptors(process_id)
        most = max(most, left)
        if first is None and left < most - OTHERS:
            first = now
        if first is not None and left <= most - idle:
            return now - first
        time.sleep(LOOK_S)
    raise MeasurementError(f"of {idle} idle flows {most - left} expired within {within_s:g} s")
