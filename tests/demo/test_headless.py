"""`udplb demo --headless`: it proves that everybody gets every reply, and notices when not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import REPOSITORY
from udplb.client import connect
from udplb.demo import process, run_demo
from udplb.demo.cast import CLUSTERS
from udplb.engine.control.requests import Backends


def test_two_seconds_of_demo() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "udplb", "demo", "--headless", "--duration", "2"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=REPOSITORY,
    )
    assert done.returncode == 0, done
    assert done.stderr == ""
    first, *_, last = done.stdout.splitlines()
    assert first.startswith("proxy on 127.0.0.1:")
    assert " 0 missing, 0 wrong, 0 twice" in last


def test_one_can_look_into_the_demo() -> None:
    """Through a socket of its own, which is gone with the demo."""
    demonstration = subprocess.Popen(
        [sys.executable, "-u", "-m", "udplb", "demo", "--headless", "--duration", "60"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    try:
        assert demonstration.stdout is not None
        lines = (demonstration.stdout.readline() for _ in range(5))
        socket = Path(next(line for line in lines if "--socket" in line).split()[-1])
        with connect(socket) as client:
            asked = [(each.cluster, each.name) for each in client.ask(Backends())]
        assert asked == [(cluster, name) for cluster in CLUSTERS for name in CLUSTERS[cluster]]
        demonstration.terminate()
        assert demonstration.wait(30) == 0
        assert not socket.parent.exists()
    finally:
        demonstration.kill()
        demonstration.communicate()


@pytest.mark.parametrize(
    ("backends", "acts", "code"),
    [
        ("good", False, 0),
        ("losing", False, 1),
        ("garbling", False, 1),
        ("good", True, 0),
        ("losing", True, 0),
        ("garbling", True, 1),
    ],
)
def test_the_exit_code_tells_what_was_proved(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    backends: str,
    acts: bool,
    code: int,
) -> None:
    monkeypatch.setattr(
        process, "command", lambda: [sys.executable, "-m", "tests.demo.spoilers", backends]
    )
    assert run_demo(0.7, acts=acts) == code
    last = capsys.readouterr().out.splitlines()[-1]
    assert (" 0 missing, 0 wrong, 0 twice" in last) is (backends == "good")


def test_a_traffic_that_ends_too_soon_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # It plays well, and dies in the middle of it.
    script = (
        "import os, sys, threading; from udplb.demo.traffic import main;"
        "threading.Timer(1.0, os._exit, (3,)).start(); main(sys.stdin.buffer, sys.stdout.buffer)"
    )
    monkeypatch.setattr(process, "command", lambda: [sys.executable, "-c", script])
    assert run_demo(60.0) == 1
    assert "the demo's traffic ended: exit code 3" in capsys.readouterr().err


def test_a_traffic_that_cannot_start_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(process, "command", lambda: [sys.executable, "-c", "1/0"])
    assert run_demo(1.0) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("udplb: the demo's traffic cannot be started")
    assert said.err.count("\n") == 1
