"""Binding: exclusively, and when it fails one line that says what to do."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
from ipaddress import ip_address

import pytest

from tests.harness import REPOSITORY, Udp, need_linux, need_root
from tests.namespaces import in_namespace
from udplb.core.address import Address
from udplb.core.settings import ListenerSettings
from udplb.engine.binding import BindError, BoundSocket, bind_listener, hand_over


def settings(host: str, port: int = 0, receive_buffer: int = 1 << 20) -> ListenerSettings:
    return ListenerSettings(
        name="dns",
        address=Address(ip_address(host), port),
        cluster="c",
        receive_buffer=receive_buffer,
    )


def refusal(host: str, port: int) -> str:
    with pytest.raises(BindError) as failed:
        bind_listener(settings(host, port))
    text = str(failed.value)
    assert "\n" not in text
    assert text.startswith(f"listener dns: cannot bind {Address(ip_address(host), port)}: ")
    return text.split(": ", 2)[2]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::", "127.0.0.77"])
def test_binds_and_tells_the_port(host: str) -> None:
    bound = bind_listener(settings(host))
    assert bound.address == Address(ip_address(host), bound.sock.getsockname()[1])
    assert bound.address.port > 0
    assert not bound.sock.getblocking()
    assert bound.receive_buffer >= 1 << 19
    bound.sock.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_holds_its_port_exclusively(host: str) -> None:
    """Rule 4: no reuse option stays set, so nobody else can take a share, whatever he asks."""
    bound = bind_listener(settings(host))
    assert bound.sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 0
    assert bound.sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 0
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        thief = socket.socket(bound.sock.family, socket.SOCK_DGRAM)
        thief.setsockopt(socket.SOL_SOCKET, option, 1)
        with pytest.raises(OSError, match=r"in use") as failed:
            thief.bind((host, bound.address.port))
        assert failed.value.errno == errno.EADDRINUSE
        thief.close()
    bound.sock.close()


def test_only_the_wildcard_is_dual_stack() -> None:
    for host, only_six in (("::", 0), ("::1", 1)):
        bound = bind_listener(settings(host))
        assert bound.sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == only_six
        bound.sock.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::1"])
def test_an_address_in_use(host: str) -> None:
    taken = Udp("::1" if host == "::1" else "127.0.0.1")
    text = refusal(host, taken.name[1])
    assert text == (f"another program has it; find it with: ss -ulpn 'sport = :{taken.name[1]}'")


def test_an_address_that_is_not_ours() -> None:
    assert "this machine has no such address" in refusal("203.0.113.7", 5_353)
    assert "this machine has no such address" in refusal("2001:db8::7", 5_353)


@in_namespace
def test_a_privileged_port_as_nobody() -> None:
    import os
    from pathlib import Path

    Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("1024")
    os.setresuid(65_534, 65_534, 65_534)
    assert "CAP_NET_BIND_SERVICE" in refusal("127.0.0.1", 53)


def test_no_descriptors_left() -> None:
    script = f"""
import resource, sys
sys.path[:0] = [{str(REPOSITORY)!r}]
from tests.engine.test_binding import refusal
import os
used = max(map(int, os.listdir("/proc/self/fd")))
held = [os.open("/dev/null", os.O_RDONLY) for _ in range(used)]
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(held), hard))
text = refusal("127.0.0.1", 5353)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
assert "ulimit -n" in text, text
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_link_local_address_without_its_zone() -> None:
    need_root()
    assert refusal("fe80::1", 5_353)


def test_the_receive_buffer_is_what_was_granted() -> None:
    small = bind_listener(settings("127.0.0.1", receive_buffer=65_536))
    large = bind_listener(settings("127.0.0.1", receive_buffer=8 << 20))
    assert small.receive_buffer == 65_536
    assert large.receive_buffer <= 8 << 20
    assert large.receive_buffer > small.receive_buffer
    small.sock.close()
    large.sock.close()


# Packet information


# Beside sockets of our own (KERNEL.md 19)


def reuse(sock: socket.socket) -> int:
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_binds_beside_sockets_of_our_own_and_shares_with_nobody(host: str) -> None:
    need_linux()
    ours = Udp("127.0.0.1")
    port = ours.name[1]
    asked: list[int] = []

    def rivals(of: int) -> list[socket.socket]:
        asked.append(of)
        return [ours]

    bound = bind_listener(settings(host, port), rivals)
    assert asked == [port]
    assert bound.address == Address(ip_address(host), port)
    assert reuse(ours) == reuse(bound.sock) == 0
    thief = socket.socket(bound.sock.family, socket.SOCK_DGRAM)
    thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    with pytest.raises(OSError, match=r"in use"):
        thief.bind((host, port))
    thief.close()
    bound.sock.close()


def test_what_another_program_has_is_not_ours_to_share() -> None:
    need_linux()
    ours = Udp("127.0.0.1")
    theirs = Udp("127.0.0.2", ours.name[1])
    with pytest.raises(BindError, match="another program has it"):
        bind_listener(settings("0.0.0.0", ours.name[1]), lambda port: [ours])
    assert reuse(ours) == 0
    theirs.close()
    bind_listener(settings("0.0.0.0", ours.name[1]), lambda port: [ours]).sock.close()


def test_upstreams_that_share_their_port_go_on_sharing_it() -> None:
    """After a bind that failed, too: the next upstream on that port must find it as before."""
    need_linux()
    ours = Udp("127.0.0.1")
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    theirs = Udp("127.0.0.2", ours.name[1])
    with pytest.raises(BindError):
        bind_listener(settings("0.0.0.0", ours.name[1]), lambda port: [ours])
    assert reuse(ours) == 1
    theirs.close()


def test_other_errors_have_nothing_to_do_with_rivals() -> None:
    ours = Udp("127.0.0.1")
    with pytest.raises(BindError, match="no such address"):
        bind_listener(settings("203.0.113.7", ours.name[1]), lambda port: [ours])
    assert reuse(ours) == 0


def test_a_socket_is_handed_over() -> None:
    bound = bind_listener(settings("127.0.0.1"))
    again = hand_over(settings("127.0.0.1"), bound)
    assert again[1:] == bound[1:]
    assert again.sock.fileno() != bound.sock.fileno()
    bound.sock.close()
    client = Udp()
    client.sendto(b"x", ("127.0.0.1", again.address.port))
    assert again.sock.recv(100) == b"x"
    again.sock.close()


def test_a_socket_that_cannot_be_handed_over_is_a_bind_error() -> None:
    class Full(socket.socket):
        def dup(self) -> Full:
            raise OSError(errno.EMFILE, "Too many open files")

    with Full(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        bound = BoundSocket(sock, Address(ip_address("127.0.0.1"), 9), 0)
        with pytest.raises(BindError, match=r"listener dns: .*ulimit -n"):
            hand_over(settings("127.0.0.1", 9), bound)
