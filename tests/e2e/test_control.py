"""Whoever is at the control socket, datagrams go on: one who reads nothing, one who talks nonsense,
a thousand at once, and one who has no business there."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.e2e.control import (
    Running,
    backend,
    cluster,
    engine,
    listener,
    running,
    text_of,
)
from tests.harness import PATIENCE_S, Servers, need_linux, need_root, until
from tests.programs import descriptors, free_port, load, load_path, process, resident_bytes
from tests.traffic import Traffic
from udplb.engine.control.requests import Subscribe
from udplb.engine.control.wire import LINE_BYTES_MAX

pytestmark = pytest.mark.e2e

NEW_FLOWS_PER_S, SECONDS, WARM_UP_S = 2_000, 4.5, 1.5
SLOPE_MAX = 1 << 20
"""Bytes a second that memory may grow; a subscriber's queue of events would take more."""
CONNECTIONS = 1_000
NOBODY = 65_534


def at(path: Path) -> socket.socket:
    """A connection to the socket."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE_S)

    def connected() -> bool:
        with suppress(BlockingIOError):  # so many wait already that the kernel takes no more
            client.connect(str(path))
            return True
        return False

    until(connected, "room in the backlog")
    return client


def said(client: socket.socket) -> list[dict[str, object]]:
    """All that the proxy says until it closes."""
    heard = bytearray()
    with suppress(ConnectionResetError):
        while part := client.recv(65_536):
            heard += part
    return [json.loads(line) for line in heard.splitlines()]


def file_of(folder: Path, port: int, server: int, terms: str = "") -> Path:
    """One listener, one backend."""
    file = folder / "udplb.toml"
    servers = [backend(f"127.0.0.1:{server}")]
    file.write_text(
        text_of(engine(folder / "s"), listener("l", port, "c"), cluster("c", servers, terms))
    )
    return file


# Who reads nothing


def subscribed(path: Path) -> socket.socket:
    """A subscriber to everything, who never reads."""
    client = at(path)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    line = {"request": "subscribe", "id": 1, "flow_events": True, "interval_s": 0.1}
    client.sendall(json.dumps(line).encode() + b"\n")
    return client


def slope(samples: list[tuple[float, int]]) -> float:
    """Bytes a second: the least squares."""
    mean_at = sum(at for at, _ in samples) / len(samples)
    mean = sum(size for _, size in samples) / len(samples)
    above = sum((at - mean_at) * (size - mean) for at, size in samples)
    return above / sum((at - mean_at) ** 2 for at, _ in samples)


def test_a_subscriber_that_stops_reading(tmp_path: Path) -> None:
    need_linux()
    port, server = free_port(), free_port()
    file = file_of(tmp_path, port, server, 'profile = "dns"')
    generator = [
        load_path(), "flows", "--rate", NEW_FLOWS_PER_S, "--size", 64,
        "--target", f"127.0.0.1:{port}", "--seconds", WARM_UP_S + SECONDS,
    ]  # fmt: skip
    with (
        process([load_path(), "echo", "--port", server], "ready"),
        running(file, tmp_path / "s") as proxy,
        ExitStack() as stack,
    ):
        for _ in range(3):
            stack.enter_context(subscribed(proxy.socket))
        with process(generator) as loading:
            samples = watched(proxy, loading)
            assert loading.stdout is not None
            results = json.loads(loading.stdout.read().splitlines()[-1])
        snapshot = proxy.status()
        grows = slope(samples)
        span = max(size for _, size in samples) - min(size for _, size in samples)
        print(
            f"\n3 subscribers that read nothing, {snapshot.totals.admitted:,} flows in"
            f" {WARM_UP_S + SECONDS:.0f} s: memory grows {grows / 1024:,.0f} KiB/s after the"
            f" warm-up (span {span >> 10} KiB), {results['lost']} lost, p99"
            f" {results['latency_us']['p99']:.0f} us, {snapshot.totals.events_lost:,} events lost"
        )
        assert (results["lost"], results["wrong"]) == (0, 0)
        assert snapshot.totals.admitted > NEW_FLOWS_PER_S * SECONDS
        assert grows < SLOPE_MAX
        with proxy.client.subscribe(Subscribe()) as stream:
            assert stream.take(PATIENCE_S), "others are served"


def watched(proxy: Running, loading: subprocess.Popen[str]) -> list[tuple[float, int]]:
    """The proxy's memory after the warm-up, until the load has ended."""
    began = time.monotonic()
    samples: list[tuple[float, int]] = []
    while loading.poll() is None:
        since = time.monotonic() - began
        if since > WARM_UP_S:
            samples.append((since, resident_bytes(proxy.pid)))
        time.sleep(0.1)  # memory is a matter of time
    return samples


