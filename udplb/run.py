"""The process around an engine: signals, log, and what it says at start; `udplb run --headless`."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections import deque
from pathlib import Path
from types import FrameType

from udplb import __version__
from udplb.config.load import Loaded
from udplb.core.settings import EngineSettings
from udplb.engine.control.places import NoPlaceError, place_to_serve
from udplb.engine.engine import Engine
from udplb.engine.garbage import spare_the_datapath
from udplb.engine.logs import start_logging
from udplb.engine.losses import Losses, dropped_by_reason
from udplb.engine.snapshot import ListenerSnapshot, Snapshot

SIGNAL_SEEN_WITHIN_S = 0.25
"""A signal that comes just before the main thread waits does not interrupt that wait: Python sees
it after the wait. So waits are short."""

SIGNALS_NOTED_MAX = 64

_log = logging.getLogger(__name__)


def run_headless(loaded: Loaded, filename: str) -> int:
    """Forward until a signal ends it; the exit code. StartError before anything forwards."""
    settings = loaded.configuration.engine
    log = start_logging(settings.log_level, settings.log_format)
    try:
        process = Process(loaded, Path(filename))
        snapshot = process.start()
        _tell(start_lines(process.engine, snapshot, filename))
        process.forward()
        return process.end()
    finally:
        log.stop()


class Process:
    """An engine, and the signals that the process gets."""

    def __init__(self, loaded: Loaded, file: Path, control_socket: Path | None = None) -> None:
        """Raises StartError. `control_socket` None: where the configuration says."""
        for warning in loaded.warnings:
            _log.warning("%s", warning)
        settings = loaded.configuration.engine
        self.engine = Engine(
            loaded.configuration,
            file=file.absolute(),
            digest=loaded.digest,
            control_socket=control_socket or _control_socket(settings),
        )
        self._signals: deque[int] = deque()
        self._losses = Losses()
        self._draining = False

    def start(self) -> Snapshot:
        """Forward from now on; the first picture. Raises StartError."""
        self._signals = _collect_signals()
        spare_the_datapath()
        return self.engine.start()

    def obey(self) -> None:
        """Do what signals said since the last look, and log what was lost."""
        while self._signals:
            number = self._signals.popleft()
            _obey(self.engine, number, again=self._draining)
            self._draining = self._draining or number != signal.SIGHUP
        if self.engine.snapshot is not None:
            for line in self._losses.lines(self.engine.snapshot):
                _log.warning("%s", line)

    def drain(self) -> None:
        """Nobody wants it any more."""
        _log.info("draining; SIGTERM ends at once")
        self._draining = True
        self.engine.drain()

    def forward(self) -> None:
        """Until it has ended."""
        while not self.engine.wait(SIGNAL_SEEN_WITHIN_S):
            self.obey()

    def end(self) -> int:
        """Say how it ended; the exit code."""
        return _end(self.engine)


def _collect_signals() -> deque[int]:
    """From now on signals are only noted: a handler runs in the middle of anything, even of a log
    call, and must not take a lock."""
    noted: deque[int] = deque(maxlen=SIGNALS_NOTED_MAX)

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, note)
    return noted


def _control_socket(settings: EngineSettings) -> Path | None:
    """Where requests are taken. Raises StartError; with `auto` and no place for it: nowhere."""
    try:
        return place_to_serve(settings.control_socket)
    except NoPlaceError as error:
        _log.warning("%s; until then nobody can look in or change anything", error)
        return None


def _tell(lines: list[str]) -> None:
    """Print; a standard output that takes nothing is no reason not to forward."""
    try:
        print("\n".join(lines), flush=True)
    except OSError as error:
        _log.warning("cannot print to standard output: %s", error.strerror)
        # What is left in its buffer would fail once more at the end, and change the exit code.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - as long as the process lives


def _obey(engine: Engine, number: int, *, again: bool) -> None:
    """The first signal drains, a second one ends at once."""
    name = signal.Signals(number).name
    if number == signal.SIGHUP:
        engine.reload("SIGHUP")
        return
    _log.info("%s: %s", name, "ending now" if again else "draining; once more ends at once")
    engine.drain()


def _end(engine: Engine) -> int:
    """Say how it ended; the exit code."""
    if engine.failure is not None:
        return 1
    assert engine.snapshot is not None
    totals = engine.snapshot.totals
    closed = engine.closed_at_the_end
    _log.info(
        "ended: %d flows, %d datagrams to backends, %d to clients, dropped %s%s",
        totals.admitted,
        totals.requests,
        totals.replies,
        dropped_by_reason(engine.snapshot),
        f"; {closed} flows still lived and were closed" if closed else "",
    )
    return 0


def start_lines(engine: Engine, snapshot: Snapshot, filename: str) -> list[str]:
    """What runs, where, with what from the kernel: a line per listener."""
    configuration = engine.forwarding.configuration
    lines = [
        f"udplb {__version__}, process {os.getpid()}: {os.path.abspath(filename)},"
        f" at most {snapshot.totals.max_flows:,} flows, GSO {_on(engine.forwarding.segmentation)}"
    ]
    backends = {cluster.name: len(cluster.backends) for cluster in snapshot.clusters}
    # By name: a file that was saved while we started may have brought others.
    asked = {each.name: each.receive_buffer for each in configuration.listeners}
    for listener in snapshot.listeners:
        count = backends[listener.cluster]
        lines.append(
            f"listener {listener.name}: {listener.address} -> cluster {listener.cluster},"
            f" {count} backend{'s' if count != 1 else ''},"
            f" receive buffer {_buffer(listener, asked.get(listener.name, 0))},"
            f" GSO {_on(engine.forwarding.segmentation)}, GRO {_coalescing(engine, listener)}"
        )
    lines.append(f"control socket: {engine.control_socket or 'off'}")
    lines.append(_later("metrics", configuration.engine.metrics_address))
    lines.append("ready")
    return lines


def _on(switch: bool) -> str:
    return "on" if switch else "off"


def _coalescing(engine: Engine, listener: ListenerSnapshot) -> str:
    if listener.coalesces:
        return "on"
    return "off until a bulk sender comes" if engine.forwarding.coalescing else "off"


def _buffer(listener: ListenerSnapshot, asked: int) -> str:
    granted = f"{listener.receive_buffer / 1024:,.0f} KiB"
    if listener.receive_buffer >= asked:
        return granted
    return f"{granted} of {asked / 1024:,.0f} asked (raise net.core.rmem_max)"


def _later(feature: str, place: object) -> str:
    if place in (None, "off"):
        return f"{feature}: off"
    return f"{feature}: comes with a later version (will be: {place})"
