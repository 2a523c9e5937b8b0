"""A knot name server with one zone, which tests start, kill, freeze and start again."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness import REPOSITORY, Udp, need, until
from tests.programs import free_port

QUESTION = bytes.fromhex("1234 0100 0001 0000 0000 0000 04686f7374 07657861 6d706c65 00 0001 0001")
"""host.example, A."""

_ZONE = """$ORIGIN example.
$TTL 60
@ SOA ns hostmaster 1 60 60 60 60
  NS ns
ns A 192.0.2.1
host A 192.0.2.2
"""


def answers(port: int) -> bool:
    """Whether a name server answers there."""
    asker = Udp()
    asker.settimeout(0.2)
    try:
        return asker.ask(QUESTION, ("127.0.0.1", port))[:2] == QUESTION[:2]
    except (TimeoutError, ConnectionError):
        return False


class Knot:
    """One server, at `port` for all its lives."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.port = free_port()
        self._conf = folder / "knot.conf"
        self._running: subprocess.Popen[bytes] | None = None
        (folder / "example.zone").write_text(_ZONE)
        self._conf.write_text(f"""
server:
    rundir: {folder}
    listen: 127.0.0.1@{self.port}
    udp-workers: 1
    background-workers: 1
database:
    storage: {folder}
template:
  - id: default
    storage: {folder}
    journal-content: none
    zonefile-load: whole
zone:
  - domain: example.
    file: example.zone
""")

    def start(self) -> None:
        """Run, and wait until it answers."""
        self._running = subprocess.Popen(
            [need("knotd"), "-c", str(self._conf)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=REPOSITORY,
        )
        until(lambda: answers(self.port), "knot answers")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._running is not None
        self._running.send_signal(number)

    def kill(self) -> None:
        """kill -9: its socket is gone at once, and its host refuses what still comes."""
        if self._running is not None:
            self._running.kill()
            self._running.wait()
            self._running = None


@contextmanager
def knot(folder: Path) -> Iterator[Knot]:
    """A server for as long as the block lasts."""
    server = Knot(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
