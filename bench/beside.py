"""Who watches udplb while it is measured: a subscriber of its events, a scraper of its metrics.

    python -m bench.beside subscriber SOCKET      what happens at 2 Hz, until SIGTERM
    python -m bench.beside scraper PORT           /metrics once a second, until SIGTERM

Each prints a line per picture or page that came; a watcher that got nothing is no measurement.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from bench.machine import MeasurementError, end, free_port, process
from bench.peers import Scene, control_socket, udplb_command

INTERVAL_S = 0.5
SCRAPE_S = 1.0
FIRST_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Companion:
    """A watcher: why there can be none, and its command line for a scene."""

    missing: Callable[[], str | None]
    arguments: Callable[[Scene, Path], list[str]]
    scraped: bool = False

    def prepare(self, scene: Scene) -> Scene:
        """The scene as it must be for this watcher."""
        return replace(scene, metrics=free_port(socket.SOCK_STREAM)) if self.scraped else scene


@cache
def metrics_missing() -> str | None:
    """Whether /metrics is served is seen by asking: one start of udplb."""
    core = min(os.sched_getaffinity(0))
    scene = Scene(free_port(), (free_port(),), metrics=free_port(socket.SOCK_STREAM))
    with tempfile.TemporaryDirectory(prefix="udplb-bench-") as name:
        folder = Path(name)
        with (
            (folder / "stderr").open("w") as said,
            process(udplb_command(scene, folder), core, said) as started,
        ):
            _wait_for_socket(control_socket(folder), started)
            try:
                scrape(scene.metrics)
            except (OSError, http.client.HTTPException):
                return "udplb serves no /metrics yet"
    return None


def _wait_for_socket(path: Path, started: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + FIRST_WITHIN_S
    while not path.exists() and started.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)


COMPANIONS = {
    "subscriber": Companion(
        lambda: None, lambda scene, folder: ["subscriber", str(control_socket(folder))]
    ),
    "metrics": Companion(
        metrics_missing, lambda scene, folder: ["scraper", str(scene.metrics)], scraped=True
    ),
}


@contextmanager
def accompany(name: str, scene: Scene, folder: Path, core: int) -> Iterator[None]:
    """The watcher watches as long as the block lasts. Raises MeasurementError if it saw nothing."""
    command = [sys.executable, "-m", "bench.beside", *COMPANIONS[name].arguments(scene, folder)]
    with process(command, core, stdout=subprocess.PIPE) as watcher:
        assert watcher.stdout
        if not watcher.stdout.readline():
            raise MeasurementError(f"the {name} beside it saw nothing")
        yield
        if watcher.poll() is not None:
            raise MeasurementError(f"the {name} beside it ended with {watcher.returncode}")
        watcher.send_signal(signal.SIGTERM)
        came = len(watcher.stdout.readlines())
        end(watcher)
    if not came:
        raise MeasurementError(f"the {name} beside it saw nothing while it was measured")


def subscribe(path: str) -> None:
    """Print a line per picture."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        request = {"request": "subscribe", "id": 1, "interval_s": INTERVAL_S}
        connection.sendall(json.dumps(request).encode() + b"\n")
        for line in connection.makefile("rb"):
            if json.loads(line)["type"] == "snapshot":
                print("snapshot", flush=True)


def scrape(port: int) -> int:
    """The bytes of the metrics page. Raises OSError or HTTPException."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=FIRST_WITHIN_S)
    try:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise http.client.HTTPException(f"status {response.status}")
        return len(response.read())
    finally:
        connection.close()


def main() -> int:
    match sys.argv[1:]:
        case ["subscriber", path]:
            subscribe(path)
        case ["scraper", port]:
            while True:
                print("page of", scrape(int(port)), "bytes", flush=True)
                time.sleep(SCRAPE_S)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
