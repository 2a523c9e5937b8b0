"""Read back by a parser of its own, and all checksums added up another way."""

from __future__ import annotations

from ipaddress import ip_address
from struct import unpack
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.show.pictures import NOW
from tests.show.taps import datagram, tap
from udplb.engine.snapshot import TAP_BYTES_MAX
from udplb.show.pcap import pcap_header, pcap_of, pcap_records

V6 = {"client": "[2001:db8:9::4]:3478", "local": "[2001:db8::1]:53"}


class Packet(NamedTuple):
    at: float
    original: int
    source: str
    target: str
    payload: bytes
    length: int
    """Of the payload, as the headers say."""
    checksum: int


def total(data: bytes) -> int:
    """The ones' complement sum of RFC 1071, digit by digit; 0xFFFF where a checksum is right."""
    added = sum(
        int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(data), 2)
    )
    while added > 0xFFFF:
        added = (added & 0xFFFF) + (added >> 16)
    return added


def parse(file: bytes) -> list[Packet]:
    magic, major, minor, zone, accuracy, most, link = unpack("<IHHiIII", file[:24])
    assert (magic, major, minor, zone, accuracy, link) == (0xA1B2C3D4, 2, 4, 0, 0, 101)
    packets, rest = [], file[24:]
    while rest:
        seconds, microseconds, kept, original = unpack("<IIII", rest[:16])
        assert microseconds < 1_000_000
        assert kept <= min(most, original)
        assert len(rest) >= 16 + kept
        at = seconds + microseconds / 1e6
        packets.append(parse_packet(at, original, rest[16 : 16 + kept]))
        rest = rest[16 + kept :]
    return packets


def parse_packet(at: float, original: int, packet: bytes) -> Packet:
    if packet[0] >> 4 == 4:
        assert packet[:2] == b"\x45\0"
        assert packet[4:10] == b"\0\0\x40\0\x40\x11", "no fragment, 64 hops, UDP"
        assert total(packet[:20]) == 0xFFFF
        header, length = 20, int.from_bytes(packet[2:4], "big") - 20
        ends = packet[12:16], packet[16:20]
    else:
        assert packet[:4] == b"\x60\0\0\0"
        assert packet[6:8] == b"\x11\x40"
        header, length = 40, int.from_bytes(packet[4:6], "big")
        ends = packet[8:24], packet[24:40]
    assert original == header + length
    udp = packet[header:]
    ports = unpack("!HH", udp[:4])
    assert int.from_bytes(udp[4:6], "big") == length
    payload, checksum = udp[8:], int.from_bytes(udp[6:8], "big")
    pseudo = b"".join(ends) + length.to_bytes(4, "big") + b"\0\0\0\x11"
    if checksum:
        assert total(pseudo + udp) == 0xFFFF
    source, target = (f"{ip_address(end)} {port}" for end, port in zip(ends, ports, strict=True))
    return Packet(at, original, source, target, payload, length - 8, checksum)


def test_a_file_byte_by_byte() -> None:
    """Written down, and its checksums added up, by hand."""
    told = tap(datagram(b"hi!", at=1.25), client="192.0.2.9:1000", local="192.0.2.1:53")
    assert pcap_of(told) == bytes.fromhex(
        "d4c3b2a1 02000400 00000000 00000000 30020000 65000000"
        "01000000 90d00300 1f000000 1f000000"
        "4500001f 00004000 4011b6c3 c0000209 c0000201"
        "03e80035 000bee46 686921"
    )


def test_both_ways_are_those_of_the_client_s_side() -> None:
    there, back = parse(
        pcap_of(tap(datagram(b"ask", at=NOW), datagram(b"told", at=NOW + 0.25, to_backend=False)))
    )
    assert (there.source, there.target) == ("203.0.113.9 51820", "192.0.2.1 53")
    assert (back.source, back.target) == ("192.0.2.1 53", "203.0.113.9 51820")
    assert (there.at, back.at) == (NOW, NOW + 0.25)
    assert (there.payload, back.payload) == (b"ask", b"told")
    assert there.checksum
    assert back.checksum


