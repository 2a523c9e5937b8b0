"""The process of backends and clients, as the demo sees it: start it, tell it, hear it, end it."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import msgspec

from udplb import __version__
from udplb.config.wording import cut, escape
from udplb.demo.messages import Begin, Bound, Counted, Finish, Order, line_of, read_report
from udplb.demo.play import REPLY_TIME_S
from udplb.demo.tally import Tally

START_S = 20.0
"""Seconds that it may take to start."""
END_S = REPLY_TIME_S + 5.0
_COMPLAINT_SHOWN = 200


class StageError(Exception):
    """The demo cannot start; one line that says why."""


def command() -> list[str]:
    """What is run. The working directory is not searched for modules: it may be anybody's."""
    return [sys.executable, "-P", "-m", "udplb.demo.traffic", __version__]


class TrafficProcess:
    """Ends with this process, whatever happens: the pipe to it ends then."""

    def __init__(self, log: Path) -> None:
        """`log`: the file that takes its standard error. Raises StageError."""
        self._log = log
        self._final = threading.Event()
        """It has told all that it had to tell."""
        self._bound: queue.SimpleQueue[Bound | None] = queue.SimpleQueue()
        self._tally = Tally()
        self._finished = False
        try:
            with log.open("wb") as errors:
                self._process = subprocess.Popen(
                    command(),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    # Modules are searched for where this process found its own.
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                )
        except OSError as error:
            raise StageError(f"the demo's traffic cannot be started: {error.strerror}") from None
        threading.Thread(target=self._hear, name="udplb-demo-traffic", daemon=True).start()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def tally(self) -> Tally:
        """What its clients sent and got, as of the last report."""
        return self._tally

    @property
    def failure(self) -> str | None:
        """Why it ended before it was told to, in a line; None: it did not."""
        if self._finished or self._process.poll() is None:
            return None
        return f"the demo's traffic ended: {self._last_words()}"

    def where(self) -> Bound:
        """Wait for its first report: where the backends are. Raises StageError."""
        try:
            bound = self._bound.get(timeout=START_S)
        except queue.Empty:
            raise StageError(f"the demo's traffic did not start within {START_S:g} s") from None
        if bound is None:
            self._process.wait(END_S)
            raise StageError(f"the demo's traffic cannot be started: {self._last_words()}")
        return bound

    def begin(self, begin: Begin) -> None:
        """Let it send."""
        self._say(begin)

    def finish(self) -> Tally:
        """Let it stop sending, and wait for replies that are on their way; what came of it all."""
        if not self._finished and self.failure is None:
            self._finished = True
            self._say(Finish())
            self._final.wait(END_S)
        return self._tally

    def close(self) -> None:
        """End it at once."""
        self._finished = True
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()

    def _say(self, order: Order) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # it has ended: `failure` tells
            self._process.stdin.write(line_of(order))
            self._process.stdin.flush()

    def _hear(self) -> None:
        """In a thread, until its end."""
        assert self._process.stdout is not None
        with self._process.stdout as reports, suppress(msgspec.DecodeError):
            for line in reports:
                match read_report(line):
                    case Bound() as bound:
                        self._bound.put(bound)
                    case Counted(tally=tally, final=final):
                        self._tally = tally
                        if final:
                            self._final.set()
        self._bound.put(None)
        self._final.set()

    def _last_words(self) -> str:
        """The last line of its complaint."""
        with suppress(OSError):
            lines = self._log.read_text(errors="replace").splitlines()
            for line in reversed(lines):
                if line.strip():
                    return cut(escape(line.strip()), _COMPLAINT_SHOWN)
        return f"exit code {self._process.poll()}"
