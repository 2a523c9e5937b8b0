"""Captures: what a tap saw, as a file that tcpdump and Wireshark read.

The classic format (draft-ietf-opsawg-pcap, sections 4 and 5) in little-endian order, with
microseconds, which is what a float of seconds since the epoch holds; link type 101, LINKTYPE_RAW
(www.tcpdump.org/linktypes.html): each packet begins with its IP header.

A tap knows payloads, so the headers are made here (RFC 791, RFC 8200, RFC 768), as the client's
side of the flow has them: client → local for requests, local → client for replies. TTL,
identification and traffic class are not those of the wire.

Of a payload that was cut, all lengths are those of the original, and the UDP checksum cannot be
known. Over IPv4 it is 0, which means none. Over IPv6 0 is not allowed (RFC 8200, section 8.1) and
would look like the sender's mistake; there it is what it would be if all that was cut off were
zeros. No reader checks it against a packet of which it has only a part.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from struct import pack

from udplb.core.address import Address, parse_address
from udplb.engine.snapshot import TAP_BYTES_MAX, TappedDatagram, TapSnapshot

_MAGIC = 0xA1B2_C3D4
_VERSION = (2, 4)
_LINKTYPE_RAW = 101
_UDP = 17
_HOPS = 64
_DONT_FRAGMENT = 0x4000
_IPV4_HEADER, _IPV6_HEADER, _UDP_HEADER = 20, 40, 8
_LENGTH_MAX = 0xFFFF
"""Of the 16 bits of every length field."""
PACKET_BYTES_MAX = _IPV6_HEADER + _UDP_HEADER + TAP_BYTES_MAX
"""Kept of one packet: the file's snapshot length."""


def pcap_of(tap: TapSnapshot) -> bytes:
    """A whole file with the tap's datagrams. Raises ValueError as `pcap_records` does."""
    return pcap_header() + pcap_records(tap, tap.datagrams)


def pcap_header() -> bytes:
    """What a file begins with; records follow."""
    return pack("<IHHIIII", _MAGIC, *_VERSION, 0, 0, PACKET_BYTES_MAX, _LINKTYPE_RAW)


def pcap_records(tap: TapSnapshot, datagrams: Iterable[TappedDatagram]) -> bytes:
    """Datagrams of the tap's flow, to append to a file.

    Raises ValueError where `client` and `local` are no addresses of one family.
    """
    client, local = parse_address(tap.client), parse_address(tap.local)
    if client.ip.version != local.ip.version:
        raise ValueError(f"{client} and {local} are addresses of two families")
    return b"".join(
        _record(each, *((client, local) if each.to_backend else (local, client)))
        for each in datagrams
    )


def _record(datagram: TappedDatagram, source: Address, target: Address) -> bytes:
    headers = _IPV4_HEADER if source.ip.version == 4 else _IPV6_HEADER
    # Over IPv6 the IP header's length field does not count that header itself.
    size_max = _LENGTH_MAX - _UDP_HEADER - (headers if source.ip.version == 4 else 0)
    kept = datagram.payload[:TAP_BYTES_MAX]
    size = min(max(datagram.size, len(kept)), size_max)
    packet = _ip_header(source, target, size) + _udp_header(source, target, size, kept) + kept
    seconds, microseconds = _time(datagram.at)
    lengths = len(packet), headers + _UDP_HEADER + size
    return pack("<IIII", seconds, microseconds, *lengths) + packet


def _time(at: float) -> tuple[int, int]:
    """Seconds and microseconds; what the format has no room for is the epoch's begin."""
    if not (isfinite(at) and 0 <= at < 1 << 32):
        return 0, 0
    return divmod(min(round(at * 1e6), (1 << 32) * 10**6 - 1), 10**6)


def _ip_header(source: Address, target: Address, size: int) -> bytes:
    length = _UDP_HEADER + size
    if source.ip.version == 6:
        first = pack("!IHBB", 6 << 28, length, _UDP, _HOPS)
        return first + source.ip.packed + target.ip.packed
    addresses = source.ip.packed + target.ip.packed
    # A datagram that is never fragmented needs no identification (RFC 6864, section 4.1).
    first = pack("!BBHHHBB", 0x45, 0, _IPV4_HEADER + length, 0, _DONT_FRAGMENT, _HOPS, _UDP)
    return first + pack("!H", _checksum(first + b"\0\0" + addresses)) + addresses


def _udp_header(source: Address, target: Address, size: int, kept: bytes) -> bytes:
    length = _UDP_HEADER + size
    ports = pack("!HHH", source.port, target.port, length)
    if source.ip.version == 4 and len(kept) < size:
        return ports + pack("!H", 0)
    # RFC 768's pseudo header and that of RFC 8200 differ only in zeros, which add nothing.
    pseudo = source.ip.packed + target.ip.packed + pack("!HH", _UDP, length)
    checksum = _checksum(pseudo + ports + b"\0\0" + kept)
    return ports + pack("!H", checksum or 0xFFFF)  # 0 would mean none


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071): the ones' complement of the ones' complement sum."""
    padded = data + b"\0" * (len(data) % 2)
    # Modulo 0xFFFF a 16-bit digit weighs 1 wherever it stands: the number is its digits' sum.
    return -int.from_bytes(padded, "big") % 0xFFFF
