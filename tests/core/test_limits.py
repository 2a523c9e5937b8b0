"""Capacity, token bucket, network lists, own addresses."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udplb.core.address import normal_ip, parse_address
from udplb.core.limits import Capacity, NetworkSet, OwnAddresses, TokenBucket


def test_capacity_remembers_the_highest_cap() -> None:
    capacity = Capacity(10)
    for cap, highest in ((20, 20), (5, 20), (21, 21)):
        capacity.change(cap)
        assert (capacity.max_flows, capacity.highest) == (cap, highest)


# Tokens


def test_no_rate_is_no_limit() -> None:
    bucket = TokenBucket(0)
    assert all(bucket.take(1.0) for _ in range(1_000))
    bucket.give_back()


@pytest.mark.parametrize("rate", [1, 2, 64, 1_000])
def test_a_bucket_holds_one_second_of_tokens(rate: int) -> None:
    bucket = TokenBucket(rate)
    assert [bucket.take(5.0) for _ in range(rate + 1)] == [True] * rate + [False]
    assert [bucket.take(500.0) for _ in range(rate + 1)] == [True] * rate + [False]


def test_tokens_come_back_with_time() -> None:
    bucket = TokenBucket(4)
    for _ in range(4):
        bucket.take(0.0)
    assert [bucket.take(at / 8) for at in range(1, 9)] == [False, True] * 4


def test_a_token_given_back_is_there_and_no_more_than_that() -> None:
    bucket = TokenBucket(2)
    for _ in range(10):
        assert bucket.take(0.0)
        bucket.give_back()
    assert [bucket.take(0.0) for _ in range(3)] == [True, True, False]


def test_a_clock_that_goes_back_makes_no_tokens() -> None:
    bucket = TokenBucket(1)
    assert bucket.take(10.0)
    assert not bucket.take(5.0)
    assert not bucket.take(5.5)
    assert bucket.take(6.5)


@given(st.integers(1, 50), st.lists(st.integers(0, 64), max_size=100))
def test_never_more_than_the_rate_and_one_burst(rate: int, steps: list[int]) -> None:
    bucket, now, taken = TokenBucket(rate), 0.0, 0
    for step in steps:
        now += step / 64
        taken += bucket.take(now)
        assert taken <= rate + rate * now


def taken(bucket: TokenBucket, now: float) -> int:
    """How many tokens there are at once."""
    count = 0
    while count < 5_000 and bucket.take(now):
        count += 1
    return count


@pytest.mark.parametrize(
    ("before", "used", "after", "at_once"),
    [
        (10, 0, 1_000, 1_000),
        (10, 10, 1_000, 0),
        (10, 5, 1_000, 500),
        (1_000, 0, 10, 10),
        (1_000, 1_000, 10, 0),
        (1_000, 999, 10, 0),
        (0, 3, 7, 7),
        (7, 7, 0, 5_000),
    ],
)
def test_another_rate_finds_the_bucket_as_full_as_it_was(
    before: int, used: int, after: int, at_once: int
) -> None:
    bucket = TokenBucket(before)
    assert all(bucket.take(1.0) for _ in range(used))
    bucket.rate_changed(1.0, after)
    assert taken(bucket, 1.0) == at_once


def test_another_rate_counts_from_its_beginning() -> None:
    bucket = TokenBucket(10)
    taken(bucket, 0.0)
    bucket.rate_changed(0.5, 100)  # 5 of 10 have come
    assert taken(bucket, 0.5) == 50
    assert taken(bucket, 0.75) == 25
    bucket.rate_changed(0.75, 100)
    assert taken(bucket, 0.75) == 0, "the same rate changes nothing"


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 64), st.integers(0, 60)), max_size=30))
def test_rates_that_change_never_let_more_through_than_the_highest(
    steps: list[tuple[int, int, int]],
) -> None:
    bucket, now, through, highest = TokenBucket(1), 0.0, 0, 1
    for rate, pause, clients in steps:
        now += pause / 64
        bucket.rate_changed(now, rate)
        highest = max(highest, rate)
        through += sum(bucket.take(now) for _ in range(clients))
        assert through <= highest * (1 + now) + 1e-6


def test_looking_for_a_token_takes_none() -> None:
    bucket = TokenBucket(1)
    assert all(bucket.has_one(5.0) for _ in range(3))
    assert bucket.take(5.0)
    assert not bucket.has_one(5.5)
    assert bucket.has_one(6.0)
    assert TokenBucket(0).has_one(0.0)


# Networks

NETWORKS = st.one_of(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(
        lambda pair: IPv4Network((pair[0], pair[1]), strict=False)
    ),
    st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 128)).map(
        lambda pair: IPv6Network((pair[0], pair[1]), strict=False)
    ),
)


@given(st.lists(NETWORKS, max_size=8), st.data())
def test_a_network_set_is_the_union_of_its_networks(
    networks: list[IPv4Network | IPv6Network], data: st.DataObject
) -> None:
    among = NetworkSet(networks)
    edges = [edge for each in networks for edge in (each[0], each[-1])]
    ips = st.one_of(
        st.ip_addresses(), *([st.sampled_from(edges)] if edges else []), st.ip_addresses(v=4)
    )
    ip = data.draw(ips)
    for each in (ip, *(ip + step for step in (-1, 1) if 0 < int(ip) < 2**32 - 1)):
        assert (each in among) == any(each in network for network in networks)
    assert bool(among) == bool(networks)


def test_versions_are_kept_apart() -> None:
    among = NetworkSet([ip_network("0.0.0.0/0")])
    assert ip_address("1.2.3.4") in among
    assert ip_address("::1.2.3.4") not in among
    assert ip_address("fe80::1%eth0") in NetworkSet([ip_network("fe80::/10")])


# Our own addresses


def own(*listeners: str, hosts: tuple[str, ...] = ()) -> OwnAddresses:
    return OwnAddresses(map(parse_address, listeners), map(normal_ip, hosts))


@pytest.mark.parametrize(
    ("addresses", "client", "expected"),
    [
        (own("192.0.2.1:53"), "192.0.2.1:53", True),
        (own("192.0.2.1:53"), "192.0.2.1:54", False),
        (own("192.0.2.1:53"), "192.0.2.2:53", False),
        (own("192.0.2.1:53"), "127.0.0.1:53", False),
        (own("0.0.0.0:53"), "127.0.0.1:53", True),
        (own("0.0.0.0:53"), "127.9.9.9:53", True),
        (own("0.0.0.0:53"), "192.0.2.1:53", False),
        (own("0.0.0.0:53", hosts=("192.0.2.1",)), "192.0.2.1:53", True),
        (own("0.0.0.0:53", hosts=("192.0.2.1",)), "192.0.2.1:54", False),
        (own("[::]:53", hosts=("192.0.2.1",)), "192.0.2.1:53", True),
        (own("[::]:53", hosts=("2001:db8::1",)), "[2001:db8::1]:53", True),
        (own("[::]:53"), "[::1]:53", True),
        # 0.0.0.0 does not listen on IPv6: port 53 there is another program's.
        (own("0.0.0.0:53", hosts=("2001:db8::1",)), "[2001:db8::1]:53", False),
        (own("0.0.0.0:53"), "[::1]:53", False),
        # Beside a wildcard on its port, an exact listener is ours even if no interface has it.
        (own("0.0.0.0:53", "[2001:db8::1]:53"), "[2001:db8::1]:53", True),
    ],
)
def test_own_addresses(addresses: OwnAddresses, client: str, expected: bool) -> None:
    assert (parse_address(client) in addresses) is expected


def test_hosts_change() -> None:
    addresses = own("0.0.0.0:53", hosts=("192.0.2.1",))
    addresses.hosts_changed([normal_ip("192.0.2.2")])
    assert parse_address("192.0.2.1:53") not in addresses
    assert parse_address("192.0.2.2:53") in addresses


def test_our_listeners_change() -> None:
    addresses = own("192.0.2.1:53", hosts=("192.0.2.7",))
    addresses.listeners_changed(map(parse_address, ("0.0.0.0:54",)))
    assert parse_address("192.0.2.1:53") not in addresses
    assert parse_address("192.0.2.7:54") in addresses, "the hosts are those that were known"
    assert addresses.hosts == {normal_ip("192.0.2.7")}
