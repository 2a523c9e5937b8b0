"""Real programs for the end-to-end tests: udplb itself, and the load generator of bench/."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from tests.harness import REPOSITORY, Udp, need, until

LOAD = REPOSITORY / "bench" / "load"


_PORTS = cycle(range(6_000))


def free_port(host: str = "0.0.0.0") -> int:
    """A port below the ephemeral range, where no other test's socket appears by chance.

    Each call gives another one: the last may not be bound yet.
    """
    # Workers of pytest-xdist look at the same time: each in a range of its own.
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 2
    begin = 20_000 + 6_000 * worker
    for step in islice(_PORTS, 6_000):
        port = begin + (os.getpid() + step) % 6_000
        try:
            with Udp(host, port):
                return port
        except OSError:
            continue
    raise AssertionError("no free port")


def load_path() -> str:
    """The load generator, built if it is not there or stale."""
    sources = (REPOSITORY / "bench").glob("load*.[ch]")
    newest = max(source.stat().st_mtime for source in sources)
    if not LOAD.exists() or LOAD.stat().st_mtime < newest:
        need("cc")
        subprocess.run(["make", "--quiet", "bench/load"], cwd=REPOSITORY, check=True)
    return str(LOAD)


def load(*arguments: object, timeout_s: float = 60) -> dict[str, Any]:
    """Run the load generator to its end; its results."""
    done = subprocess.run(
        [load_path(), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return results


@contextmanager
def process(
    command: Sequence[object],
    ready: str | None = None,
    *,
    stdin: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """A program for as long as the block lasts; `ready` is how the line begins that says it is."""
    running = subprocess.Popen(
        list(map(str, command)),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env=environment,
    )
    assert running.stdout is not None
    assert running.stderr is not None
    try:
        while ready is not None:
            line = running.stdout.readline()
            if line.startswith(ready):
                break
            assert line, f"{command[0]} ended: {running.stderr.read()}"
        yield running
    finally:
        running.kill()
        running.wait()
        for pipe in (running.stdin, running.stdout, running.stderr):
            if pipe is not None:
                pipe.close()


@contextmanager
def udplb(
    folder: Path,
    port: int,
    backends: Sequence[int],
    *,
    engine: str = "",
    cluster: str = "",
    host: str = "127.0.0.1",
    addresses: Sequence[str] = (),
) -> Iterator[subprocess.Popen[str]]:
    """`udplb run --headless` before these backends, with more lines for two of its tables.

    Backends are ports of 127.0.0.1, or whole `addresses`.
    """
    lines = [
        "[engine]",
        'metrics_address = "off"',
        'control_socket = "off"',
        engine,
        "[[listeners]]",
        'name = "e2e"',
        f'address = "{host}:{port}"',
        'cluster = "e2e"',
        "[clusters.e2e]",
        'balance = "round_robin"',
        cluster,
    ]
    for address in (*(f"127.0.0.1:{backend}" for backend in backends), *addresses):
        lines += ["[[clusters.e2e.backends]]", f'address = "{address}"']
    file = folder / "udplb.toml"
    file.write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "udplb", "run", "--headless", "-c", file]
    with process(command, "metrics") as running:
        yield running
        until(lambda: running.poll() is None or running.returncode == 0)


def descriptors(pid: int) -> int:
    """How many descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_bytes(pid: int) -> int:
    """The resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def cpu_s(pid: int) -> float:
    """The processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
