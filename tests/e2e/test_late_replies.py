"""A backend that answers twice, late the second time: nobody gets another's datagram."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.harness import need_linux
from tests.namespaces import in_namespace, set_port_range
from tests.programs import free_port, load, process, udplb

pytestmark = pytest.mark.e2e

TWICE = """
import heapq, selectors, socket, sys, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
sock.bind(("127.0.0.1", int(sys.argv[1])))
sock.setblocking(False)
selector = selectors.DefaultSelector()
selector.register(sock, selectors.EVENT_READ)
print("ready", flush=True)
late = []
while True:
    selector.select(0.001)
    now = time.monotonic()
    while late and late[0][0] <= now:
        _, datagram, client = heapq.heappop(late)
        try:
            sock.sendto(datagram, client)
        except OSError:
            pass  # the flow is gone, and its port said so
    for _ in range(64):
        try:
            datagram, client = sock.recvfrom(2048)
        except BlockingIOError:
            break
        except OSError:
            continue
        sock.sendto(datagram, client)
        heapq.heappush(late, (now + 0.1, datagram, client))
"""


ENDS_SOON = 'responses = 1\nfront_timeout = "5s"\nback_timeout = "5s"'
"""A flow whose only reply was lost on the way holds up the end of the proxy by no more."""


def run(folder: Path, rate: int, seconds: int) -> dict[str, Any]:
    backend, port = free_port(), free_port()
    if backend == port:
        port += 1
    with (
        process([sys.executable, "-c", TWICE, backend], "ready"),
        udplb(folder, port, [backend], cluster=ENDS_SOON) as running,
    ):
        results = load(
            "flows", "--target", f"127.0.0.1:{port}", "--rate", rate, "--seconds", seconds
        )
        running.terminate()
        assert running.wait(20) == 0
        assert running.stderr is not None
        print("\n" + running.stderr.read().splitlines()[-1])
    print({key: results[key] for key in ("opened", "replies", "lost", "wrong", "held_back")})
    return results


def test_nobody_gets_anothers_datagram(tmp_path: Path) -> None:
    need_linux()
    results = run(tmp_path, 4_000, 10)
    assert results["opened"] > 5_000
    assert results["replies"] > 0.9 * results["opened"]
    assert results["wrong"] == 0


@in_namespace
def test_nor_when_ports_are_scarce(tmp_path: Path) -> None:
    """1,200 ports for 4,000 flows a second with a second's rest: shed, never misdelivered."""
    set_port_range(40_000, 41_499)
    results = run(tmp_path, 4_000, 4)
    assert results["lost"] > 0
    assert results["replies"] > 1_000
    assert results["wrong"] == 0
