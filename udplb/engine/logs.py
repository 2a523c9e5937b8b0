"""Log lines: through a bounded queue to a thread that only writes, so that no datagram waits."""

from __future__ import annotations

import io
import json
import logging
import queue
import sys
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from typing import TextIO

from udplb.config.wording import escape
from udplb.core.settings import LogFormat, LogLevel

QUEUE_LINES_MAX = 10_000
HELD_WRITES_MAX = 1_000
"""Writes that are kept while a console has the terminal: half of as many lines."""


class _BoundedHandler(QueueHandler):
    """Never waits: lines that find the queue full are lost, and counted."""

    lost = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.lost += 1


class _Writer(QueueListener):
    """Ends even where the queue is full: the oldest lines make room for the end."""

    def enqueue_sentinel(self) -> None:
        lines = self.queue
        assert isinstance(lines, queue.Queue)
        while True:
            try:
                return super().enqueue_sentinel()
            except queue.Full:
                with suppress(queue.Empty):
                    lines.get_nowait()


class TextFormatter(logging.Formatter):
    """Time, level, message; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = f"{at} {record.levelname.lower()} {escape(record.getMessage())}"
        if not record.exc_text:
            return line
        return "\n".join((line, *map(escape, record.exc_text.splitlines())))


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": escape(record.getMessage()),
        }
        if record.exc_text:
            line["traceback"] = "\n".join(map(escape, record.exc_text.splitlines()))
        return json.dumps(line)


def change_log_level(level: LogLevel) -> None:
    """Log from this level on."""
    logging.getLogger().setLevel(level.upper())


class HeldLines(io.TextIOBase):
    """Standard error, while something else is drawn on the terminal: the newest lines are held."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._held: deque[str] | None = deque(maxlen=HELD_WRITES_MAX)

    def write(self, text: str) -> int:
        """Hold the text, or write it once all is released."""
        if self._held is None:
            with suppress(OSError):  # a terminal that is gone
                self._stream.write(text)
        else:
            self._held.append(text)
        return len(text)

    def flush(self) -> None:
        """To the stream below."""
        if self._held is None:
            with suppress(OSError):
                self._stream.flush()

    def release(self) -> None:
        """Write what was held, and from now on whatever comes."""
        held, self._held = self._held, None
        with suppress(OSError):
            for text in tuple(held or ()):
                self._stream.write(text)
            self._stream.flush()


def start_logging(
    level: LogLevel, style: LogFormat, to: TextIO | HeldLines | None = None
) -> QueueListener:
    """Log to standard error, or `to`, from now on; `stop` of what is returned writes what is
    left."""
    lines: queue.Queue[logging.LogRecord] = queue.Queue(QUEUE_LINES_MAX)
    writer = logging.StreamHandler(to or sys.stderr)
    writer.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [_BoundedHandler(lines)]
    root.setLevel(level.upper())
    listener = _Writer(lines, writer)
    listener.start()
    return listener
