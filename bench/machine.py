"""What the measurements need of the machine: two cores, processes on them, their CPU and memory."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from bench.figures import Cores

FOLDER = Path(__file__).resolve().parent
LOAD = FOLDER / "load"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
RECEIVE_BUFFER = 4 * 1024 * 1024


class MeasurementError(Exception):
    """A figure could not be taken. That is no bad figure, it is none."""


def choose_cores() -> Cores:
    """The first two cores that this process may use: `taskset -c 2,4` chooses others."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise MeasurementError("two cores are needed: one for the proxy, one for the load")
    return Cores(allowed[0], allowed[1])


def build_load() -> None:
    """Compile bench/load unless it is newer than its sources."""
    source = FOLDER / "load.c"
    newest = max(each.stat().st_mtime for each in (source, *FOLDER.glob("load*.h")))
    if LOAD.exists() and LOAD.stat().st_mtime >= newest:
        return
    command = ["cc", "-O2", "-Wall", "-Wextra", "-o", str(LOAD), str(source)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise MeasurementError("no C compiler: install gcc, or build bench/load") from None
    if done.returncode:
        raise MeasurementError(f"{' '.join(command)} failed:\n{done.stderr}")


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    """A port that nobody has, below the range from which the kernel deals out ports."""
    for _ in range(100):
        port = random.randint(20_000, 30_000)
        with socket.socket(socket.AF_INET, kind) as attempt:
            try:
                attempt.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise MeasurementError("no free port from 20000 to 30000")


@contextmanager
def process(
    command: list[str],
    core: int,
    stderr: IO[str] | None = None,
    stdout: int = subprocess.DEVNULL,
    stdin: int = subprocess.DEVNULL,
) -> Iterator[subprocess.Popen[str]]:
    """Run a command on one core, in a process group of its own that ends with the block."""
    started = subprocess.Popen(
        ["taskset", "-c", str(core), *command],
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        text=True,
        start_new_session=True,
        cwd=FOLDER.parent,
    )
    try:
        yield started
    finally:
        end(started)
        for pipe in (started.stdout, started.stdin):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()


def end(started: subprocess.Popen[str]) -> None:
    """Ask twice (the first time udplb drains, the second time it stops), then insist."""
    for patience_s in (0.2, 1.0):
        if started.poll() is not None:
            break
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(patience_s)
        except subprocess.TimeoutExpired:
            continue
    with suppress(ProcessLookupError):
        os.killpg(started.pid, signal.SIGKILL)  # also workers that outlived their master
    started.wait()


def cpu_s(root: int) -> float:
    """User and system time of a process, its threads and all its descendants, ended ones too."""
    ticks: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue  # it ended in this moment
        # proc(5): behind the name, which may hold anything, come state, ppid, ..., utime (12th),
        # stime, cutime, cstime
        fields = stat.rpartition(")")[2].split()
        pid = int(entry.name)
        ticks[pid] = sum(int(field) for field in fields[11:15])
        children.setdefault(int(fields[1]), []).append(pid)
    if root not in ticks:
        raise MeasurementError(f"process {root} has ended")
    family, total = [root], 0
    while family:
        pid = family.pop()
        total += ticks[pid]
        family += children.get(pid, [])
    return total / TICKS_PER_S


def core_s(core: int) -> float:
    """Seconds in which the core worked for processes, or the hypervisor for somebody else."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            # proc(5): user, nice, system, idle, iowait, irq, softirq, steal. What interrupts do in
            # a process's time counts as that process's own, too.
            user, nice, system, _, _, *others = map(int, fields[:8])
            return (user + nice + system + sum(others)) / TICKS_PER_S
    raise MeasurementError(f"no core {core} in /proc/stat")


class Others:
    """What processes use of the two cores that this one did not start, from now on."""

    def __init__(self, cores: Cores) -> None:
        self._cores = (cores.proxy, cores.load)
        self._began = time.monotonic()
        self._before_s = self._used_s()

    def _used_s(self) -> float:
        return sum(map(core_s, self._cores)) - cpu_s(os.getpid())

    def share(self) -> float:
        """Of one core; 2 would be both."""
        return max(0.0, (self._used_s() - self._before_s) / (time.monotonic() - self._began))


def resident_bytes(process_id: int) -> int:
    """What the process has in memory (its sockets' memory is the kernel's)."""
    pages = int(Path(f"/proc/{process_id}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def descriptors(process_id: int) -> int:
    """How many descriptors the process has open."""
    folder = f"/proc/{process_id}/fd"
    # Linux 6.2 and newer tell it as the folder's size; counting 18,000 names takes 10 ms.
    return os.stat(folder).st_size or len(os.listdir(folder))


def wait_for_echo(
    address: tuple[str, int], started: subprocess.Popen[str], within_s: float
) -> None:
    """Send probes until one comes back. load's sink answers this text and does not count it."""
    deadline = time.monotonic() + within_s
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.01)
        probe.connect(address)
        while time.monotonic() < deadline:
            if started.poll() is not None:
                raise MeasurementError(f"it ended with {started.returncode} before it was ready")
            try:
                probe.send(b"udplb bench: are you there?")
                probe.recv(64)
            except ConnectionRefusedError:
                time.sleep(0.01)
            except TimeoutError:
                continue
            else:
                return
    raise MeasurementError(f"it forwarded nothing within {within_s:g} s")


def describe() -> dict[str, object]:
    """What a reader of the figures wants to know about where they come from."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "kernel": os.uname().release,
        "load_average": os.getloadavg()[0],
        "rmem_max": int(Path("/proc/sys/net/core/rmem_max").read_text()),
    }
