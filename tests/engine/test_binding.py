"""Binding: exclusively, and when it fails one line that says what to do."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
from ipaddress import ip_address

import pytest

from tests.harness import REPOSITORY, Udp, need_root
from tests.namespaces import in_namespace
from udplb.core.address import Address
from udplb.core.settings import ListenerSettings
from udplb.engine.binding import BindError, bind_listener


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
