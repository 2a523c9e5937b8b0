"""What the kernel offers, asked of the kernel at hand."""

from __future__ import annotations

import ctypes
import errno
import socket
import threading
from pathlib import Path

import pytest

from tests.harness import Udp, need_linux
from udplb.engine import kernel


def test_knows_what_this_kernel_has() -> None:
    need_linux()
    assert kernel.has_segmentation()
    assert kernel.has_coalescing()
    assert not kernel.has_option(kernel.SOL_UDP, 9_999)


def test_elsewhere_nothing_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "LINUX", False)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert kernel.receive_queue(sock) == (0, 0)
        assert kernel.grow_receive_buffer(sock, 1 << 16) > 0
        assert kernel.grow_receive_buffer(sock, 1 << 30) > 0


def test_the_receive_queue_tells_what_waits_and_what_was_dropped() -> None:
    need_linux()
    here, there = Udp(), Udp()
    here.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    assert kernel.receive_queue(here) == (0, 0)
    there.sendto(b"x" * 100, here.name)
    assert kernel.receive_queue(here).queued > 100
    for _ in range(100):
        there.sendto(b"x" * 1_000, here.name)
    waiting = len(here.waiting())
    assert kernel.receive_queue(here) == (0, 101 - waiting)


def test_an_option_that_is_refused_is_no_option() -> None:
    need_linux()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream:
        stream.close()
        assert kernel.receive_queue(stream) == (0, 0)


@pytest.mark.parametrize("size", [1 << 16, 1 << 20, 8 << 20])
def test_the_receive_buffer_grows_to_what_was_asked_or_says_less(size: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        granted = kernel.grow_receive_buffer(sock, size)
        assert 0 < granted <= size


def test_without_privilege_the_receive_buffer_is_cut_to_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    need_linux()
    monkeypatch.setattr(kernel, "SO_RCVBUFFORCE", 9_999)  # refused, as for a plain user
    limit = int(Path("/proc/sys/net/core/rmem_max").read_text())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert kernel.grow_receive_buffer(sock, limit * 4) == limit


def test_numbers_agree_with_pythons_where_it_has_them() -> None:
    for name in ("IP_PKTINFO", "IPV6_RECVPKTINFO", "IPV6_PKTINFO"):
        if hasattr(socket, name):
            assert getattr(kernel, name) == getattr(socket, name)
    assert kernel.SOL_UDP == socket.IPPROTO_UDP


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_a_socket_that_receives_nothing_more_keeps_what_waits_and_sends(host: str) -> None:
    need_linux()
    here = Udp(host)
    if host == "::":
        assert here.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 0
    port = here.name[1]
    clients = [Udp("::1")] if ":" in host else []
    clients += [Udp("127.0.0.1")] if host != "::1" else []
    for client in clients:
        client.connect((client.name[0], port))
        client.send(b"before")
    assert kernel.receive_nothing_more(here)
    assert kernel.receive_nothing_more(here), "a second time does nothing"
    for client in clients:
        client.send(b"after")
        with pytest.raises(ConnectionRefusedError):
            client.recv(100)
    assert here.waiting() == [b"before"] * len(clients)
    for client in clients:
        name = client.name[0]
        mapped = f"::ffff:{name}" if here.family == socket.AF_INET6 and ":" not in name else name
        free = Udp(name)
        here.sendto(b"a reply", (mapped, free.name[1]))
        assert free.recv(100) == b"a reply"


def test_elsewhere_a_socket_goes_on_receiving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "LINUX", False)
    here = Udp()
    assert not kernel.receive_nothing_more(here)
    assert Udp().sendto(b"x", here.name)
    assert here.recv(100) == b"x"


def test_a_socket_that_cannot_be_connected_says_so() -> None:
    need_linux()

    class Homeless(Udp):
        def connect(self, address: object) -> None:
            raise OSError(errno.ENETUNREACH, "the address was taken off the interface")

    assert not kernel.receive_nothing_more(Homeless())


def test_a_thread_wakes_on_time() -> None:
    need_linux()
    slack: list[int] = []

    def look() -> None:
        prctl = ctypes.CDLL(None).prctl
        slack.append(prctl(30, 0, 0, 0, 0))  # PR_GET_TIMERSLACK
        kernel.wake_on_time()
        slack.append(prctl(30, 0, 0, 0, 0))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert slack[0] > slack[1] == 1
