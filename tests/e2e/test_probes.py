"""Probes against real servers: knot for dns, chronyd for ntp."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.names import knot
from tests.engine.probes.ground import Cluster
from tests.harness import PATIENCE_S, Udp, need, need_root, until
from tests.programs import free_port, process
from udplb.core.settings import HealthSettings
from udplb.engine.probes.checker import HealthChecker
from udplb.engine.probes.ntp import NtpExchange

pytestmark = pytest.mark.e2e


def probe(cluster: Cluster, enough: Callable[[], object]) -> None:
    """Probe until it is enough."""
    loop = asyncio.new_event_loop()
    checker = HealthChecker(loop)
    checker.follow(cluster)
    deadline = time.monotonic() + PATIENCE_S

    def look() -> None:
        if enough() or time.monotonic() > deadline:
            loop.stop()
        else:
            loop.call_later(0.005, look)

    loop.call_soon(look)
    loop.run_forever()
    checker.stop()
    loop.close()
    assert enough(), (cluster.good, cluster.bad)


def dns(name: str, record_type: str = "A", *rcodes: str) -> HealthSettings:
    return HealthSettings(
        probe="dns",
        query_name=name,
        query_type=record_type,
        rcodes=rcodes or ("NOERROR",),
        interval=0.1,
        timeout=1.0,
    )


@pytest.fixture(scope="module")
def name_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with knot(tmp_path_factory.mktemp("knot") / "one") as server:
        yield server.port


@pytest.mark.parametrize(
    ("health", "why"),
    [
        (dns("host.example"), ""),
        (dns("HOST.example.", "AAAA"), ""),
        (dns("example", "SOA"), ""),
        (dns("none.example"), "answered NXDOMAIN"),
        (dns("none.example", "A", "NOERROR", "NXDOMAIN"), ""),
        (dns(".", "NS"), "answered REFUSED"),
        (dns("elsewhere.test", "A", "REFUSED"), ""),
    ],
)
def test_knot_answers_dns_probes(name_server: int, health: HealthSettings, why: str) -> None:
    cluster = Cluster(("127.0.0.1", name_server), health=health)
    probe(cluster, lambda: len(cluster.good) + len(cluster.bad) >= 3)
    assert set(cluster.whys) == ({why} if why else set())
    if not why:
        latency = max(latency for *_, latency in cluster.good)
        print(f"\nknot, {health.query_name} {health.query_type}: {latency * 1e6:,.0f} µs at most")


@contextmanager
def chrony(folder: Path, *, synchronised: bool) -> Iterator[int]:
    """A time server that leaves this machine's clock alone (-x); its port."""
    need_root()
    port = free_port()
    (folder / "chrony.conf").write_text(
        f"port {port}\ncmdport 0\nallow 127.0.0.1\nbindaddress 127.0.0.1\n"
        f"pidfile {folder}/chronyd.pid\nbindcmdaddress /\n"
        + ("local stratum 5\n" if synchronised else "")
    )
    with process([need("chronyd"), "-x", "-d", "-u", "root", "-f", folder / "chrony.conf"]):
        exchange = NtpExchange()

        def answers() -> bool:
            asker = Udp()
            asker.settimeout(0.2)
            try:
                reply = asker.ask(b"\x23" + bytes(39) + b"12345678", ("127.0.0.1", port))
            except (TimeoutError, ConnectionError):
                return False
            return exchange.judge(reply, b"12345678") is not None

        until(answers, "chronyd answers")
        yield port


@pytest.mark.parametrize("synchronised", [True, False])
def test_chrony_answers_ntp_probes(tmp_path: Path, synchronised: bool) -> None:
    os.chmod(tmp_path, 0o755)
    health = HealthSettings(probe="ntp", interval=0.1, timeout=1.0)
    with chrony(tmp_path, synchronised=synchronised) as port:
        cluster = Cluster(("127.0.0.1", port), health=health)
        probe(cluster, lambda: len(cluster.good) + len(cluster.bad) >= 3)
    assert set(cluster.whys) == (set() if synchronised else {"answered unsynchronised"})
    assert bool(cluster.good) is synchronised
