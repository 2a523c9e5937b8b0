"""PROXY protocol v2: every byte is the specification's, and nothing that arrives can surprise.

The vectors are written out by hand from section 2.2 of the specification.
"""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from udplb.core.address import Address, normal_ip, parse_address
from udplb.core.proxy_protocol import (
    LOCAL,
    SIGNATURE,
    HeaderError,
    Parsed,
    header,
    parse,
    with_header,
    with_header_where_forged,
    without_header,
)
from udplb.core.train import Run, Train

CLIENT_4 = parse_address("192.0.2.1:50000")
HERE_4 = parse_address("198.51.100.7:53")
CLIENT_6 = parse_address("[2001:db8::1]:50000")
HERE_6 = parse_address("[2001:db8:ff::53]:853")

OVER_IPV4 = bytes.fromhex(
    "0d0a0d0a 000d0a51 5549540a"  # the signature
    "21 12 000c"  # version 2, PROXY; AF_INET, DGRAM; 12 bytes follow
    "c0000201 c6336407"  # 192.0.2.1, 198.51.100.7
    "c350 0035"  # 50000, 53
)
OVER_IPV6 = bytes.fromhex(
    "0d0a0d0a 000d0a51 5549540a"
    "21 22 0024"  # version 2, PROXY; AF_INET6, DGRAM; 36 bytes follow
    "20010db8 00000000 00000000 00000001"
    "20010db8 00ff0000 00000000 00000053"
    "c350 0355"
)
MIXED = bytes.fromhex(
    "0d0a0d0a 000d0a51 5549540a"
    "21 22 0024"
    "00000000 00000000 0000ffff c0000201"  # 192.0.2.1 as v4-mapped
    "20010db8 00ff0000 00000000 00000053"
    "c350 0355"
)

ADDRESSES = st.builds(
    Address, st.ip_addresses().map(lambda ip: normal_ip(str(ip))), st.integers(0, 65_535)
)


# The bytes


@pytest.mark.parametrize(
    ("constant", "expected"),
    [(SIGNATURE, "0d0a0d0a 000d0a51 5549540a"), (LOCAL, "0d0a0d0a 000d0a51 5549540a 20 00 0000")],
)
def test_constants_byte_for_byte(constant: bytes, expected: str) -> None:
    assert constant == bytes.fromhex(expected)


@pytest.mark.parametrize(
    ("client", "destination", "expected"),
    [(CLIENT_4, HERE_4, OVER_IPV4), (CLIENT_6, HERE_6, OVER_IPV6), (CLIENT_4, HERE_6, MIXED)],
)
def test_header_byte_for_byte(client: Address, destination: Address, expected: bytes) -> None:
    assert header(client, destination) == expected
    assert parse(expected + b"query") == Parsed(client, destination, b"query")


def test_sizes() -> None:
    assert len(header(CLIENT_4, HERE_4)) == 28
    assert len(header(CLIENT_6, HERE_6)) == 52
    assert len(header(CLIENT_6, HERE_4)) == 52


def test_a_zone_means_nothing_to_the_backend() -> None:
    zoned = parse_address("[fe80::1%eth0]:7")
    assert header(zoned, HERE_6) == header(parse_address("[fe80::1]:7"), HERE_6)


@given(ADDRESSES, ADDRESSES, st.binary(max_size=40))
def test_what_is_written_can_be_read(client: Address, destination: Address, body: bytes) -> None:
    assert parse(header(client, destination) + body) == Parsed(client, destination, body)


# Reading what others wrote


def test_no_signature_is_no_header() -> None:
    for datagram in (
        b"",
        b"\r",
        SIGNATURE[:-1],
        b"x" + OVER_IPV4,
        SIGNATURE[:-1] + b"\r" + b"." * 40,
    ):
        assert parse(datagram) is None


@pytest.mark.parametrize(
    "whole", [OVER_IPV4, OVER_IPV6, LOCAL, OVER_IPV4[:14] + b"\x00\x0f" + bytes(15)]
)
def test_cut_at_every_byte(whole: bytes) -> None:
    assert parse(whole) is not None
    for size in range(len(whole)):
        cut = whole[:size]
        if size < len(SIGNATURE):
            assert parse(cut) is None
        else:
            with pytest.raises(HeaderError):
                parse(cut)


def test_what_follows_the_addresses_is_skipped() -> None:
    tlvs = bytes.fromhex("04 0003 000000") + bytes.fromhex("ea 0001 2a")
    longer = OVER_IPV4[:14] + (12 + len(tlvs)).to_bytes(2, "big") + OVER_IPV4[16:] + tlvs
    assert parse(longer + b"query") == Parsed(CLIENT_4, HERE_4, b"query")
    longer = OVER_IPV6[:14] + (36 + len(tlvs)).to_bytes(2, "big") + OVER_IPV6[16:] + tlvs
    assert parse(longer) == Parsed(CLIENT_6, HERE_6, b"")


def test_a_local_header_names_nobody() -> None:
    assert parse(LOCAL + b"probe") == Parsed(None, None, b"probe")
    with_addresses = SIGNATURE + b"\x20" + OVER_IPV4[13:]
    assert parse(with_addresses + b"probe") == Parsed(None, None, b"probe")
    of_an_odd_family = SIGNATURE + b"\x20\xff\x00\x02ab"
    assert parse(of_an_odd_family + b"probe") == Parsed(None, None, b"probe")


