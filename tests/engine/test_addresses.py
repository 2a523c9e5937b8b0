"""Addresses as sockets want them."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address

import pytest

from udplb.engine import kernel
from udplb.engine.addresses import family_of, local_address, reply_ancillary, scoped


def test_families() -> None:
    assert family_of(("192.0.2.1", 53)) == socket.AF_INET
    assert family_of(("2001:db8::1", 53)) == socket.AF_INET6


def test_a_zone_becomes_the_number_of_its_interface() -> None:
    name, number = socket.if_nameindex()[0][1], socket.if_nameindex()[0][0]
    assert scoped((f"fe80::1%{name}", 53)) == ("fe80::1", 53, 0, number)
    assert scoped(("fe80::1%7", 53)) == ("fe80::1", 53, 0, 7)
    assert scoped(("2001:db8::1", 53)) == ("2001:db8::1", 53)
    with pytest.raises(OSError, match="interface"):
        scoped(("fe80::1%nosuch0", 53))


def test_local_address_of_ipv4_is_the_one_that_can_answer() -> None:
    """For a broadcast ipi_addr is the broadcast address, and ipi_spec_dst one of ours."""
    ours, broadcast = socket.inet_aton("192.0.2.7"), socket.inet_aton("192.0.2.255")
    data = struct.pack("=I4s4s", 3, ours, broadcast)
    assert local_address(socket.IPPROTO_IP, data) == (ours, 0)


def test_the_interface_counts_for_link_local_addresses_only() -> None:
    link, site = (ip_address(host).packed for host in ("fe80::1", "2001:db8::1"))
    assert local_address(socket.IPPROTO_IPV6, struct.pack("=16sI", link, 3)) == (link, 3)
    assert local_address(socket.IPPROTO_IPV6, struct.pack("=16sI", site, 3)) == (site, 0)


def test_replies_name_no_interface_but_for_link_local() -> None:
    four = socket.inet_aton("192.0.2.7")
    assert reply_ancillary(None) == []
    ((level, kind, data),) = reply_ancillary((four, 0))
    assert (level, kind) == (socket.IPPROTO_IP, kernel.IP_PKTINFO)
    assert data == struct.pack("=I4s4s", 0, four, bytes(4))
    six = ip_address("fe80::1").packed
    ((level, kind, data),) = reply_ancillary((six, 7))
    assert (level, kind) == (socket.IPPROTO_IPV6, kernel.IPV6_PKTINFO)
    assert data == struct.pack("=16sI", six, 7)
