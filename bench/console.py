"""What a console costs the proxy: closed, attached and embedded.

The proxy has a core of its own, load and backends share the other; an attached console runs
wherever the kernel puts it, an embedded one on the proxy's core. It draws on a terminal of 160x50
twice a second; what it writes is read and thrown away.

Each taking loads the same proxy twice: as fast as it can (16x8), and at half of what the closed
one did in the first round, with the same trains. There the percentiles tell.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figures import Sample, Setting
from bench.machine import FOLDER, MeasurementError, cpu_s, wait_for_echo
from bench.peers import OWN, UDPLB, Scene, control_socket, udplb_file
from bench.stage import (
    START_WITHIN_S,
    Result,
    backends,
    check,
    latency,
    number,
    proxy,
    run_load,
    scene_with,
)

CLOSED, ATTACHED, EMBEDDED = "closed", "attached", "embedded"
SOCKETS, WINDOW, IN_FLIGHT_MAX = 16, 8, 1024
LINES, COLUMNS = 50, 160
DRAWN_AFTER_S = 3.0
"""For Python to import, and for the first pictures."""
TYPED_AFTER_S = 1.0


@dataclass(slots=True)
class HalfLoad:
    """Half of what the closed proxy did when it was measured first, in datagrams per second."""

    rate: float | None = None

    def words(self) -> list[str]:
        if self.rate is None:
            raise MeasurementError("half of what the closed proxy does is not known")
        paced = ["--rate", f"{self.rate:.0f}", "--burst", str(WINDOW)]
        return ["closed", "--sockets", str(SOCKETS), "--window", str(IN_FLIGHT_MAX), *paced]


FULL_LOAD = ("closed", "--sockets", str(SOCKETS), "--window", str(WINDOW))


@dataclass(frozen=True, slots=True)
class WithConsole:
    """udplb with its console in one of three forms; they share what half load means."""

    name: str
    half: HalfLoad = field(compare=False)

    def missing(self) -> str | None:
        return OWN.missing()

    def take(self, setting: Setting) -> Sample:
        with ExitStack() as stack:
            those = stack.enter_context(backends("echo", setting.cores, 3 * setting.seconds))
            scene = scene_with(those.ports)
            if self.name == EMBEDDED:
                console = stack.enter_context(_embedded(scene, setting))
                return self._load(setting, scene.port, (console, console))
            started = stack.enter_context(proxy(OWN, scene, setting.cores))
            if self.name == CLOSED:
                return self._load(setting, scene.port, (started.process, None))
            attach = [*UDPLB, "console", "--connect", str(control_socket(started.folder))]
            cores = (setting.cores.proxy, setting.cores.load)
            console = stack.enter_context(_terminal(attach, setting.screen, cores))
            return self._load(setting, scene.port, (started.process, console))

    def _load(
        self,
        setting: Setting,
        port: int,
        processes: tuple[subprocess.Popen[str], subprocess.Popen[str] | None],
    ) -> Sample:
        proxied, console = processes
        attached = console if console is not proxied else None
        before = cpu_s(attached.pid) if attached else 0.0
        began = time.monotonic()
        full = _checked(FULL_LOAD, port, setting)
        if self.name == CLOSED and self.half.rate is None:
            self.half.rate = number(full, "per_second") / 2
        half = _checked(self.half.words(), port, setting)
        for each in filter(None, processes):
            if each.poll() is not None:
                raise MeasurementError("the proxy or the console has ended in the middle")
        figures = {"per_second": number(full, "per_second")}
        figures["half_rate"] = number(half, "per_second")
        for key in ("p50", "p99"):
            if (found := latency(half, key)) is not None:
                figures[f"half_{key}_us"] = found
        if attached:
            figures["console_core"] = (cpu_s(attached.pid) - before) / (time.monotonic() - began)
        held_back = number(half, "held_back")
        limited = f"{held_back:,.0f} datagrams were held back at half load" if held_back else ""
        return Sample(figures, limited, {"full": full, "half": half})


def _checked(words: tuple[str, ...] | list[str], port: int, setting: Setting) -> Result:
    result = run_load(words, port, setting.seconds, setting.cores.load)
    check(result)
    return result


@contextmanager
def _embedded(scene: Scene, setting: Setting) -> Iterator[subprocess.Popen[str]]:
    with TemporaryDirectory(prefix="udplb-bench-") as name:
        command = [*UDPLB, "run", "-c", str(udplb_file(scene, Path(name)))]
        with _terminal(command, setting.screen, (setting.cores.proxy,)) as console:
            wait_for_echo(("127.0.0.1", scene.port), console, START_WITHIN_S)
            yield console


@contextmanager
def _terminal(
    command: list[str], keys: str, cores: tuple[int, ...]
) -> Iterator[subprocess.Popen[str]]:
    """A process that has a terminal of its own; `keys` are typed once it draws."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    started = subprocess.Popen(
        ["taskset", "-c", ",".join(map(str, cores)), *command],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        text=True,
        cwd=FOLDER.parent,
        env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
    )
    os.close(slave)
    drawn: list[int] = []
    threading.Thread(target=_read_away, args=(master, drawn), daemon=True).start()
    try:
        time.sleep(DRAWN_AFTER_S)
        over = threading.Event()
        typist = threading.Thread(target=_type, args=(master, keys, over), daemon=True)
        typist.start()
        time.sleep(TYPED_AFTER_S)
        before = len(drawn)
        yield started
        over.set()
        typist.join()
        if len(drawn) == before:
            raise MeasurementError("the console drew nothing while it was measured")
    finally:
        _end(started)
        os.close(master)


def _type(master: int, keys: str, over: threading.Event) -> None:
    """One key, or several in turn, one per second until it is over."""
    for key in itertools.cycle(keys) if len(keys) > 1 else keys:
        os.write(master, key.encode())
        if over.wait(TYPED_AFTER_S):
            return


def _read_away(master: int, drawn: list[int]) -> None:
    while True:
        try:
            came = os.read(master, 1 << 16)
        except OSError:
            return
        if not came:
            return
        drawn.append(len(came))


def _end(started: subprocess.Popen[str]) -> None:
    for number_of_signal in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        started.send_signal(number_of_signal)
        try:
            started.wait(1.0)
            return
        except subprocess.TimeoutExpired:
            continue
    started.wait()


def forms() -> tuple[WithConsole, ...]:
    """The three forms, closed first: it says what half load means."""
    half = HalfLoad()
    return tuple(WithConsole(name, half) for name in (CLOSED, ATTACHED, EMBEDDED))
