"""What every measurement with real sockets stands on: backends, a proxy, and a load through it."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Cores
from bench.machine import LOAD, MeasurementError, end, free_port, process, wait_for_echo
from bench.peers import Peer, Scene

BACKENDS = 2
START_WITHIN_S = 15.0
LOAD_ENDS_WITHIN_S = 20.0
ORPHANS_END_AFTER_S = 60.0
"""Backends of a script that was killed."""

Result = dict[str, object]
Process = subprocess.Popen[str]


def number(result: Result, key: str) -> float:
    """A number of what bench/load printed."""
    value = result[key]
    assert isinstance(value, int | float), f"bench/load prints a number for {key}"
    return float(value)


def latency(result: Result, key: str) -> float | None:
    """A percentile in µs; None: nothing came back, or it was one way."""
    found = result.get("latency_us")
    assert found is None or isinstance(found, dict)
    return float(found[key]) if found and result["replies"] else None


def read_result(text: str, command: str) -> Result:
    """The line that bench/load printed. Raises MeasurementError."""
    try:
        result = json.loads(text)
    except ValueError:
        raise MeasurementError(f"load {command} printed no result: {text!r}") from None
    assert isinstance(result, dict)
    return result


def check(result: Result, *, replies: bool = True) -> None:
    """Every byte was verified: raises MeasurementError if one was wrong, or nothing came."""
    if result["wrong"]:
        raise MeasurementError(f"{result['wrong']} wrong datagrams: {result}")
    if replies and not result["replies"]:
        raise MeasurementError(f"no replies: {result}")


@dataclass(frozen=True, slots=True)
class Backends:
    process: Process
    ports: tuple[int, ...]


@contextmanager
def backends(kind: str, cores: Cores, seconds: float) -> Iterator[Backends]:
    """bench/load as `echo`, or as the `sink` of one-way traffic."""
    count = 1 if kind == "sink" else BACKENDS
    life = str(seconds + ORPHANS_END_AFTER_S)
    command = [str(LOAD), kind, *["--port", "0"] * count, "--seconds", life]
    with process(command, cores.load, stdout=subprocess.PIPE) as started:
        assert started.stdout
        words = started.stdout.readline().split()
        if words[:1] != ["ready"]:
            raise MeasurementError(f"load {kind} did not start")
        yield Backends(started, tuple(int(word) for word in words[1:]))


def sink_result(sink: Process) -> Result:
    """Ends the sink; what it got."""
    sink.send_signal(signal.SIGTERM)
    assert sink.stdout
    text = sink.stdout.read()
    end(sink)
    return read_result(text, "sink")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A peer that forwards."""

    process: Process
    port: int
    folder: Path
    start_s: float
    """To the first forwarded datagram."""


@contextmanager
def proxy(peer: Peer, scene: Scene, cores: Cores) -> Iterator[Proxy]:
    """The peer on a core of its own, forwarding. What it said is part of a MeasurementError."""
    assert peer.command
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="udplb-bench-")))
        errors = stack.enter_context((folder / "stderr").open("w+"))
        command = peer.command(scene, folder)
        began = time.monotonic()
        started = stack.enter_context(process(command, cores.proxy, errors))
        try:
            wait_for_echo(("127.0.0.1", scene.port), started, START_WITHIN_S)
            yield Proxy(started, scene.port, folder, time.monotonic() - began)
        except MeasurementError as error:
            errors.seek(0)
            said = errors.read()[-2000:].strip()
            raise MeasurementError(f"{error}; it said: {said}" if said else str(error)) from None


def scene_with(ports: tuple[int, ...], *, responses: int = 0, idle_s: float = 30.0) -> Scene:
    """A scene at a free port."""
    return Scene(free_port(), ports, responses=responses, idle_s=idle_s)


def load_command(load: Sequence[str], port: int, seconds: float) -> list[str]:
    return [str(LOAD), *load, "--target", f"127.0.0.1:{port}", "--seconds", str(seconds)]


def run_load(
    load: Sequence[str], port: int, seconds: float, core: int, *, polite: bool = False
) -> Result:
    """Load the port; what bench/load says. Raises MeasurementError.

    `polite`: with the lowest priority, for a sender that never waits.
    """
    nice = ["nice", "-n", "19"] if polite else []
    try:
        done = subprocess.run(
            [*nice, "taskset", "-c", str(core), *load_command(load, port, seconds)],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + LOAD_ENDS_WITHIN_S,
        )
    except subprocess.TimeoutExpired:
        raise MeasurementError(f"load {load[0]} did not end") from None
    if done.returncode:
        raise MeasurementError(f"load {load[0]} failed: {done.stderr.strip()}")
    return read_result(done.stdout, load[0])
