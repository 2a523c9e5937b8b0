"""Outlets: whatever the kernel says to a send, order and bounds stay, and nothing is sent twice."""

from __future__ import annotations

import errno
import socket
from collections import deque
from typing import Any

import pytest

from tests.harness import Udp
from udplb.core.train import Run, Train
from udplb.engine.errors import Failure
from udplb.engine.outlet import (
    SEGMENT_ANY,
    SEGMENT_NONE,
    BackendOutlet,
    ClientOutlet,
    Outlet,
)

OK = 0


class Kernel(Outlet):
    """An outlet whose calls meet the errnos of a list, then success; it records what passed."""

    __slots__ = ("answers", "calls", "sent")

    def __init__(self, *answers: int, runs_below: int = SEGMENT_ANY) -> None:
        super().__init__(runs_below)
        self.answers = deque(answers)
        self.sent: list[bytes] = []
        self.calls: list[int] = []

    def _ask(self, datagrams: list[bytes]) -> None:
        self.calls.append(len(datagrams))
        answer = self.answers.popleft() if self.answers else OK
        if answer:
            raise OSError(answer, "as told")  # BlockingIOError where that is the errno's class
        self.sent += datagrams

    def send_one(self, datagram: bytes) -> None:
        self._ask([datagram])

    def send_run(self, run: Run) -> None:
        self._ask(list(run.datagrams()))


def equal(count: int, size: int = 100) -> list[bytes]:
    return [bytes([number]) * size for number in range(count)]


MIXED = [b"a" * 9, b"", b"b" * 9, b"c" * 9, b"d" * 4, b"e" * 7, b"f", b""]
"""Runs of 1, 1, 3, 1, 1 and 1 datagrams."""


def test_a_willing_kernel_gets_runs_in_order() -> None:
    kernel = Kernel()
    assert kernel.send(Train.of(MIXED)) is None
    assert kernel.sent == MIXED
    assert kernel.calls == [1, 1, 3, 1, 1, 1] or sum(kernel.calls) == len(MIXED)


def test_without_segmentation_everything_goes_singly() -> None:
    kernel = Kernel(runs_below=SEGMENT_NONE)
    assert kernel.send(Train.of(equal(5))) is None
    assert kernel.calls == [1] * 5
    assert kernel.sent == equal(5)


@pytest.mark.parametrize("refusal", [errno.EINVAL, errno.EMSGSIZE, errno.EIO])
def test_a_refused_run_goes_singly_and_switches_runs_off(refusal: int) -> None:
    kernel = Kernel(refusal, refusal)
    assert kernel.send(Train.of(equal(4))) is None
    assert kernel.sent == equal(4)
    assert kernel.calls[-4:] == [1, 1, 1, 1]
    kernel.calls.clear()
    assert kernel.send(Train.of(equal(4))) is None, "remembered"
    assert kernel.calls == [1, 1, 1, 1]


def test_smaller_segments_still_go_as_runs() -> None:
    kernel = Kernel(errno.EMSGSIZE, errno.EMSGSIZE)
    kernel.send(Train.of(equal(3, 1_400)))
    kernel.calls.clear()
    assert kernel.send(Train.of(equal(3, 1_200))) is None
    assert kernel.calls == [3]
    kernel.calls.clear()
    assert kernel.send(Train.of(equal(3, 1_500))) is None
    assert kernel.calls == [1, 1, 1]


@pytest.mark.parametrize("at", range(6))
def test_a_full_buffer_anywhere_leaves_the_rest_in_order(at: int) -> None:
    kernel = Kernel(*[OK] * at, *[errno.EAGAIN] * 2)
    trouble = kernel.send(Train.of(MIXED))
    assert trouble is not None
    assert trouble.blocked is not None
    assert (trouble.failed, trouble.noted) == ([], [])
    left = list(trouble.blocked.datagrams())
    assert kernel.sent + left == MIXED, "nothing is lost, cut, doubled or moved"
    assert left
    kernel.answers.clear()
    assert kernel.send(trouble.blocked) is None
    assert kernel.sent == MIXED


@pytest.mark.parametrize("at", range(5))
def test_a_full_buffer_while_a_refused_run_goes_singly(at: int) -> None:
    kernel = Kernel(errno.EMSGSIZE, errno.EMSGSIZE, *[OK] * at, *[errno.EAGAIN] * 2)
    trouble = kernel.send(Train.of(equal(6)))
    assert trouble is not None
    assert trouble.blocked is not None
    assert kernel.sent + list(trouble.blocked.datagrams()) == equal(6)


@pytest.mark.parametrize(
    ("number", "failure"),
    [(errno.ECONNREFUSED, Failure.REFUSED), (errno.EHOSTUNREACH, Failure.UNREACHABLE)],
)
@pytest.mark.parametrize("at", range(6))
def test_news_about_an_earlier_datagram_costs_none(at: int, number: int, failure: Failure) -> None:
    """Rule 5: the datagram of the call was not sent; it is sent again, and the errno is told."""
    kernel = Kernel(*[OK] * at, number)
    trouble = kernel.send(Train.of(MIXED))
    assert kernel.sent == MIXED
    assert trouble is not None, "the news must not get lost"
    assert trouble.noted == [failure]
    assert (trouble.failed, trouble.blocked) == ([], None)