@pytest.mark.parametrize("command", [each for each in range(256) if each not in (0x20, 0x21)])
def test_other_versions_and_commands(command: int) -> None:
    with pytest.raises(HeaderError, match=f"0x{command:02x}"):
        parse(SIGNATURE + bytes((command,)) + OVER_IPV4[13:])


@pytest.mark.parametrize("family", [each for each in range(256) if each not in (0x12, 0x22)])
def test_other_families_and_transports(family: int) -> None:
    """TCP (0x11, 0x21), Unix sockets (0x31, 0x32), unspecified (0x00), and numbers of nobody."""
    with pytest.raises(HeaderError, match=f"0x{family:02x}"):
        parse(SIGNATURE + b"\x21" + bytes((family,)) + b"\x00\x24" + bytes(36))


@pytest.mark.parametrize(("family", "least"), [(0x12, 12), (0x22, 36)])
def test_lengths_without_room_for_the_addresses(family: int, least: int) -> None:
    for size in range(least):
        with pytest.raises(HeaderError):
            parse(SIGNATURE + bytes((0x21, family, 0, size)) + bytes(100))
    assert parse(SIGNATURE + bytes((0x21, family, 0, least)) + bytes(least)) is not None


def test_a_length_beyond_every_datagram() -> None:
    with pytest.raises(HeaderError):
        parse(SIGNATURE + b"\x21\x12\xff\xff" + bytes(60_000))


@given(st.binary(max_size=80), st.booleans())
@example(b"\x21\x12\x00\x0c" + bytes(12), True)
def test_garbage_raises_nothing_else(garbage: bytes, signed: bool) -> None:
    try:
        parsed = parse(SIGNATURE + garbage if signed else garbage)
    except HeaderError:
        return
    assert parsed is None or isinstance(parsed, Parsed)


# Trains

PAYLOADS = st.one_of(
    st.binary(max_size=6),
    st.sampled_from([b"", b"\r\n\r\n", SIGNATURE, SIGNATURE[:-1], LOCAL, OVER_IPV4 + b"forged"]),
    st.integers(1, 200).map(bytes),
)


def merged(datagrams: list[bytes]) -> Train:
    """One buffer, as UDP_GRO delivers it: equal sizes, perhaps a shorter tail."""
    segment, size = len(datagrams[0]), sum(map(len, datagrams))
    return Train([Run([b"".join(datagrams)], segment, len(datagrams), size)])


@given(st.lists(PAYLOADS, min_size=1), st.sampled_from([OVER_IPV4, OVER_IPV6]))
def test_every_datagram_gets_it_and_gives_it_back(datagrams: list[bytes], ours: bytes) -> None:
    headed = list(with_header(Train.of(datagrams), ours).datagrams())
    assert headed == [ours + datagram for datagram in datagrams]
    assert [without_header(each, ours) for each in headed] == datagrams


@given(st.lists(PAYLOADS, min_size=1), st.sampled_from([OVER_IPV4, OVER_IPV6]))
def test_forged_ones_alone_get_it_and_give_it_back(datagrams: list[bytes], ours: bytes) -> None:
    train = Train.of(datagrams)
    headed = with_header_where_forged(train, ours)
    forged = [each.startswith(SIGNATURE) for each in datagrams]
    assert list(headed.datagrams()) == [
        ours + each if is_forged else each
        for each, is_forged in zip(datagrams, forged, strict=True)
    ]
    assert (headed is train) is not any(forged), "who has none is not touched"
    assert [without_header(each, ours) for each in headed.datagrams()] == datagrams


@pytest.mark.parametrize("at", [None, 0, 1, 31])
def test_forged_ones_in_a_merged_run(at: int | None) -> None:
    datagrams = [bytes([number]) * 100 for number in range(32)]
    if at is not None:
        datagrams[at] = SIGNATURE + bytes(88)
    # The signature across a border, and within a datagram, is none.
    datagrams[7] = b"." * 94 + SIGNATURE[:6]
    datagrams[8] = SIGNATURE[6:] + b"." * 94
    datagrams[9] = b"." + SIGNATURE + b"." * 87
    train = merged(datagrams)
    headed = with_header_where_forged(train, OVER_IPV4)
    expected = list(datagrams)
    if at is None:
        assert headed is train
    else:
        expected[at] = OVER_IPV4 + datagrams[at]
    assert list(headed.datagrams()) == expected


def test_runs_stay_whole() -> None:
    datagrams = [bytes([number]) * 1_200 for number in range(32)] + [b"tail"]
    for train in (Train.of(datagrams), merged(datagrams)):
        headed = with_header(train, OVER_IPV6)
        assert [(run.count, run.segment) for run in headed.runs] == [(33, 1_252)]
        assert headed.size == train.size + 33 * 52


def test_a_run_that_grew_too_large_is_parted() -> None:
    train = merged([bytes([number]) * 1_024 for number in range(63)])
    headed = with_header(train, OVER_IPV6)
    assert [run.count for run in headed.runs] == [60, 3]  # 60 of 1,076: 64,560 bytes
    assert list(headed.datagrams()) == [OVER_IPV6 + each for each in train.datagrams()]


def test_an_empty_datagram_is_one_of_a_run_with_its_header() -> None:
    headed = with_header(Train.of([b"", b"", b"a"]), OVER_IPV4)
    assert list(headed.datagrams()) == [OVER_IPV4, OVER_IPV4, OVER_IPV4 + b"a"]
