"""Two knot servers behind the profile dns, asked by dnsperf: nothing is lost."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.e2e.names import answers, knot
from tests.harness import need, need_root, until
from tests.programs import free_port, process, udplb

pytestmark = pytest.mark.e2e

NGINX_STREAM = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
SECONDS = 3


@contextmanager
def large_buffers() -> Iterator[None]:
    """knot takes the system's default; 2,000 queries in flight want more than that."""
    need_root()
    setting = Path("/proc/sys/net/core/rmem_default")
    before = setting.read_text()
    setting.write_text(str(4 << 20))
    try:
        yield
    finally:
        setting.write_text(before)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[int]]:
    folder = tmp_path_factory.mktemp("knot")
    with ExitStack() as stack:
        stack.enter_context(large_buffers())
        yield [stack.enter_context(knot(folder / str(number))).port for number in range(2)]


@contextmanager
def nginx(folder: Path, port: int, backends: list[int]) -> Iterator[None]:
    """The same by nginx."""
    listed = "".join(f"server 127.0.0.1:{backend}; " for backend in backends)
    (folder / "nginx.conf").write_text(f"""load_module {NGINX_STREAM};
daemon off; user root; worker_processes 1; worker_rlimit_nofile 20000;
pid {folder}/nginx.pid; error_log stderr emerg;
events {{ worker_connections 16000; }}
stream {{
  upstream u {{ {listed} }}
  server {{ listen 127.0.0.1:{port} udp rcvbuf=4m; proxy_pass u; proxy_responses 1;
            proxy_timeout 5s; }}
}}
""")
    command = [need("nginx"), "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf"]
    with process(command) as running:
        until(lambda: answers(port), "nginx forwards")
        yield
        running.terminate()
        running.wait(10)


def dnsperf(port: int, clients: int, folder: Path) -> tuple[int, int, float]:
    """Sent, lost, and queries a second."""
    (folder / "queries").write_text("host.example. A\nns.example. A\n")
    done = subprocess.run(
        [need("dnsperf"), "-s", "127.0.0.1", "-p", str(port), "-d", str(folder / "queries"),
         "-c", str(clients), "-q", str(100 * clients), "-l", str(SECONDS), "-b", "4096"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    sent, lost, rate = (
        re.search(rf"{what}:\s+([\d.]+)", done.stdout)
        for what in ("Queries sent", "Queries lost", "Queries per second")
    )
    assert sent
    assert lost
    assert rate
    return int(sent[1]), int(lost[1]), float(rate[1])


def dropped_before(ports: list[int]) -> int:
    """Queries that the kernel dropped because the name servers did not keep up."""
    rows = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
    return sum(int(row[12]) for row in rows if int(row[1].rpartition(":")[2], 16) in ports)


@pytest.mark.parametrize("clients", [1, 20])
def test_no_query_is_lost(servers: list[int], tmp_path: Path, clients: int) -> None:
    port = free_port()
    before = dropped_before(servers)
    with udplb(tmp_path, port, servers, cluster='profile = "dns"'):
        sent, lost, rate = dnsperf(port, clients, tmp_path)
    by_knot = dropped_before(servers) - before
    beside = "no nginx here"
    if NGINX_STREAM.exists():
        port = free_port()
        with nginx(tmp_path, port, servers):
            _, nginx_lost, nginx_rate = dnsperf(port, clients, tmp_path)
        beside = f"nginx {nginx_rate:,.0f}/s, {nginx_lost} lost"
    print(
        f"\ndnsperf -c {clients}: udplb {rate:,.0f}/s of {sent:,}, {lost} lost, {by_knot} of them"
        f" by knot's socket buffers; {beside}"
    )
    assert sent > 100
    assert lost == 0