# Who talks nonsense


@contextmanager
def asked_throughout(tmp_path: Path) -> Iterator[tuple[Running, Traffic]]:
    """A proxy with clients that ask all the time, and lose nothing; at the end all is as before."""
    need_linux()
    port = free_port()
    with Servers(1) as servers:
        file = file_of(tmp_path, port, servers.names[0][1])
        with (
            running(file, tmp_path / "s") as proxy,
            Traffic(("127.0.0.1", port), rate=500, clients=10) as traffic,
        ):
            traffic.go_on(50)
            before, memory = descriptors(proxy.pid), resident_bytes(proxy.pid)
            yield proxy, traffic
            traffic.go_on(50)
            assert proxy.alive
            assert proxy.status().state == "running"
            until(lambda: descriptors(proxy.pid) <= before + 1, "descriptors as before")
            lost = traffic.hush()
            grown = resident_bytes(proxy.pid) - memory
            times = sorted(e.answers[0] - e.sent_at for e in traffic.queries if e.answers)
            print(
                f"  {len(traffic.queries)} asked meanwhile, {len(lost)} lost, the slowest"
                f" {times[-1] * 1e3:.1f} ms; memory {grown >> 10:+} KiB"
            )
            assert not lost
            assert traffic.doubled == 0
            assert grown < 32 << 20


