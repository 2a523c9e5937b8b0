"""Binding a listener's socket: exclusively, and telling the address that was hit by wildcards."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from udplb.core.address import Address, normal_ip
from udplb.core.settings import ListenerSettings
from udplb.engine import kernel
from udplb.engine.addresses import scoped


class StartError(Exception):
    """The engine cannot start. The message is one line and says what to do."""


class BindError(StartError):
    """A listener cannot be bound."""


class BoundSocket(NamedTuple):
    """A listener's socket as the kernel gave it."""

    sock: socket.socket
    address: Address
    receive_buffer: int
    """Bytes that were granted; the kernel may grant less than was asked."""


Rivals = Callable[[int], Sequence[socket.socket]]
"""The sockets of our own that hold a port."""


def bind_listener(settings: ListenerSettings, rivals: Rivals = lambda port: ()) -> BoundSocket:
    """Bind the listener's socket, also on a port that only `rivals` hold. Raises BindError."""
    address = settings.address
    family = socket.AF_INET if address.ip.version == 4 else socket.AF_INET6
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as error:
        raise BindError(_advice(settings, error)) from None
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            # [::] is dual stack; one literal IPv6 address has no IPv4 side.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not address.is_wildcard))
        if address.is_wildcard:
            _ask_for_local_address(sock)
        granted = kernel.grow_receive_buffer(sock, settings.receive_buffer)
        _bind(sock, scoped((address.host, address.port)), rivals(address.port))
    except OSError as error:
        sock.close()
        raise BindError(_advice(settings, error)) from None
    host, port = sock.getsockname()[:2]
    return BoundSocket(
        sock, Address(address.ip if address.port else normal_ip(host), port), granted
    )


def hand_over(settings: ListenerSettings, bound: BoundSocket) -> BoundSocket:
    """The same socket once more, for the listener that has it next. Raises BindError."""
    try:
        return bound._replace(sock=bound.sock.dup())
    except OSError as error:
        raise BindError(_advice(settings, error)) from None


def _bind(sock: socket.socket, address: tuple[Any, ...], rivals: Sequence[socket.socket]) -> None:
    """Bind exclusively; where only sockets of our own are in the way, beside them (KERNEL.md 19).

    They share the port for the length of the bind alone: afterwards nobody else can join. Where
    that fails all is as it was before.
    """
    try:
        sock.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE or not rivals or not kernel.LINUX:
            raise
        shared = [each for each in rivals if each.getsockopt(*_REUSE)]
        everybody = (sock, *rivals)
        try:
            _share(everybody, True)
            sock.bind(address)
        except OSError:
            _share(everybody, False)
            _share(shared, True)  # upstream sockets, among each other
            raise
        _share(everybody, False)


_REUSE = (socket.SOL_SOCKET, socket.SO_REUSEPORT)


def _share(sockets: Iterable[socket.socket], shared: bool) -> None:
    for each in sockets:
        each.setsockopt(*_REUSE, int(shared))


def _ask_for_local_address(sock: socket.socket) -> None:
    """Let every datagram say which of our addresses it was sent to."""
    if not kernel.LINUX:
        return  # replies then leave from the interface's address
    if sock.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, kernel.IP_PKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, kernel.IPV6_RECVPKTINFO, 1)


_ADVICE: dict[int, Callable[[Address], str]] = {
    errno.EADDRINUSE: lambda address: (
        f"another program has it; find it with: ss -ulpn 'sport = :{address.port}'"
    ),
    errno.EACCES: lambda address: (
        "ports below 1024 need CAP_NET_BIND_SERVICE; run as root, give the service"
        " AmbientCapabilities=CAP_NET_BIND_SERVICE, or take a higher port"
    ),
    errno.EADDRNOTAVAIL: lambda address: (
        "this machine has no such address; `ip address` lists those that it has"
    ),
    errno.EAFNOSUPPORT: lambda address: f"this machine has no IPv{address.ip.version}",
    errno.EMFILE: lambda address: "no descriptors left; raise the limit (ulimit -n)",
}


def _advice(settings: ListenerSettings, error: OSError) -> str:
    advice = _ADVICE.get(error.errno or 0)
    why = advice(settings.address) if advice else str(error.strerror or error).lower()
    return f"listener {settings.name}: cannot bind {settings.address}: {why}"
