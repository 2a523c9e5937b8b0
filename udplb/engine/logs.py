"""Log lines: through a bounded queue to a thread that only writes, so that no datagram waits."""

from __future__ import annotations

import json
import logging
import queue
import sys
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener

from udplb.config.wording import escape
from udplb.core.settings import LogFormat, LogLevel

QUEUE_LINES_MAX = 10_000


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


def start_logging(level: LogLevel, style: LogFormat) -> QueueListener:
    """Log to standard error from now on; `stop` of what is returned writes what is left."""
    lines: queue.Queue[logging.LogRecord] = queue.Queue(QUEUE_LINES_MAX)
    writer = logging.StreamHandler(sys.stderr)
    writer.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [_BoundedHandler(lines)]
    root.setLevel(level.upper())
    listener = _Writer(lines, writer)
    listener.start()
    return listener
