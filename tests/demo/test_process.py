"""The traffic's process, as the demo sees it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.harness import PATIENCE_S, until
from udplb.demo import process
from udplb.demo.cast import CLUSTERS, LOOPBACK
from udplb.demo.messages import Begin, Bound
from udplb.demo.process import StageError, TrafficProcess


def python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def begin(bound: Bound) -> Begin:
    listeners = {
        cluster: (LOOPBACK, bound.ports[f"{cluster}/{names[0]}"])
        for cluster, names in CLUSTERS.items()
    }
    return Begin(listeners=listeners, control_socket="/nowhere", acts=False, speed=1.0)


def test_from_its_start_to_its_end(tmp_path: Path) -> None:
    traffic = TrafficProcess(tmp_path / "log")
    try:
        traffic.begin(begin(traffic.where()))
        until(lambda: traffic.tally.sent > 50)
        assert traffic.failure is None
        assert traffic.finish().complete
        assert traffic._process.wait(PATIENCE_S) == 0
        assert traffic.finish() is traffic.tally
        assert traffic.failure is None
    finally:
        traffic.close()


def test_one_that_is_killed_is_told_of(tmp_path: Path) -> None:
    traffic = TrafficProcess(tmp_path / "log")
    try:
        traffic.begin(begin(traffic.where()))
        os.kill(traffic.pid, signal.SIGKILL)
        until(lambda: traffic.failure)
        assert traffic.failure == "the demo's traffic ended: exit code -9"
        traffic.finish()  # waits for nobody
        assert traffic.failure is not None
    finally:
        traffic.close()


def test_one_that_fails_at_once_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "command", lambda: python("raise SystemExit('no \\x1b[31mluck')"))
    traffic = TrafficProcess(tmp_path / "log")
    try:
        with pytest.raises(StageError, match=r"cannot be started: no \\x1b\[31mluck"):
            traffic.where()
    finally:
        traffic.close()


def test_one_that_talks_nonsense_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "command", lambda: python("print('what?')"))
    traffic = TrafficProcess(tmp_path / "log")
    try:
        with pytest.raises(StageError, match="exit code 0"):
            traffic.where()
    finally:
        traffic.close()


def test_one_that_says_nothing_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "command", lambda: python("import sys; sys.stdin.read()"))
    monkeypatch.setattr(process, "START_S", 0.05)
    traffic = TrafficProcess(tmp_path / "log")
    try:
        with pytest.raises(StageError, match="did not start within"):
            traffic.where()
    finally:
        traffic.close()


def test_a_program_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "command", lambda: [str(tmp_path / "gone")])
    with pytest.raises(StageError, match="No such file"):
        TrafficProcess(tmp_path / "log")