def test_every_news_is_told() -> None:
    """A dead port: every send succeeds, and every next one has the errno."""
    refused = errno.ECONNREFUSED
    kernel = Kernel(OK, refused, OK, refused, OK, refused, OK, refused, OK, refused, OK)
    trouble = kernel.send(Train.of(MIXED))
    assert kernel.sent == MIXED
    assert trouble is not None
    assert trouble.noted == [Failure.REFUSED] * 5


@pytest.mark.parametrize(
    ("number", "failure"),
    [
        (errno.EPERM, Failure.REJECTED),
        (errno.EMSGSIZE, Failure.TOO_LARGE),
        (errno.ENETUNREACH, Failure.UNREACHABLE),
        (errno.ENOBUFS, Failure.BUSY),
    ],
)
def test_an_errno_that_stays_is_the_datagrams_own(number: int, failure: Failure) -> None:
    class OneIsBad(Kernel):
        __slots__ = ()

        def _ask(self, datagrams: list[bytes]) -> None:
            if b"bad" in datagrams:
                raise OSError(number, "bad")
            super()._ask(datagrams)

    kernel = OneIsBad()
    trouble = kernel.send(Train.of([b"one", b"two", b"bad", b"four"]))
    assert kernel.sent == [b"one", b"two", b"four"]
    assert trouble is not None
    assert trouble.failed == [(b"bad", failure)]
    assert trouble.blocked is None


def test_a_full_buffer_after_news() -> None:
    kernel = Kernel(OK, errno.ECONNREFUSED, errno.EAGAIN, errno.EAGAIN, errno.EAGAIN)
    trouble = kernel.send(Train.of(MIXED))
    assert trouble is not None
    assert trouble.blocked is not None
    assert kernel.sent + list(trouble.blocked.datagrams()) == MIXED
    assert trouble.noted == [Failure.REFUSED]


@pytest.mark.parametrize("seed", range(300))
def test_whatever_the_kernel_answers_every_datagram_has_one_fate(seed: int) -> None:
    """Random errnos: sent, failed and left make up the train, each in order."""
    import random

    chance = random.Random(seed)
    numbers = [OK, errno.EAGAIN, errno.EINVAL, errno.EMSGSIZE, errno.EIO, errno.ECONNREFUSED]
    numbers += [errno.EPERM, errno.ENETUNREACH, errno.ENOBUFS]
    odds = [chance.choice((0, 1, 8)) for _ in numbers]
    odds[0] += 4
    kernel = Kernel(*chance.choices(numbers, odds, k=40))
    datagrams = [
        b"%03d" % number + b"." * chance.choice((0, 0, 0, 5, 30))
        for number in range(chance.randrange(1, 30))
    ]
    trouble = kernel.send(Train.of(datagrams))
    failed = [datagram for datagram, _ in trouble.failed] if trouble else []
    left = list(trouble.blocked.datagrams()) if trouble and trouble.blocked else []
    assert sorted(kernel.sent + failed + left) == datagrams
    assert kernel.sent == sorted(kernel.sent)
    assert failed == sorted(failed)
    assert left == datagrams[len(datagrams) - len(left) :]


def test_backend_outlet_over_a_socket() -> None:
    here, there = Udp(), Udp()
    here.connect(there.name)
    train = [*equal(4, 1_000), b"tail", b"", b"x"]
    assert BackendOutlet(here, SEGMENT_ANY).send(Train.of(train)) is None
    assert there.gather(7) == train


@pytest.mark.parametrize("local", [None, "127.0.0.5"])
def test_client_outlet_over_a_socket(local: str | None) -> None:
    from udplb.engine.addresses import reply_ancillary

    here, there = Udp("0.0.0.0"), Udp()
    address = None if local is None else (socket.inet_aton(local), 0)
    outlet = ClientOutlet(here, there.name, reply_ancillary(address), SEGMENT_ANY)
    train = [*equal(4, 1_000), b"tail", b"", b"x"]
    assert outlet.send(Train.of(train)) is None
    for expected in train:
        datagram, source = there.recvfrom(2_000)
        assert datagram == expected
        assert local is None or source[0] == local


class Recorder:
    """A socket that notes how many buffers each call had."""

    def __init__(self) -> None:
        self.buffers: list[int] = []

    def sendmsg(self, buffers: list[bytes], *_: object) -> None:
        self.buffers.append(len(buffers))
        assert b"".join(buffers) == b"".join(equal(*self.asked))

    asked = (0, 0)


@pytest.mark.parametrize(
    ("count", "size", "buffers"),
    [(15, 10, 15), (16, 10, 1), (64, 256, 1), (64, 257, 64), (2, 10, 2)],
)
def test_many_small_datagrams_are_one_buffer(count: int, size: int, buffers: int) -> None:
    sock: Any = Recorder()
    sock.asked = (count, size)
    train = Train.of(equal(count, size))
    assert BackendOutlet(sock, SEGMENT_ANY).send(train) is None
    assert ClientOutlet(sock, ("127.0.0.1", 9), [], SEGMENT_ANY).send(train) is None
    assert sock.buffers == [buffers] * 2


def test_many_small_datagrams_arrive_as_they_were() -> None:
    here, there = Udp(), Udp()
    here.connect(there.name)
    train = [*equal(40, 100), b"tail"]
    assert BackendOutlet(here, SEGMENT_ANY).send(Train.of(train)) is None
    assert ClientOutlet(here, there.name, [], SEGMENT_ANY).send(Train.of(train)) is None
    assert there.gather(82) == train * 2
