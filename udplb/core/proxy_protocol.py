"""PROXY protocol, version 2: the header before a datagram that tells a backend who the client is.

Source: "The PROXY protocol, versions 1 & 2" (haproxy, doc/proxy-protocol.txt), section 2.2,
"Binary header format (version 2)". Numbers are in network byte order.

A header begins with the signature. A client datagram that begins with it, too, always gets our
header in front (`with_header_where_forged`), so that nobody forges one. Of the datagrams that we
send, those that begin with the signature are thus those that carry our header; `without_header`
relies on it.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from udplb.core.address import Address
from udplb.core.train import Run, Train

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
"""The 12 bytes with which every header begins."""

LOCAL = SIGNATURE + b"\x20\x00\x00\x00"
"""The header of a datagram that we send in our own name, a probe: version 2, command LOCAL, no
family, no addresses; 16 bytes."""

_PREFIX_SIZE = 16
"""Bytes of signature, version and command, family, and length."""
_COMMAND_LOCAL = 0x20
_COMMAND_PROXY = 0x21
_UDP_OVER_IPV4 = 0x12
_UDP_OVER_IPV6 = 0x22
_ADDRESSES_SIZES = {_UDP_OVER_IPV4: 12, _UDP_OVER_IPV6: 36}
"""Bytes of both addresses and both ports, by family."""
_MAPPED = bytes(10) + b"\xff\xff"
"""How an IPv4 address in 16 bytes begins (RFC 4291, 2.5.5.2)."""


class HeaderError(ValueError):
    """A datagram begins with the signature, and what follows is no header of version 2 for UDP."""


class Parsed(NamedTuple):
    """What a header says, and the datagram behind it."""

    client: Address | None
    """None: the sender speaks in its own name (LOCAL)."""
    destination: Address | None
    """Where the client had sent to; None where `client` is."""
    payload: bytes


def header(client: Address, destination: Address) -> bytes:
    """The header for a datagram that `client` had sent to `destination`; 28 or 52 bytes.

    Where one is IPv4 and the other IPv6, the IPv4 one goes as v4-mapped IPv6.
    """
    ports = client.port.to_bytes(2, "big") + destination.port.to_bytes(2, "big")
    if client.ip.version == destination.ip.version == 4:
        family = _UDP_OVER_IPV4
        addresses = client.ip.packed + destination.ip.packed + ports
    else:
        family = _UDP_OVER_IPV6
        addresses = _packed_ipv6(client) + _packed_ipv6(destination) + ports
    size = len(addresses).to_bytes(2, "big")
    return SIGNATURE + bytes((_COMMAND_PROXY, family)) + size + addresses


def parse(datagram: bytes) -> Parsed | None:
    """Take a datagram's header off; None if it does not begin with the signature.

    What follows the addresses within the header's length (TLVs) is skipped. Raises
    HeaderError, and nothing else, for everything that is no whole header of version 2 with
    command LOCAL, or with command PROXY and UDP over IPv4 or IPv6.
    """
    if not datagram.startswith(SIGNATURE):
        return None
    if len(datagram) < _PREFIX_SIZE:
        raise HeaderError(f"{len(datagram)} bytes end within the first {_PREFIX_SIZE}")
    command, family = datagram[12], datagram[13]
    end = _PREFIX_SIZE + int.from_bytes(datagram[14:16], "big")
    if command not in (_COMMAND_LOCAL, _COMMAND_PROXY):
        raise HeaderError(f"version and command 0x{command:02x}")
    if len(datagram) < end:
        raise HeaderError(f"{len(datagram)} bytes end within a header of {end}")
    if command == _COMMAND_LOCAL:  # whatever its family says
        return Parsed(None, None, datagram[end:])
    size = _ADDRESSES_SIZES.get(family)
    if size is None:
        raise HeaderError(f"family and transport 0x{family:02x}")
    if end < _PREFIX_SIZE + size:
        raise HeaderError(f"{end - _PREFIX_SIZE} bytes are no room for the addresses")
    width = 4 if family == _UDP_OVER_IPV4 else 16
    addresses = datagram[_PREFIX_SIZE : _PREFIX_SIZE + size]
    source_port, destination_port = addresses[2 * width : -2], addresses[-2:]
    return Parsed(
        _address(addresses[:width], source_port),
        _address(addresses[width : 2 * width], destination_port),
        datagram[end:],
    )


def with_header(train: Train, header: bytes) -> Train:
    """The train with the header before every datagram."""
    return Train.of([header + datagram for datagram in train.datagrams()])


def with_header_where_forged(train: Train, header: bytes) -> Train:
    """The train with the header before every datagram that itself begins with the signature.

    It is the very same train where none does.
    """
    if not any(map(_has_signature, train.runs)):
        return train
    return Train.of(
        [
            header + datagram if datagram.startswith(SIGNATURE) else datagram
            for datagram in train.datagrams()
        ]
    )


def without_header(datagram: bytes, header: bytes) -> bytes:
    """A datagram of what one of the two functions above made, as it was before."""
    return datagram[len(header) :] if datagram.startswith(SIGNATURE) else datagram


def _has_signature(run: Run) -> bool:
    """Whether a datagram of the run begins with the signature; nothing is copied."""
    if len(run.buffers) == run.count:
        return any(buffer.startswith(SIGNATURE) for buffer in run.buffers)
    (merged,) = run.buffers
    return any(merged.startswith(SIGNATURE, at) for at in range(0, run.size, run.segment))


def _packed_ipv6(address: Address) -> bytes:
    """The IP address in 16 bytes; IPv4 as v4-mapped."""
    packed = address.ip.packed
    return packed if len(packed) == 16 else _MAPPED + packed


def _address(packed: bytes, port: bytes) -> Address:
    """The address that these bytes of a header are, normalised."""
    if len(packed) == 16 and packed.startswith(_MAPPED):
        packed = packed[len(_MAPPED) :]
    ip = IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)
    return Address(ip, int.from_bytes(port, "big"))
