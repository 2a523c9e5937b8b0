"""The console on a real terminal: what operators do with keys alone, and what must not happen."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.harness import Servers, Udp, need, until
from tests.programs import free_port, process
from tests.terminals import Terminal, terminal

pytestmark = pytest.mark.e2e

UDPLB = [sys.executable, "-m", "udplb"]
WAITS_S = 30.0

BREAKS = """
import sys
from udplb.tui.panes.overview import Overview
from udplb.tui.panes.events import Events

def broken(self, now):
    raise RuntimeError("broken on purpose")

Events.draw = broken
from udplb.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""A console whose events screen has a bug."""


@pytest.fixture
def servers() -> Iterator[Servers]:
    with Servers(2) as these:
        yield these


@pytest.fixture
def file(tmp_path: Path, servers: Servers) -> Path:
    """A configuration with the two servers behind one listener."""
    need("tmux")
    lines = [
        "[engine]", 'metrics_address = "off"', f'control_socket = "{tmp_path}/udplb.sock"',
        'drain_timeout = "2s"',
        "[[listeners]]", 'name = "e2e"', f'address = "127.0.0.1:{free_port()}"', 'cluster = "e2e"',
        "[clusters.e2e]", 'front_timeout = "1s"', 'back_timeout = "1s"', 'balance = "round_robin"',
    ]  # fmt: skip
    for name, (host, port) in zip(("one", "two"), servers.names, strict=True):
        lines += ["[[clusters.e2e.backends]]", f'name = "{name}"', f'address = "{host}:{port}"']
    path = tmp_path / "udplb.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def port_of(file: Path) -> int:
    found = re.search(r'address = "127.0.0.1:(\d+)"', file.read_text())
    assert found is not None
    return int(found[1])


def socket_of(file: Path) -> Path:
    return file.parent / "udplb.sock"


def forwards(file: Path) -> bool:
    """Whether a datagram comes back."""
    with Udp() as client:
        client.settimeout(1.0)
        try:
            return client.ask(b"are you there", ("127.0.0.1", port_of(file))) != b""
        except (TimeoutError, ConnectionError):
            return False


@contextmanager
def headless(file: Path) -> Iterator[subprocess.Popen[str]]:
    with process([*UDPLB, "run", "--headless", "-c", file], "ready") as running:
        yield running


@contextmanager
def attached(file: Path, *more: str, size: tuple[int, int] = (120, 36)) -> Iterator[Terminal]:
    command = [*UDPLB, "console", "--connect", socket_of(file), *more]
    with terminal(command, file.parent, size=size) as shown:
        shown.until("LIVE")
        yield shown


def told(file: Path) -> str:
    """What `udplb backends` says."""
    done = subprocess.run(
        [*UDPLB, "backends", "--socket", str(socket_of(file))],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    return done.stdout


def test_a_drain_with_keys_alone_from_its_start_to_its_end(file: Path) -> None:
    with headless(file), attached(file) as shown:
        events = [*UDPLB, "events", "--socket", str(socket_of(file))]
        with process(events) as follower, Udp() as client, Udp() as other:
            for each in (client, other):  # a flow on each of the two
                each.ask(b"hello", ("127.0.0.1", port_of(file)))
            shown.press("2")
            shown.until("one")
            shown.press("g")
            shown.until(lambda text: re.search(r"^.*> .*\bone\b", text, re.MULTILINE))
            shown.press("D")
            shown.until("Drain e2e/one?")
            said = shown.until("serving e2e after this: 1 of 2")
            assert "udplb drain e2e/" in said
            shown.press("y")
            shown.until("DRAIN")
            assert "DRAIN" in told(file)
            shown.until("is drained, after", WAITS_S)
            assert "DRAINED" in told(file)
            assert follower.stdout is not None
            lines = [follower.stdout.readline()]
            while "backend_drained" not in lines[-1]:
                lines.append(follower.stdout.readline())
                assert lines[-1], "it ended"
            for kind in ("operator_acted", "backend_drain_began", "backend_drained"):
                assert any(kind in line for line in lines), (kind, lines)
            assert any("udplb drain e2e/" in line for line in lines)
            shown.press("U")
            shown.until("Undrain e2e/one?")
            shown.press("y")
            shown.until(lambda text: "drain began" not in text and "DRAINED" not in text)
            assert "DRAIN" not in told(file)


def test_a_proxy_that_is_killed_is_waited_for_and_found_again(file: Path) -> None:
    with headless(file) as first, attached(file) as shown:
        first.send_signal(signal.SIGKILL)
        first.wait()
        text = shown.until("LOST")
        assert "udplb.sock" in text
        shown.press("2")
        shown.until("one")  # the last rows stay
        shown.press("D")  # and nothing can be changed
        assert "Drain e2e/one?" not in shown.text()
        with headless(file):
            shown.until("LIVE", WAITS_S)
            shown.until("another process")
            assert forwards(file)
            shown.press("4")
            shown.until("missed")
            shown.press("q")
            shown.until("ended with 0")


def test_a_console_that_breaks_leaves_the_proxy_forwarding_and_the_terminal_usable(
    file: Path,
) -> None:
    command = [sys.executable, "-c", BREAKS, "run", "-c", file]
    with terminal(command, file.parent) as shown:
        shown.until("LIVE")
        assert forwards(file)
        shown.press("4")
        text = shown.until("the proxy goes on forwarding")
        assert "RuntimeError: broken on purpose" in text
        assert "udplb console --connect" in text
        assert forwards(file)
        with attached(file) as another:
            another.until("ATTACHED")
            another.press("q")
            another.until("ended with 0")
        shown.press("C-c")
        shown.until("ended with 0")
        shown.type("stty -a | tr ';' '\\n' | grep -cw -e icanon -e echo; echo usable")
        shown.press("Enter")
        shown.until(lambda text: re.search(r"^usable$", text, re.MULTILINE))
        assert not forwards(file)


def test_a_terminal_that_is_gone_leaves_the_proxy_forwarding(file: Path) -> None:
    with terminal([*UDPLB, "run", "-c", file], file.parent) as shown:
        shown.until("LIVE")
        pid = json.loads(told_status(file))["pid"]
        try:
            shown.hang_up()
            until(lambda: not _has_terminal(pid), "the console is over")
            assert forwards(file)
            with attached(file) as another:
                another.press("q")
                another.until("ended with 0")
        finally:
            os.kill(pid, signal.SIGTERM)
        until(lambda: not _runs(pid), "it ends", 30)


SEEN = {"1": "one", "2": "two", "3": "127.0.0.1", "4": "Events", "5": "e2e"}
"""What is there to be seen on each screen."""


def told_status(file: Path) -> str:
    """What `udplb status` says."""
    done = subprocess.run(
        [*UDPLB, "status", "--json", "--socket", str(socket_of(file))],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    return done.stdout


def _runs(pid: int) -> bool:
    """Whether it has not ended, be it that nobody has asked how."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def _has_terminal(pid: int) -> bool:
    """Whether the threads that draw still run."""
    names = Path(f"/proc/{pid}/task").glob("*/comm")
    return any("textual" in name.read_text() for name in names if name.exists())


@pytest.mark.parametrize("size", [(160, 50), (120, 36), (80, 24), (59, 14)])
def test_every_screen_at_every_size(file: Path, size: tuple[int, int]) -> None:
    with headless(file), attached(file, size=size) as shown:
        assert forwards(file)
        for key, seen in SEEN.items():
            shown.press(key)
            if size[0] >= 60:
                shown.until(seen)
        shown.resize(100, 30)
        shown.until("Help")
        shown.press("q")
        shown.until("ended with 0")


def test_who_only_looks_changes_nothing(file: Path) -> None:
    with headless(file), attached(file, "--read-only") as shown:
        shown.until(" RO ")
        shown.press("2")
        shown.until("one")
        shown.press("D")
        shown.press("R")
        shown.press("3")
        assert "Drain" not in shown.until(" RO ").replace("D Drain", "")
        assert "DRAIN" not in told(file)
