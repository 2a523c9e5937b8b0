"""`udplb demo` on a terminal: the play with all its acts, and the console above it."""

from __future__ import annotations

import sys
import time

from udplb.demo.process import StageError
from udplb.demo.stage import Stage, stage
from udplb.embed import held_log, show_process
from udplb.engine.binding import StartError
from udplb.run import Process
from udplb.tui.terminal import Choices


def run_console_demo(duration: float | None, choices: Choices) -> int:
    """Until the console is left, or for `duration` seconds; the exit code, as of the play."""
    try:
        with stage(acts=True) as play:
            return _run(play, duration, choices)
    except (StageError, StartError) as error:
        print(f"udplb: {error}", file=sys.stderr)
        return 1


def _run(play: Stage, duration: float | None, choices: Choices) -> int:
    with held_log(play.loaded):
        process = Process(play.loaded, play.file, play.control_socket)
        process.start()
        try:
            play.begin()
            ends_at = None if duration is None else time.monotonic() + duration

            def over() -> bool:
                return ends_at is not None and time.monotonic() >= ends_at

            broken = show_process(process, choices, until=over)
            summary = play.summary()
        finally:
            process.engine.stop()
    print(*summary, sep="\n")
    if broken:
        print(f"udplb: the console broke: {broken}", file=sys.stderr)
    return 0 if play.passed and not broken and process.engine.failure is None else 1
