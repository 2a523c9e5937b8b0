"""Floods: the engine lives, its memory stays flat, flows that exist are not shed."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

import pytest

from tests.harness import Udp, until
from tests.programs import free_port, load_path, process, resident_bytes, udplb

pytestmark = pytest.mark.e2e

FLOOD = """
import random, socket, sys, time
port, seconds, rate = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
chance = random.Random(1)
noise = [chance.randbytes(chance.choice((0, 1, 9, 64, 300, 1400, 9000))) for _ in range(500)]
clients = []
for number in range(400):
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.bind((f"127.2.{number // 200}.{number % 200 + 1}", 0))
    client.connect(("127.0.0.1", port))
    client.setblocking(False)
    clients.append(client)
began, sent = time.monotonic(), 0
while (spent := time.monotonic() - began) < seconds:
    if rate and sent > spent * rate:
        time.sleep(0.001)
        continue
    for _ in range(20):
        try:
            clients[chance.randrange(400)].send(noise[sent % 500])
        except OSError:
            pass
        sent += 1
print("sent", sent, flush=True)
"""


def dropped(stderr: str) -> int:
    return int(stderr.rpartition("dropped ")[2].split()[0].replace(",", ""))


def flood(folder: Path, seconds: float, rate: float) -> tuple[int, int, int, int, int]:
    """Sent, shed, growth of memory in bytes, asked, and lost by a flow that exists."""
    backend, port = free_port(), free_port()
    engine, terms = 'max_flows = 3\ndrain_timeout = "100ms"', 'front_timeout = "60s"'
    with (
        process([load_path(), "echo", "--port", backend], "ready"),
        udplb(folder, port, [backend], engine=engine, cluster=terms) as running,
    ):
        clients = [Udp() for _ in range(3)]
        for client in clients:
            client.ask(b"first", ("127.0.0.1", port))
        asked = lost = 0
        with process([sys.executable, "-c", FLOOD, port, seconds, rate]) as flooding:
            time.sleep(0.3)
            memory = resident_bytes(running.pid)
            most = memory
            while flooding.poll() is None:
                client = random.choice(clients)
                client.settimeout(1.0)
                query = random.randbytes(20)
                asked += 1
                try:
                    while client.ask(query, ("127.0.0.1", port)) != query:
                        pass
                except TimeoutError:
                    lost += 1
                most = max(most, resident_bytes(running.pid))
                time.sleep(0.005)
            assert flooding.stdout is not None
            sent = int(flooding.stdout.read().split()[1])
        assert running.poll() is None
        for client in clients:
            client.settimeout(10)
            query = random.randbytes(30)
            client.sendto(query, ("127.0.0.1", port))
            until(lambda: query in client.waiting())
        running.terminate()
        assert running.wait(20) == 0
        assert running.stderr is not None
        shed = dropped(running.stderr.read())
    return sent, shed, most - memory, asked, lost


@pytest.mark.timeout(120)
def test_ten_seconds_of_garbage(tmp_path: Path) -> None:
    full = flood(tmp_path, 10.0, 0)
    sent, shed, grown, asked, lost = full
    saturated = shed / 10
    print(
        f"\nflood {sent / 10:,.0f}/s: {saturated:,.0f}/s shed, memory grew {grown >> 10} KiB,"
        f" an existing flow lost {lost} of {asked}"
    )
    assert shed > 1_000
    assert grown < 32 << 20
    sent, shed, grown, asked, lost = flood(tmp_path, 5.0, saturated / 2)
    print(
        f"at half of it, {sent / 5:,.0f}/s: {shed / 5:,.0f}/s shed,"
        f" an existing flow lost {lost} of {asked}"
    )
    assert lost == 0
