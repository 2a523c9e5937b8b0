"""One measurement: start backends and a peer, wait until it forwards, load it, read the clocks."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.machine import (
    LOAD,
    Cores,
    MeasurementError,
    cpu_s,
    end,
    free_port,
    process,
    wait_for_echo,
)
from bench.peers import Peer, Scene
from bench.rows import Metric, Row

BACKENDS = 2
START_WITHIN_S = 15.0
SETTLE_S = 0.3  # for what is still queued behind a one-way load


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run of one peer gave. None: there was none (no proxy, no replies)."""

    value: float | None  # in the row's metric
    per_second: float  # replies, or datagrams that the sink got
    proxy_core: float  # share of its core that the proxy used, 0 to 1
    load_core: float  # the same for load and backends together
    start_s: float  # to the first forwarded datagram
    delivered: int
    lost: int
    wrong: int
    p50_us: float | None
    p99_us: float | None
    raw: dict[str, object]


def number(result: dict[str, object], key: str) -> float:
    value = result[key]
    assert isinstance(value, int | float), f"bench/load prints a number for {key}"
    return float(value)


def read_result(text: str, command: str) -> dict[str, object]:
    try:
        result = json.loads(text)
    except ValueError:
        raise MeasurementError(f"load {command} printed no result: {text!r}") from None
    assert isinstance(result, dict)
    return result


def measure(peer: Peer, row: Row, seconds: float, cores: Cores) -> Sample:
    """Raises MeasurementError if the peer does not start or the load does not end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="udplb-bench-")))
        backend, ports = start_backends(stack, row, seconds, cores)
        errors = stack.enter_context((folder / "stderr").open("w+"))
        scene = Scene(free_port(), ports, row.responses)
        port, proxy, began = ports[0], backend, time.monotonic()
        if peer.command:
            port = scene.port
            command = peer.command(scene, folder)
            proxy = stack.enter_context(process(command, cores.proxy, errors))
        try:
            wait_for_echo(("127.0.0.1", port), proxy, START_WITHIN_S)
            start_s = time.monotonic() - began
            return run_load(row, (proxy, backend), port, (seconds, start_s), cores)
        except MeasurementError as error:
            errors.seek(0)
            said = errors.read()[-2000:].strip()
            raise MeasurementError(f"{error}; it said: {said}" if said else str(error)) from None


def start_backends(
    stack: ExitStack, row: Row, seconds: float, cores: Cores
) -> tuple[subprocess.Popen[str], tuple[int, ...]]:
    kind, count = ("sink", 1) if row.one_way else ("echo", BACKENDS)
    life = str(seconds + START_WITHIN_S + 30)  # should this script be killed
    command = [str(LOAD), kind, *["--port", "0"] * count, "--seconds", life]
    backend = stack.enter_context(process(command, cores.load, stdout=subprocess.PIPE))
    assert backend.stdout
    words = backend.stdout.readline().split()
    if words[:1] != ["ready"]:
        raise MeasurementError(f"load {kind} did not start")
    return backend, tuple(int(word) for word in words[1:])


def run_load(
    row: Row,
    processes: tuple[subprocess.Popen[str], subprocess.Popen[str]],
    port: int,
    times_s: tuple[float, float],
    cores: Cores,
) -> Sample:
    proxy, backend = processes
    seconds, start_s = times_s
    target = ["--target", f"127.0.0.1:{port}", "--seconds", str(seconds)]
    proxy_before, backend_before = cpu_s(proxy.pid), cpu_s(backend.pid)
    # A one-way sender never waits: with the lowest priority it leaves the sink the time it needs,
    # and offers as much as the rest of the core allows.
    polite = ["nice", "-n", "19"] if row.one_way else []
    try:
        done = subprocess.run(
            [*polite, "taskset", "-c", str(cores.load), str(LOAD), *row.load, *target],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 20,
        )
    except subprocess.TimeoutExpired:
        raise MeasurementError(f"load {row.load[0]} did not end") from None
    if done.returncode:
        raise MeasurementError(f"load {row.load[0]} failed: {done.stderr.strip()}")
    if row.one_way:
        time.sleep(SETTLE_S)
    proxy_s = cpu_s(proxy.pid) - proxy_before if proxy is not backend else 0.0
    backend_s = cpu_s(backend.pid) - backend_before
    sent = read_result(done.stdout, row.load[0])
    load_s = number(sent, "cpu_user_s") + number(sent, "cpu_system_s")
    return evaluate(
        row,
        sent,
        sink_result(backend) if row.one_way else None,
        Clocks(proxy_s, backend_s + load_s, start_s, proxy is not backend),
    )


@dataclass(frozen=True, slots=True)
class Clocks:
    proxy_s: float
    load_s: float  # load and backends
    start_s: float
    proxied: bool


def sink_result(sink: subprocess.Popen[str]) -> dict[str, object]:
    sink.send_signal(signal.SIGTERM)
    assert sink.stdout
    text = sink.stdout.read()
    end(sink)
    return read_result(text, "sink")


def evaluate(
    row: Row, sent: dict[str, object], sunk: dict[str, object] | None, clocks: Clocks
) -> Sample:
    result = sunk or sent
    delivered = int(number(result, "datagrams" if sunk else "replies"))
    value = number(sunk, "gbit_s") if sunk else None
    if row.metric is Metric.CPU_PER_REPLY and clocks.proxied and delivered:
        value = clocks.proxy_s / delivered * 1e6
    seconds = number(sent, "seconds")  # without the wait for what is still owed at the end
    latency = sent.get("latency_us")
    assert latency is None or isinstance(latency, dict)
    return Sample(
        value=value,
        per_second=delivered / seconds,
        proxy_core=clocks.proxy_s / seconds,
        load_core=clocks.load_s / seconds,
        start_s=clocks.start_s,
        delivered=delivered,
        lost=int(number(sent, "datagrams")) - delivered if sunk else int(number(sent, "lost")),
        wrong=int(number(result, "wrong")),
        p50_us=latency["p50"] if latency else None,
        p99_us=latency["p99"] if latency else None,
        raw={"load": sent, "sink": sunk, "proxy_cpu_s": clocks.proxy_s},
    )
