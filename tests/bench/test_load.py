"""The generator: every way to load, and that it notices every wrong datagram."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.machine import FOLDER
from bench.stage import Result
from tests.harness import need

SECONDS = "0.1"
WAYS = {
    "window": ("closed", "--sockets", "4", "--window", "4"),
    "rotation": ("closed", "--sockets", "40", "--in-flight", "10", "--hosts", "8"),
    "some of them": ("closed", "--sockets", "40", "--in-flight", "10", "--busy", "10"),
    "paced": (
        "closed", "--sockets", "4", "--window", "512", "--rate", "20000", "--burst", "8"
    ),
    "flows": ("flows", "--window", "8"),
}  # fmt: skip


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, without a warning."""
    need("cc")
    binary = tmp_path_factory.mktemp("load") / "load"
    flags = ["-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["cc", *flags, "-o", str(binary), str(FOLDER / "load.c")], check=True)
    return binary


@contextmanager
def echo(load: Path, *options: str) -> Iterator[str]:
    """An echo server's address."""
    command = [str(load), "echo", "--port", "0", "--seconds", "60", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        yield f"127.0.0.1:{server.stdout.readline().split()[1]}"
        server.terminate()


def run(load: Path, target: str, *words: str, answers: str = "") -> Result:
    command = [str(load), *words, "--target", target, "--seconds", SECONDS]
    done = subprocess.run(command, input=answers, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(result, dict)
    return result


@pytest.mark.parametrize("way", WAYS)
def test_what_comes_back_whole_is_counted(load: Path, way: str) -> None:
    with echo(load) as target:
        result = run(load, target, *WAYS[way])
    assert result["replies"]
    assert result["wrong"] == 0
    latency = result["latency_us"]
    assert isinstance(latency, dict)
    assert 0 < latency["p50"] <= latency["max"] * 1.02


@pytest.mark.parametrize(
    ("way", "fault"),
    [(way, fault) for way in WAYS for fault in ("--corrupt", "--repeat")][:-1],
    # flows closes a socket with the first reply, mostly before a second one comes.
)
def test_what_is_wrong_is_noticed(load: Path, way: str, fault: str) -> None:
    with echo(load, fault, "2") as target:
        result = run(load, target, *WAYS[way])
    assert result["wrong"]


def test_flows_are_open_before_the_load_begins(load: Path) -> None:
    words = ("closed", "--sockets", "300", "--in-flight", "10", "--busy", "10", "--wait")
    with echo(load) as target:
        command = [str(load), *words, "--target", target, "--seconds", SECONDS]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as clients:
            assert clients.stdin
            assert clients.stdout
            assert clients.stdout.readline() == "ready\n"
            clients.stdin.write("\n")
            clients.stdin.flush()
            result = json.loads(clients.stdout.readline())
    assert result["replies"]
    assert (result["wrong"], result["lost"]) == (0, 0)


@pytest.mark.parametrize(
    "words",
    [
        ("closed", "--rate", "1", "--in-flight", "1"),
        ("closed", "--in-flight", "1", "--window", "1"),
        ("closed", "--sockets", "2", "--busy", "3"),
        ("closed", "--wait"),
        ("flows", "--rate", "1", "--window", "1"),
    ],
)
def test_what_does_not_go_together_is_refused(load: Path, words: tuple[str, ...]) -> None:
    command = [str(load), *words, "--target", "127.0.0.1:9"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2
