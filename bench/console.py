"""What a console costs the proxy: `python -m bench.console`.

Closed, attached and embedded take turns (A B C A B C). The proxy has a core of its own, load and
backends share the other; an attached console runs wherever the kernel puts it, an embedded one on
the proxy's core. The console draws on a terminal of 160x50 twice a second, on the screen that is
named; what it writes is read and thrown away.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.machine import FOLDER, LOAD, build_load, choose_cores, cpu_s, free_port, wait_for_echo

FORMS = ("closed", "attached", "embedded")
LOADS = {
    "full load, 16x8": ("--sockets", "16", "--window", "8"),
    "low load, 2x1": ("--sockets", "2", "--window", "1"),
}
ROUND_TRIPS_MUST, ROUND_TRIPS_WANTED = 0.95, 0.98
P99_MUST, P99_WANTED = 1.5, 1.1
ROWS, COLUMNS = 50, 160
SETTLE_S = 3.0
"""For Python to import, and for the first pictures."""
UDPLB = [sys.executable, "-m", "udplb"]


@dataclass(frozen=True, slots=True)
class Figures:
    """One measurement."""

    round_trips_per_s: float
    p99_us: float
    console_share: float
    """Of one core, by an attached console."""


@contextmanager
def terminal(command: list[str], keys: str, core: int | None) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has a terminal of its own; `keys` are typed once it draws."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    pinned = command if core is None else ["taskset", "-c", str(core), *command]
    process = subprocess.Popen(
        pinned,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        cwd=FOLDER.parent,
        env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
    )
    os.close(slave)
    reader = threading.Thread(target=_read_away, args=(master,), daemon=True)
    reader.start()
    try:
        time.sleep(SETTLE_S)
        os.write(master, keys.encode())
        time.sleep(1.0)
        yield process
    finally:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            process.send_signal(number)
            try:
                process.wait(1.0)
                break
            except subprocess.TimeoutExpired:
                continue
        process.wait()
        os.close(master)


def _read_away(master: int) -> None:
    while True:
        try:
            if not os.read(master, 1 << 16):
                return
        except OSError:
            return


def measure(form: str, load: tuple[str, ...], seconds: float, keys: str) -> Figures:
    cores = choose_cores()
    with tempfile.TemporaryDirectory(prefix="udplb-bench-") as name:
        folder = Path(name)
        life = str(seconds + 60)
        backend = subprocess.Popen(
            ["taskset", "-c", str(cores.load), str(LOAD), "echo", *["--port", "0"] * 2,
             "--seconds", life],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert backend.stdout
            ports = [int(word) for word in backend.stdout.readline().split()[1:]]
            port, control = free_port(), folder / "udplb.sock"
            file = _write(folder, port, ports, control)
            run = [*UDPLB, "run", "-c", str(file)]
            if form == "embedded":
                with terminal(run, keys, cores.proxy) as proxy:
                    return _load(load, port, seconds, cores.load, None, proxy)
            headless = subprocess.Popen(
                ["taskset", "-c", str(cores.proxy), *run, "--headless"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=FOLDER.parent,
            )  # fmt: skip
            try:
                wait_for_echo(("127.0.0.1", port), headless, 15.0)  # type: ignore[arg-type]
                if form == "closed":
                    return _load(load, port, seconds, cores.load, None, headless)
                attach = [*UDPLB, "console", "--connect", str(control)]
                with terminal(attach, keys, None) as console:
                    return _load(load, port, seconds, cores.load, console, headless)
            finally:
                headless.send_signal(signal.SIGTERM)
                time.sleep(0.2)
                headless.kill()
                headless.wait()
        finally:
            backend.kill()
            backend.wait()


def _write(folder: Path, port: int, ports: list[int], control: Path) -> Path:
    lines = [
        "[engine]", 'metrics_address = "off"', f'control_socket = "{control}"',
        "[[listeners]]", 'name = "b"', f'address = "127.0.0.1:{port}"', 'cluster = "b"',
        "[clusters.b]", 'affinity = "source_ip_port"',
    ]  # fmt: skip
    for each in ports:
        lines += ["[[clusters.b.backends]]", f'address = "127.0.0.1:{each}"']
    file = folder / "udplb.toml"
    file.write_text("\n".join(lines) + "\n")
    return file


def _load(
    load: tuple[str, ...],
    port: int,
    seconds: float,
    core: int,
    console: subprocess.Popen[bytes] | None,
    proxy: subprocess.Popen[bytes],
) -> Figures:
    import json  # noqa: PLC0415

    before = 0.0 if console is None else cpu_s(console.pid)
    done = subprocess.run(
        ["taskset", "-c", str(core), str(LOAD), "closed", "--target", f"127.0.0.1:{port}",
         "--seconds", str(seconds), "--size", "64", *load],
        capture_output=True, text=True, check=True, timeout=seconds + 30,
    )  # fmt: skip
    used = 0.0 if console is None else cpu_s(console.pid) - before
    if proxy.poll() is not None or (console is not None and console.poll() is not None):
        raise SystemExit("bench: the proxy or the console has ended in the middle")
    result = json.loads(done.stdout)
    if result["wrong"] or not result["replies"]:
        raise SystemExit(f"bench: wrong or no replies: {result}")
    return Figures(
        result["replies"] / result["seconds"], result["latency_us"]["p99"], used / seconds
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.console", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--screen", default="1", help="keys to type first: 1 to 5 (default 1)")
    options = parser.parse_args()
    os.sched_setaffinity(0, set(os.sched_getaffinity(0)))
    build_load()
    for name, load in LOADS.items():
        taken: dict[str, list[Figures]] = {form: [] for form in FORMS}
        for _ in range(options.rounds):
            for form in FORMS:
                taken[form].append(measure(form, load, options.seconds, options.screen))
        _report(name, taken)
    return 0


def _report(name: str, taken: dict[str, list[Figures]]) -> None:
    def median(form: str, what: str) -> float:
        return statistics.median(float(getattr(each, what)) for each in taken[form])

    print(name)
    trips, p99 = median("closed", "round_trips_per_s"), median("closed", "p99_us")
    for form in FORMS:
        values = [each.round_trips_per_s for each in taken[form]]
        own, late = median(form, "round_trips_per_s"), median(form, "p99_us")
        print(
            f"  {form:9} {own:9,.0f} round trips/s ({min(values):,.0f} to {max(values):,.0f})"
            f"  p99 {late:6.0f} µs"
            f"  x{own / trips:.3f} {_verdict(own / trips, ROUND_TRIPS_MUST, ROUND_TRIPS_WANTED)}"
            f"  p99 x{late / p99:.2f} {_verdict(-late / p99, -P99_MUST, -P99_WANTED)}"
            f"  console {median(form, 'console_share'):.1%} of a core"
        )
    print(flush=True)


def _verdict(value: float, must: float, wanted: float) -> str:
    return "wanted" if value >= wanted else "must" if value >= must else "SHORT"


if __name__ == "__main__":
    sys.exit(main())
