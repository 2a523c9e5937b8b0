"""Addresses as sockets want them: of backends with their zone, of ours in packet information."""

from __future__ import annotations

import socket

from udplb.core.flow import LocalAddress
from udplb.engine import kernel

Ancillary = list[tuple[int, int, bytes]]
"""Control messages of one call: level, kind, data."""

SocketAddress = tuple[str, int]
"""A backend's host and port, as sockets want it; the key of its pool."""


def family_of(backend: SocketAddress) -> socket.AddressFamily:
    """The address family of a backend."""
    return socket.AF_INET6 if ":" in backend[0] else socket.AF_INET


def scoped(address: SocketAddress) -> SocketAddress | tuple[str, int, int, int]:
    """The address with its zone (`fe80::1%eth0`) as the number that sockets want.

    OSError if there is no such interface.
    """
    host, port = address
    if "%" not in host:
        return address
    host, _, zone = host.partition("%")
    return host, port, 0, int(zone) if zone.isdigit() else socket.if_nametoindex(zone)


def local_address(level: int, data: bytes) -> LocalAddress:
    """The local address of a datagram, from its packet information."""
    if level == socket.IPPROTO_IP:
        # ipi_spec_dst, not ipi_addr: for a broadcast it is an address that can answer.
        _, specific, _ = kernel.PKTINFO_4.unpack_from(data)
        return specific, 0
    packed, interface = kernel.PKTINFO_6.unpack_from(data)
    link_local = packed[0] == 0xFE and packed[1] & 0xC0 == 0x80
    return packed, interface if link_local else 0


def reply_ancillary(local: LocalAddress | None) -> Ancillary:
    """What makes a reply leave from the address that the client had sent to."""
    if local is None:
        return []
    packed, interface = local
    if len(packed) == 4:
        data = kernel.PKTINFO_4.pack(0, packed, bytes(4))
        return [(socket.IPPROTO_IP, kernel.IP_PKTINFO, data)]
    data = kernel.PKTINFO_6.pack(packed, interface)
    return [(socket.IPPROTO_IPV6, kernel.IPV6_PKTINFO, data)]
