"""`udplb run` with the console: the engine forwards in its thread, the console has the terminal.

If the console breaks, the proxy goes on without it.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from udplb.client import LocalClient
from udplb.config.load import Loaded
from udplb.engine.logs import HeldLines, start_logging
from udplb.run import Process, start_lines
from udplb.tui.terminal import Choices, show_console

SWITCH_INTERVAL_S = 0.0001
"""How long the console's thread may keep the engine's waiting at each of its system calls."""


def run_with_console(loaded: Loaded, file: Path, choices: Choices) -> int:
    """Forward, with the console on the terminal; the exit code. Raises StartError.

    When the console is left the proxy drains; when it breaks, the proxy goes on until a signal.
    """
    timeout_s = loaded.configuration.engine.drain_timeout
    with held_log(loaded) as held:
        process = Process(loaded, file)
        snapshot = process.start()
        broken = show_process(
            process,
            choices,
            leaving=f"It takes no new flows, and ends when the last has, or after {timeout_s:g} s.",
        )
        held.release()
        if broken:
            _tell_of_crash(process, broken)
            for line in start_lines(process.engine, snapshot, str(file)):
                say(line)
        elif not process.engine.wait(0):
            process.drain()
            say("draining; Ctrl-C ends at once")
        process.forward()
        return process.end()


@contextmanager
def held_log(loaded: Loaded) -> Iterator[HeldLines]:
    """The log, which keeps its lines to itself until it is released, at the latest at the end."""
    settings = loaded.configuration.engine
    held = HeldLines(sys.stderr)
    log = start_logging(settings.log_level, settings.log_format, held)
    try:
        yield held
    finally:
        with suppress(ValueError, OSError):
            held.release()
        log.stop()


def show_process(
    process: Process,
    choices: Choices,
    *,
    leaving: str = "",
    until: Callable[[], bool] = lambda: False,
) -> str:
    """The console on this process, until it is left, `until` says so, or the engine has ended.

    Why it broke, or an empty text; `leaving`: as for show_console.
    """
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)

    def heartbeat() -> bool:
        process.obey()
        return not until() and not process.engine.wait(0)

    try:
        return show_console(
            LocalClient(process.engine, read_only=choices.read_only),
            choices,
            where=f"EMBEDDED {socket.gethostname()}",
            heartbeat=heartbeat,
            leaving=leaving,
        )
    finally:
        sys.setswitchinterval(usual_s)


def _tell_of_crash(process: Process, broken: str) -> None:
    where = process.engine.control_socket
    say(f"udplb: the console broke ({broken}); the proxy goes on forwarding.")
    if where is not None:
        say(f"Look in again with: udplb console --connect {where}")
    say("Ctrl-C drains it.")


def say(line: str) -> None:
    """A line for whoever is at the terminal; one that is gone is no reason to end."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)
