"""The demo: it proves that everybody gets every reply, and notices when not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.harness import REPOSITORY
from udplb import demo
from udplb.client import connect
from udplb.engine.control.requests import Backends


def test_two_seconds_of_demo() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "udplb", "demo", "--duration", "2"],
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
    assert " 0 missing, 0 wrong" in last


def test_one_can_look_into_the_demo() -> None:
    """Through a socket of its own, which is gone with the demo."""
    demonstration = subprocess.Popen(
        [sys.executable, "-u", "-m", "udplb", "demo", "--duration", "60"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    try:
        assert demonstration.stdout is not None
        lines = (demonstration.stdout.readline() for _ in range(5))
        socket = Path(next(line for line in lines if "--socket" in line).split()[-1])
        with connect(socket) as client:
            assert [each.name for each in client.ask(Backends())] == list(demo.BACKENDS)
        demonstration.terminate()
        demonstration.wait(30)
        assert not socket.parent.exists()
    finally:
        demonstration.kill()
        demonstration.communicate()


class Lossy(demo.Echo):
    """A backend that loses every hundredth datagram."""

    count = 0

    def datagram_received(self, data: bytes, addr: Any) -> None:
        Lossy.count += 1
        if Lossy.count % 100:
            super().datagram_received(data, addr)


class Garbling(demo.Echo):
    """A backend that answers something else now and then."""

    count = 0

    def datagram_received(self, data: bytes, addr: Any) -> None:
        Garbling.count += 1
        super().datagram_received(data if Garbling.count % 100 else data + b"!", addr)


class Twice(demo.Echo):
    """A backend that answers twice now and then."""

    count = 0

    def datagram_received(self, data: bytes, addr: Any) -> None:
        super().datagram_received(data, addr)
        Twice.count += 1
        if Twice.count % 100 == 0:
            super().datagram_received(data, addr)


@pytest.mark.parametrize(
    ("backend", "code"), [(demo.Echo, 0), (Lossy, 1), (Garbling, 1), (Twice, 1)]
)
def test_the_exit_code_tells_whether_everybody_got_everything(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    backend: type[demo.Echo],
    code: int,
) -> None:
    monkeypatch.setattr(demo, "Echo", backend)
    monkeypatch.setattr(demo, "REPLY_TIME_S", 0.3)
    assert demo.run_demo(1.2) == code
    printed = capsys.readouterr().out
    assert (" 0 missing, 0 wrong" in printed) is (code == 0)


def test_a_tally_without_traffic_proves_nothing() -> None:
    assert not demo.Tally().complete
