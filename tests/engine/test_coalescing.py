"""Coalescing: when UDP_GRO pays, switching it on, and reading its segment size."""

from __future__ import annotations

import socket
import struct

import pytest

from tests.harness import Udp, need_linux
from udplb.core.train import Train
from udplb.engine.coalescing import (
    COALESCE_BYTES,
    COALESCE_DATAGRAMS,
    segment_of,
    switch_coalescing_on,
    worth_coalescing,
)


@pytest.mark.parametrize(
    ("count", "size", "worth"),
    [
        (COALESCE_DATAGRAMS, COALESCE_BYTES, True),
        (COALESCE_DATAGRAMS - 1, COALESCE_BYTES, False),
        (COALESCE_DATAGRAMS, COALESCE_BYTES - 1, False),
        (COALESCE_DATAGRAMS + 1, COALESCE_BYTES + 1, True),
        (1, 65_507, False),
    ],
)
def test_worth_it(count: int, size: int, worth: bool) -> None:
    assert worth_coalescing(Train.of([b"x" * size] * count)) is worth


def test_many_datagrams_of_many_sizes_are_not_worth_it() -> None:
    assert not worth_coalescing(Train.of([b"x" * (500 + number) for number in range(20)]))


def test_switches_on_for_good() -> None:
    need_linux()
    here, there = Udp(), Udp()
    assert switch_coalescing_on(here)
    there.send_run(b"x" * 2_500, 1_000, here.name)
    buffer, ancillary, _, _ = here.recvmsg(65_535, 64)
    assert buffer == b"x" * 2_500
    assert segment_of(ancillary) == 1_000
    there.sendto(b"single", here.name)
    buffer, ancillary, _, _ = here.recvmsg(65_535, 64)
    assert (buffer, segment_of(ancillary)) == (b"single", 0)


def test_says_when_a_socket_cannot() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream:
        assert not switch_coalescing_on(stream)


def test_finds_the_segment_among_other_control_messages() -> None:
    other = (socket.IPPROTO_IP, 8, bytes(12))
    assert segment_of([other, (17, 104, struct.pack("=i", 1_200))]) == 1_200
    assert segment_of([other, (17, 103, struct.pack("=i", 9))]) == 0
    assert segment_of([]) == 0
