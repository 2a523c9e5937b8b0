"""Addresses: one spelling for each, and what counts as one source."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udplb.core.address import Address, normal_ip, parse_address

ADDRESSES = st.builds(Address, st.ip_addresses(), st.integers(1, 65_535))


@given(ADDRESSES)
def test_an_address_is_read_as_it_is_written(address: Address) -> None:
    normal = Address(normal_ip(address.host), address.port)
    assert parse_address(str(address)) == normal
    assert parse_address(str(normal)) == normal


@pytest.mark.parametrize(
    ("text", "ip", "port"),
    [
        ("192.0.2.1:53", IPv4Address("192.0.2.1"), 53),
        ("[2001:db8::1]:65535", IPv6Address("2001:db8::1"), 65_535),
        ("[2001:DB8:0:0::1]:1", IPv6Address("2001:db8::1"), 1),
        ("[::ffff:192.0.2.1]:53", IPv4Address("192.0.2.1"), 53),
        ("[fe80::1%eth0]:53", IPv6Address("fe80::1%eth0"), 53),
    ],
)
def test_parse(text: str, ip: IPv4Address | IPv6Address, port: int) -> None:
    assert parse_address(text) == (ip, port)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("192.0.2.1", "no port"),
        ("", "no port"),
        ("2001:db8::1:53", "brackets"),
        ("[2001:db8::1:53", "brackets"),
        ("example.com:53", "no literal IP address"),
        ("192.0.2.300:53", "no literal IP address"),
        (":53", "all of them are 0.0.0.0:53"),
        ("*:53", "all of them are 0.0.0.0:53"),
        ("192.0.2.1:0", "not a number from 1 to 65535"),
        ("192.0.2.1:65536", "not a number from 1 to 65535"),
        ("192.0.2.1:", "not a number"),
        ("192.0.2.1:-1", "not a number"),
        ("192.0.2.1:+1", "not a number"),
        ("192.0.2.1:٣", "not a number"),
    ],
)
def test_what_is_no_address(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_address(text)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1:1", "192.0.2.1:2", True),
        ("192.0.2.1:1", "192.0.2.2:1", False),
        ("[::ffff:192.0.2.1]:1", "192.0.2.1:1", True),
        ("[2001:db8:0:1::1]:1", "[2001:db8:0:1:ffff::]:2", True),
        ("[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1", False),
        ("[2001:db8::1]:1", "32.1.13.184:1", False),
    ],
)
def test_a_source_is_a_host_or_a_64(one: str, other: str, same: bool) -> None:
    assert (parse_address(one).source == parse_address(other).source) is same


@given(ADDRESSES, ADDRESSES)
def test_affinity_keys_tell_addresses_apart(one: Address, other: Address) -> None:
    assert (one.affinity_key == other.affinity_key) == (
        (one.ip.packed, one.port) == (other.ip.packed, other.port)
    )


def test_wildcards() -> None:
    assert parse_address("0.0.0.0:1").is_wildcard
    assert parse_address("[::]:1").is_wildcard
    assert not parse_address("127.0.0.1:1").is_wildcard
