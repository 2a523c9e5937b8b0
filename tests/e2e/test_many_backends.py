"""A thousand backends, each probed every second: what that costs, and whom it hurts."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from tests.harness import until
from tests.programs import cpu_s, descriptors, free_port, load, process, udplb

pytestmark = pytest.mark.e2e

BACKENDS = 1_000
SECONDS = 4
RATE = 2_000

ECHO = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO: answer from the address that was asked
sock.bind(("0.0.0.0", int(sys.argv[1])))
print("ready", flush=True)
while True:
    datagram, ancillary, _, client = sock.recvmsg(2_048, 64)
    level, kind, data = ancillary[0]
    source = [(level, kind, bytes(4) + data[4:8] + bytes(4))]
    sock.sendmsg([datagram], source, 0, client)
"""

PROBE = """
[clusters.e2e.health]
probe = "udp"
send = "are you there?"
expect = "are you there?"
interval = "1s"
timeout = "900ms"
"""


def measured(folder: Path, server: int, probe: str) -> tuple[float, int, float]:
    """The share of a core that the idle proxy uses, its sockets, and the p99 in microseconds."""
    port = free_port()
    hosts = [f"127.1.{number >> 8}.{number & 255}" for number in range(1, BACKENDS + 1)]
    with udplb(
        folder,
        port,
        [],
        cluster=f'profile = "dns"\n{probe}',
        addresses=[f"{h}:{server}" for h in hosts],
    ) as running:
        fds: list[int] = []

        def looked_long_enough() -> bool:
            fds.append(descriptors(running.pid))
            return len(fds) > 200

        until(looked_long_enough, "a second of looks")
        began, used = time.monotonic(), cpu_s(running.pid)
        time.sleep(SECONDS)  # a rate is a matter of time
        share = (cpu_s(running.pid) - used) / (time.monotonic() - began)
        results = load(
            "flows", "--rate", RATE, "--size", 64, "--target", f"127.0.0.1:{port}",
            "--seconds", SECONDS,
        )  # fmt: skip
        assert results["wrong"] == 0
        assert results["lost"] == 0
        assert running.poll() is None
        return share, max(fds), results["latency_us"]["p99"]


def test_a_thousand_backends_are_probed_every_second(tmp_path: Path) -> None:
    server = free_port()
    with process([sys.executable, "-c", ECHO, server], "ready"):
        _, fds_without, p99_without = measured(tmp_path, server, "")
        share, fds, p99 = measured(tmp_path, server, PROBE)
    print(
        f"\n{BACKENDS:,} backends probed every second: {share:.1%} of a core,"
        f" {fds - fds_without} descriptors more at most; p99 at {RATE:,} new flows/s"
        f" {p99:.0f} us, {p99_without:.0f} us without probes"
    )
    assert fds - fds_without < BACKENDS
    assert share < 0.5
    assert p99 < 10 * p99_without + 10_000, "hurt beyond any noise"