def nonsense(chance: random.Random) -> list[bytes]:
    """Lines that are no requests."""
    deep = LINE_BYTES_MAX - 100
    requests = [b"status", b"flows", b"drain", b"subscribe", b"close_flows", b"explain"]
    lines = [
        b"[" * deep,
        b'{"a":' * (deep // 5),
        b'{"request": "flows", "query": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"request": "close_flows", "flows": [' + b"1," * 400_000 + b"1]}",
        b'{"request": "status", "id": ' + b"9" * 500_000 + b"}",
        b'{"request": "explain", "listener": "' + b"l" * 500_000 + b'", "client": "1"}',
        b'{"request": "flows", "query": {"limit": 1e999, "sort": "\\ud800"}}',
        b'{"request": "flows", "query": {"filter": "' + b"client=10.0.0.0/8 " * 20_000 + b'"}}',
        b"\xff\xfe" * 1_000,
        b"\0" * 1_000,
        b"",
    ]
    for _ in range(200):
        line = bytearray(b'{"request": "%s", "id": 7}' % chance.choice(requests))
        for _ in range(chance.randrange(1, 6)):
            line[chance.randrange(len(line))] = chance.randrange(256)
        lines.append(bytes(line))
    lines += [chance.randbytes(chance.randrange(1, 2_000)) for _ in range(200)]
    return lines


def test_nonsense(tmp_path: Path) -> None:
    chance = random.Random(7)
    with asked_throughout(tmp_path) as (proxy, _):
        errors = 0
        for line in nonsense(chance):
            with at(proxy.socket) as client:
                with suppress(BrokenPipeError, ConnectionResetError):
                    client.sendall(line + b"\n")
                    client.shutdown(socket.SHUT_WR)
                answers = said(client) if b"subscribe" not in line else []
                errors += sum(each["type"] == "error" for each in answers)
                assert not answers or answers[0]["type"] == "hello"
        print(f"\nnonsense on the control socket: {errors} error objects")
        assert errors > 300


def test_a_line_of_a_hundred_megabytes(tmp_path: Path) -> None:
    with asked_throughout(tmp_path) as (proxy, _):
        part, sent = b"x" * (1 << 20), 0
        with at(proxy.socket) as client:
            try:
                while sent < 100 << 20:
                    sent += client.send(part)
            except (BrokenPipeError, ConnectionResetError):
                pass
            answers = said(client)
        print(f"\na line without an end: closed after {sent >> 10:,} KiB, {answers[1:]}")
        assert sent < 16 << 20, "it goes on reading"


def test_half_open_connections(tmp_path: Path) -> None:
    """Some say half a line and wait, some say nothing more at once, some are gone at once."""
    with asked_throughout(tmp_path) as (proxy, _), ExitStack() as stack:
        for number in range(20):
            client = stack.enter_context(at(proxy.socket))
            client.sendall(b'{"request": "sta')
            if number % 3 == 1:
                client.shutdown(socket.SHUT_WR)
            elif number % 3 == 2:
                client.close()
        for _ in range(200):
            with at(proxy.socket) as client:
                client.sendall(b'{"request": "status"}\n' * 3)
        assert proxy.status().state == "running"
        print("\nhalf-open connections:")
        stack.close()


def test_a_thousand_connections(tmp_path: Path) -> None:
    with asked_throughout(tmp_path) as (proxy, traffic), ExitStack() as stack:
        clients = [stack.enter_context(at(proxy.socket)) for _ in range(CONNECTIONS)]
        traffic.go_on(100)
        greeted = closed = 0
        for client in clients:
            with suppress(ConnectionResetError, BrokenPipeError):
                first = json.loads(client.makefile().readline() or "{}")
                greeted += first.get("type") == "hello"
            client.setblocking(False)
            with suppress(BlockingIOError):
                try:
                    while client.recv(4_096):
                        pass
                    closed += 1
                except (ConnectionResetError, BrokenPipeError):
                    closed += 1
        print(f"\n{CONNECTIONS} connections: {greeted} greeted, {closed} closed")
        assert CONNECTIONS - closed <= 40
        assert descriptors(proxy.pid) < 100
        stack.close()
        until(lambda: _answers(proxy), "there is room again")


def _answers(proxy: Running) -> bool:
    with at(proxy.socket) as client:
        return b"hello" in client.recv(4_096)


# Who has no business there


def heard_by_nobody(path: Path) -> str:
    """What another user hears at the socket. A fork: he may not even read our Python."""
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(sink, _heard(path).encode())
        finally:
            os._exit(0)
    os.close(sink)
    with os.fdopen(source) as pipe:
        heard = pipe.read()
    os.waitpid(child, 0)
    return heard


def _heard(path: Path) -> str:
    try:
        with at(path) as client:
            client.sendall(b'{"request": "status", "id": 1}\n')
            return f"heard {client.recv(100_000)!r}"
    except OSError as error:
        return f"refused, {type(error).__name__}"


def test_another_user_gets_nothing(tmp_path: Path) -> None:
    need_root()
    with Servers(1) as servers, tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # everybody may look into it
        file = file_of(Path(folder), free_port(), servers.names[0][1])
        with running(file, Path(folder) / "s") as proxy:
            assert proxy.socket.stat().st_mode & 0o777 == 0o600
            heard = [heard_by_nobody(proxy.socket)]
            os.chmod(proxy.socket, 0o666)  # somebody was careless
            heard.append(heard_by_nobody(proxy.socket))
            print(f"\nanother user: {heard}")
            assert heard[0] == "refused, PermissionError"
            assert '"hello"' not in heard[1]
            assert '"answer"' not in heard[1]
            assert proxy.status().state == "running"


def test_the_load_is_what_it_says() -> None:
    """`load flows` counts what is lost: without a proxy all of it is."""
    results = load(
        "flows", "--rate", 100, "--size", 64, "--target", f"127.0.0.1:{free_port()}",
        "--seconds", 0.5,
    )  # fmt: skip
    assert results["lost"] > 0
