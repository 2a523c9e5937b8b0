"""18,000 live flows, then silence: all end, memory and descriptors come back, nobody waits."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.harness import REPOSITORY, Udp, missing, need_linux, until
from tests.programs import cpu_s, descriptors, free_port, load_path, process, resident_bytes, udplb

pytestmark = pytest.mark.e2e

FLOWS = 18_000

CLIENTS = """
import resource, socket, sys
port, count = int(sys.argv[1]), int(sys.argv[2])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
clients, answered = [], 0
for number in range(count):
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # Loopback addresses of their own: clients take no port away from the proxy's upstreams.
    client.bind((f"127.1.{number // 250}.{number % 250 + 1}", 9000))
    client.connect(("127.0.0.1", port))
    client.settimeout(5)
    clients.append(client)
    for attempt in range(3):
        client.send(b"%d" % number)
        try:
            answered += client.recv(100) == b"%d" % number
            break
        except TimeoutError:
            pass
print("ready", answered, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def enough_descriptors() -> None:
    need_linux()
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 20_000:
        missing("limit of 20,000 descriptors")


def longest_pause(client: Udp, port: int, over: object, seconds_max: float) -> float:
    """Ping-pong until `over()`; the longest round trip in seconds."""
    longest, end = 0.0, time.monotonic() + seconds_max
    while time.monotonic() < end:
        began = time.perf_counter()
        client.ask(b"ping", ("127.0.0.1", port))
        longest = max(longest, time.perf_counter() - began)
        if callable(over) and over():
            break
    return longest


@pytest.mark.timeout(180)
def test_eighteen_thousand_flows(enough_descriptors: None, tmp_path: Path) -> None:
    backend, port = free_port(), free_port()
    ports = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    room = (int(ports[1]) - int(ports[0])) * 0.8
    assert room > FLOWS
    terms = 'front_timeout = "8s"\nback_timeout = "8s"'
    with (
        process([load_path(), "echo", "--port", backend], "ready"),
        udplb(tmp_path, port, [backend], engine="max_flows = 19000", cluster=terms) as running,
    ):
        pid = running.pid
        first = Udp()
        first.ask(b"first", ("127.0.0.1", port))
        fds_before, memory_before = descriptors(pid), resident_bytes(pid)
        clients = subprocess.Popen(
            [sys.executable, "-c", CLIENTS, str(port), str(FLOWS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
        try:
            assert clients.stdout is not None
            word, answered = clients.stdout.readline().split()
            assert (word, int(answered)) == ("ready", FLOWS)
            fds_most, memory_most = descriptors(pid), resident_bytes(pid)
            pause = longest_pause(
                first, port, lambda: descriptors(pid) <= fds_before + 1, seconds_max=60
            )
        finally:
            clients.kill()
            clients.communicate()
        until(lambda: descriptors(pid) <= fds_before + 1, "all have ended", timeout_s=40)
        until(lambda: descriptors(pid) < fds_before, "the last one too", timeout_s=40)
        began, used = time.monotonic(), cpu_s(pid)
        time.sleep(4)  # idle is a matter of time
        idle = (cpu_s(pid) - used) / (time.monotonic() - began)
        memory_after = resident_bytes(pid)
        print(
            f"\n{FLOWS:,} flows: descriptors {fds_before} -> {fds_most:,} -> {descriptors(pid)},"
            f" memory {memory_before >> 20} -> {memory_most >> 20} -> {memory_after >> 20} MiB,"
            f" longest round trip while they end {pause * 1e3:.1f} ms, idle {idle:.2%} of a core"
        )
        assert fds_most > 10_000
        assert memory_after - memory_before < 0.7 * (memory_most - memory_before)
        assert pause < 0.25, "10 ms are wanted; the machine is noisy"
        assert idle < 0.01