def test_ipv6() -> None:
    (packet,) = parse(pcap_of(tap(datagram(b"odd"), **V6)))
    assert (packet.source, packet.target) == ("2001:db8:9::4 3478", "2001:db8::1 53")
    assert packet.payload == b"odd"
    assert packet.checksum


def test_a_zone_and_a_mapped_address() -> None:
    (packet,) = parse(pcap_of(tap(datagram(), client="[fe80::1%eth0]:9", local="[fe80::2]:53")))
    assert packet.source == "fe80::1 9"
    (packet,) = parse(pcap_of(tap(datagram(), client="[::ffff:192.0.2.7]:9")))
    assert packet.source == "192.0.2.7 9"


@pytest.mark.parametrize("size", [TAP_BYTES_MAX - 1, TAP_BYTES_MAX, TAP_BYTES_MAX + 1, 65_507])
@pytest.mark.parametrize("ends", [{}, V6], ids=["IPv4", "IPv6"])
def test_lengths_are_the_original_s(size: int, ends: dict[str, str]) -> None:
    payload = bytes(n % 251 for n in range(size))
    (packet,) = parse(pcap_of(tap(datagram(payload), **ends)))
    assert packet.length == size
    assert packet.payload == payload[:TAP_BYTES_MAX]
    # Over IPv4 0 is none; over IPv6 it is that of the payload with zeros for what was cut off.
    assert bool(packet.checksum) == (size <= TAP_BYTES_MAX or bool(ends))


def test_a_checksum_of_zero_is_sent_as_its_other_spelling() -> None:
    (packet,) = parse(pcap_of(tap(datagram(b"\0\0"))))
    (zero,) = parse(pcap_of(tap(datagram(packet.checksum.to_bytes(2, "big")))))
    assert zero.checksum == 0xFFFF


def test_records_follow_a_header_one_after_the_other() -> None:
    told = tap(datagram(b"1"), datagram(b""), datagram(b"3"))
    parts = [pcap_records(told, (each,)) for each in told.datagrams]
    assert pcap_header() + b"".join(parts) == pcap_of(told)
    assert pcap_of(tap()) == pcap_header()


@pytest.mark.parametrize(
    "ends",
    [{"client": "[2001:db8::9]:1"}, {"local": "[::]:53"}, {"client": "edge-1"}, {"local": ""}],
)
def test_what_are_no_addresses_of_one_family(ends: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        pcap_of(tap(datagram(), **ends))


@given(
    at=st.floats(),
    size=st.integers(-(2**70), 2**70),
    payload=st.binary(max_size=2_000),
    to_backend=st.booleans(),
    ends=st.sampled_from([{}, V6]),
)
def test_whatever_a_socket_says_becomes_a_file(
    at: float, size: int, payload: bytes, to_backend: bool, ends: dict[str, str]
) -> None:
    told = datagram(at=at, size=size, payload=payload, to_backend=to_backend)
    (packet,) = parse(pcap_of(tap(told, **ends)))
    assert packet.payload == payload[:TAP_BYTES_MAX]
    assert packet.length <= 65_527


@pytest.mark.parametrize("at", [0.0, 0.999_999_9, NOW + 0.999_999_6, 2.0**32 - 2**-20])
def test_times_at_the_borders(at: float) -> None:
    (packet,) = parse(pcap_of(tap(datagram(at=at))))
    assert packet.at == pytest.approx(at, abs=2e-6)


@pytest.mark.parametrize("at", [2.0**32, -1.0, float("nan"), float("inf")])
def test_a_time_that_the_format_has_no_room_for(at: float) -> None:
    (packet,) = parse(pcap_of(tap(datagram(at=at))))
    assert packet.at == 0
