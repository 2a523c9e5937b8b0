"""Batches: many datagrams in one call, each with its sender, its bytes and its control messages."""

from __future__ import annotations

import socket
import struct

import pytest

from tests.harness import Udp, need_linux
from udplb.engine.batch import BATCH_DATAGRAMS, Batch

IPV4_NAME, IPV6_NAME = 16, 28


@pytest.fixture
def batch() -> Batch:
    need_linux()
    return Batch()


def receive(batch: Batch, sock: Udp, datagrams_max: int = BATCH_DATAGRAMS) -> list[bytes]:
    count = batch.receive(sock.fileno(), datagrams_max)
    return list(batch.datagrams(batch.sizes(count))) if count else []


def test_nothing_is_none(batch: Batch) -> None:
    assert batch.receive(Udp().fileno(), BATCH_DATAGRAMS) == 0


@pytest.mark.parametrize(
    "sent",
    [
        [b"one"],
        [b""],
        [b"", b""],
        [b"equal", b"sizes", b"three"],
        [b"a", b"", b"ccc", bytes(9_000), b"e"],
        [b"x" * 65_507, b"y" * 65_507],
    ],
)
def test_datagrams_come_as_they_were_sent(batch: Batch, sent: list[bytes]) -> None:
    here, there = Udp(), Udp()
    for _ in range(2):  # nothing of the first call is left in the second
        for datagram in sent:
            there.sendto(datagram, here.name)
        assert receive(batch, here) == sent


def test_what_came_is_a_copy(batch: Batch) -> None:
    here, there = Udp(), Udp()
    there.sendto(b"first", here.name)
    first = receive(batch, here)
    there.sendto(b"other", here.name)
    assert receive(batch, here) == [b"other"]
    assert first == [b"first"]


def test_a_call_is_bounded(batch: Batch) -> None:
    here, there = Udp(), Udp()
    sent = [b"%d" % number for number in range(BATCH_DATAGRAMS + 3)]
    for datagram in sent:
        there.sendto(datagram, here.name)
    assert receive(batch, here, 2) == sent[:2]
    assert receive(batch, here) == sent[2 : BATCH_DATAGRAMS + 2]
    assert receive(batch, here) == sent[-1:]


def test_sockets_of_both_families_take_turns(batch: Batch) -> None:
    for _ in range(2):
        for host, size in (("127.0.0.1", IPV4_NAME), ("::1", IPV6_NAME)):
            here, there, other = Udp(host), Udp(host), Udp(host)
            there.sendto(b"there", here.name)
            other.sendto(b"other", here.name)
            count = batch.receive(here.fileno(), BATCH_DATAGRAMS)
            assert [struct.unpack_from("!H", name, 2)[0] for name in batch.names(count, size)] == [
                there.name[1],
                other.name[1],
            ]


def test_control_messages_of_the_last_call_do_not_stay(batch: Batch) -> None:
    here, there = Udp(), Udp()
    here.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
    there.sendto(b"x", here.name)
    assert batch.receive(here.fileno(), 1) == 1
    (told,) = batch.ancillaries(1)
    assert struct.unpack_from("@Nii", told)[1:] == (socket.IPPROTO_IP, 8)
    here.setsockopt(socket.IPPROTO_IP, 8, 0)
    there.sendto(b"x", here.name)
    assert batch.receive(here.fileno(), 1) == 1
    assert not any(batch.ancillaries(1)[0])


def test_errors_are_the_sockets(batch: Batch) -> None:
    here, gone = Udp(), Udp()
    here.connect(gone.name)
    gone.close()
    here.send(b"is anybody there?")
    with pytest.raises(ConnectionRefusedError):
        batch.receive(here.fileno(), 1)
    with pytest.raises(OSError, match="recvmmsg"):
        batch.receive(-1, 1)
