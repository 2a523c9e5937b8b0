"""One probe: what it sends, and what errors make of it."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.harness import Udp, until
from udplb.core.settings import PROBE_BYTES_MAX
from udplb.engine.probes import attempt
from udplb.engine.probes.attempt import (
    PORT_TRIES,
    REFUSED,
    Attempt,
    NotMadeError,
    TcpAttempt,
    UdpAttempt,
)
from udplb.engine.probes.exchange import ANSWERED
from udplb.engine.probes.payload import PayloadExchange
from udplb.engine.probes.sip import SipExchange

PING = PayloadExchange(b"ping", b"")


def udp(target: tuple[str, int], header: bytes = b"") -> UdpAttempt:
    return UdpAttempt(target, time.monotonic(), PING, b"", header)


@pytest.fixture
def server() -> Iterator[Udp]:
    with closing(Udp()) as sock:
        yield sock


def test_the_header_goes_in_front_of_the_request(server: Udp) -> None:
    with closing(udp(server.name, b"header ")) as probe:
        assert probe.start(time.monotonic) is None
        assert server.recv(100) == b"header ping"
        assert probe.look() is None
        assert probe.gave_up().why == "timed out"
        assert probe.sent_at >= probe.started_at


def test_a_request_can_name_both_ends(server: Udp) -> None:
    with closing(UdpAttempt(server.name, 0.0, SipExchange(), bytes(16))) as probe:
        probe.start(time.monotonic)
        request = server.recv(2000).decode()
    host, port = server.name
    local = probe_port(request)
    assert request.startswith(f"OPTIONS sip:{host}:{port} ")
    assert f"Via: SIP/2.0/UDP 127.0.0.1:{local};rport" in request


def probe_port(request: str) -> int:
    return int(request.partition("UDP 127.0.0.1:")[2].partition(";")[0])


def test_a_probe_that_meets_itself_met_nobody() -> None:
    """The kernel may give the very port that is asked, if nobody holds it."""
    with closing(Udp()) as free:
        target = free.name
    with closing(udp(target)) as probe:
        probe.sock.bind(target)
        assert probe.start(time.monotonic) is REFUSED
    with closing(TcpAttempt(target, 0.0)) as connecting:
        connecting.sock.bind(target)
        judgement = connecting.start(time.monotonic)
        assert judgement in (None, REFUSED)
        assert connecting.look() is REFUSED


def test_what_came_before_the_connect_is_thrown_away(server: Udp) -> None:
    with closing(udp(server.name)) as probe, closing(Udp()) as stranger:
        probe.sock.bind(("127.0.0.1", 0))
        stranger.sendto(b"pong", probe.sock.getsockname())
        assert probe.start(time.monotonic) is None
        assert probe.look() is None
        server.sendto(b"pong", server.recvfrom(100)[1])
        until(lambda: probe.look() is ANSWERED)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_is_drawn_until_one_is_free(host: str) -> None:
    with closing(Udp(host)) as server, closing(Udp(host)) as holder, closing(Udp(host)) as other:
        free = other.name[1]
        other.close()
        drawn = [*[holder.name[1]] * (PORT_TRIES - 1), free]
        probe = UdpAttempt(server.name, 0.0, PING, b"", draw_port=lambda: drawn.pop(0))
        with closing(probe):
            assert probe.start(time.monotonic) is None
            assert probe.sock.getsockname()[:2] == (host, free)
            server.sendto(b"pong", server.recvfrom(100)[1])
            until(lambda: probe.look() is ANSWERED)


def test_no_free_port_speaks_against_ourselves(server: Udp) -> None:
    with closing(Udp()) as holder:
        port = holder.name[1]
        probe = UdpAttempt(server.name, 0.0, PING, b"", draw_port=lambda: port)
        with closing(probe), pytest.raises(NotMadeError):
            probe.start(time.monotonic)
    assert server.waiting() == []


def test_a_connection_that_was_dropped_at_once_was_one() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        closing(TcpAttempt(listening.getsockname(), 0.0)) as probe,
    ):
        probe.start(time.monotonic)
        connection, _ = listening.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, attempt._RESET_ON_CLOSE)
        connection.close()
        assert probe.look() is ANSWERED


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.ENOBUFS, errno.EHOSTUNREACH, errno.EAGAIN])
def test_an_error_of_a_connection_ends_the_probe_whatever_it_is(number: int) -> None:
    """Asking for the error clears it, and a dead socket is ready for ever: a second look spins."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        probe = TcpAttempt(listening.getsockname(), 0.0)
        with closing(probe), closing(probe.sock):
            probe.sock = SocketThatFailed(number)  # type: ignore[assignment]
            judgement = probe.look()
            assert judgement is not None
            assert (judgement.good, judgement.why) == (False, "unreachable")


class SocketThatFailed:
    """A connecting socket with a pending error, which is cleared by being read."""

    def __init__(self, number: int) -> None:
        self.pending = number

    def getsockopt(self, *_: int) -> int:
        number, self.pending = self.pending, 0
        return number

    def close(self) -> None:
        pass


def both(target: tuple[str, int]) -> list[Attempt]:
    return [udp(target), TcpAttempt(target, 0.0)]


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (errno.ECONNREFUSED, "refused"),
        (errno.ENETUNREACH, "unreachable"),
        (errno.EHOSTUNREACH, "unreachable"),
        (None, "unreachable"),
        (errno.EMSGSIZE, "too large for the way"),
        (errno.EPERM, "rejected by this host"),
        (errno.EXDEV, "rejected by this host"),
    ],
)
def test_errors_that_speak_against_a_backend(
    server: Udp, monkeypatch: pytest.MonkeyPatch, number: int | None, why: str
) -> None:
    for probe in both(server.name):
        with closing(probe):
            fail_to_connect(monkeypatch, number)
            judgement = probe.start(time.monotonic)
            assert judgement is not None
            assert (judgement.good, judgement.why) == (False, why)


@pytest.mark.parametrize(
    "number",
    [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRINUSE, errno.EAGAIN],
)
def test_errors_that_speak_against_ourselves(
    server: Udp, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    for probe in both(server.name):
        with closing(probe):
            fail_to_connect(monkeypatch, number)
            with pytest.raises(NotMadeError):
                probe.start(time.monotonic)


def test_no_address_of_ours_is_no_port_of_ours_for_tcp(
    server: Udp, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_to_connect(monkeypatch, errno.EADDRNOTAVAIL)
    with closing(TcpAttempt(server.name, 0.0)) as probe, pytest.raises(NotMadeError):
        probe.start(time.monotonic)


def fail_to_connect(monkeypatch: pytest.MonkeyPatch, number: int | None) -> None:
    def fails(_: object) -> None:
        raise OSError("no such interface") if number is None else OSError(number, "in the test")

    monkeypatch.setattr(attempt, "scoped", fails)


def test_the_longest_payload_goes_out(server: Udp) -> None:
    exchange = PayloadExchange(b"x" * PROBE_BYTES_MAX, b"")
    with closing(UdpAttempt(server.name, 0.0, exchange, b"", b"h" * 16)) as probe:
        assert probe.start(time.monotonic) is None
        assert len(server.recv(65_535)) == PROBE_BYTES_MAX + 16
