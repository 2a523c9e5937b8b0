"""Logs: one line each, without anybody's control characters, and nobody waits for the writer."""

from __future__ import annotations

import json
import logging
import queue
import sys
from collections.abc import Iterator

import pytest

from udplb.config.wording import escape
from udplb.engine import logs
from udplb.engine.logs import JsonFormatter, TextFormatter, start_logging


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines", r"two\nlines"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("déjà vu", "déjà vu"),
        ("\u202eright to left", r"\u202eright to left"),
        ("\x9b31m", r"\x9b31m"),
    ],
)
def test_control_characters_are_escaped(raw: str, shown: str) -> None:
    assert escape(raw) == shown


def record(message: str) -> logging.LogRecord:
    return logging.LogRecord("udplb.x", logging.WARNING, __file__, 1, message, None, None)


def test_text_lines() -> None:
    line = TextFormatter().format(record("bad\nnews"))
    at, level, rest = line.split(" ", 2)
    assert at.endswith("+00:00")
    assert (level, rest) == ("warning", r"bad\nnews")


def test_json_lines() -> None:
    line = JsonFormatter().format(record('bad "news"\x1b\n'))
    assert "\n" not in line
    assert json.loads(line)["message"] == 'bad "news"\\x1b\\n'
    assert json.loads(line)["level"] == "warning"
    assert "\x1b" not in line


@pytest.mark.parametrize("style", ["text", "json"])
def test_lines_are_written_by_another_thread(
    capsys: pytest.CaptureFixture[str], style: str
) -> None:
    log = start_logging("info", style)  # type: ignore[arg-type]
    logging.getLogger("udplb.test").info("hello %s", "there")
    logging.getLogger("udplb.test").debug("not this")
    try:
        raise ValueError("a bug")
    except ValueError:
        logging.getLogger("udplb.test").exception("oops")
    log.stop()
    written = capsys.readouterr().err
    assert "hello there" in written
    assert "not this" not in written
    assert "ValueError: a bug" in written
    assert written.count("Traceback") == 1


def test_a_full_queue_loses_lines_and_counts_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "QUEUE_LINES_MAX", 3)
    stuck = queue.Queue[None]()

    class Terminal:
        """Somebody pressed Ctrl-S."""

        def write(self, text: str) -> None:
            stuck.get()

        def flush(self) -> None:
            pass

    monkeypatch.setattr(sys, "stderr", Terminal())
    log = start_logging("info", "text")
    (handler,) = logging.getLogger().handlers
    for number in range(20):
        logging.getLogger("udplb.test").info("line %d", number)
    assert handler.lost >= 15  # type: ignore[attr-defined]
    for _ in range(100):
        stuck.put(None)
    log.stop()


def test_another_level_from_now_on(capsys: pytest.CaptureFixture[str]) -> None:
    log = start_logging("warning", "text")
    for number, level in enumerate(("warning", "debug", "error", "info")):
        logs.change_log_level(level)  # type: ignore[arg-type]
        logging.getLogger("udplb.test").info("info %d", number)
        logging.getLogger("udplb.test").error("error %d", number)
        logging.getLogger("udplb.test").debug("debug %d", number)
    log.stop()
    told = [line.split(" ", 2)[2] for line in capsys.readouterr().err.splitlines()]
    assert told == ["error 0", "info 1", "error 1", "debug 1", "error 2", "info 3", "error 3"]
