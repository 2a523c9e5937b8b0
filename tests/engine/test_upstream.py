"""Upstreams: how a socket is opened, what it never takes for a reply, how it is read."""

from __future__ import annotations

import errno
import os
import resource
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest

from tests.harness import Udp, need_linux, open_descriptors, ports_of_linux, until
from tests.namespaces import in_namespace
from udplb.core.address import Address
from udplb.core.backend import Backend
from udplb.core.flow import Flow
from udplb.core.reasons import DropReason
from udplb.core.settings import BackendSettings, FlowTerms, HealthSettings
from udplb.engine import upstream as upstream_module
from udplb.engine.batch import Batch
from udplb.engine.errors import Failure
from udplb.engine.outlet import SEGMENT_ANY, ClientOutlet
from udplb.engine.ports import Ports
from udplb.engine.upstream import OpenError, Upstream, open_socket


def address_of(sock: Udp) -> tuple[str, int]:
    return sock.name


def new_ports(*order: int) -> Ports:
    return Ports(order or ports_of_linux(()), 1.0)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_opens_connected_from_a_port_of_the_pool(host: str) -> None:
    backend, ports = Udp(host), new_ports()
    sock, port, strays = open_socket(address_of(backend), ports, 0.0)
    assert sock.getpeername()[:2] == backend.name
    assert sock.getsockname()[1] == port
    assert strays == 0
    assert not sock.getblocking()
    assert port is not None
    assert ports.holds(sock.family, port)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 0
    if host == "::1":
        assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
    sock.close()


def test_the_first_on_a_port_binds_plainly_and_the_next_share_it() -> None:
    backends, ports = [Udp() for _ in range(4)], new_ports(*ports_of_linux(())[:1])
    opened = [open_socket(address_of(backend), ports, 0.0)[0] for backend in backends]
    assert (
        len({sock.getsockname() for sock in opened}) == 4 - 3
        or len({sock.getsockname()[1] for sock in opened}) == 1
    )
    for sock, backend in zip(opened, backends, strict=True):
        backend.sendto(b"for %d" % backend.name[1], ("127.0.0.1", sock.getsockname()[1]))
    for sock, backend in zip(opened, backends, strict=True):
        assert sock.recv(100) == b"for %d" % backend.name[1]
        sock.close()


def test_another_programs_port_is_never_shared() -> None:
    """Not even if that program would share it; the next port is taken, this one rests."""
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    other.bind(("0.0.0.0", 0))
    taken, backend = other.getsockname()[1], Udp()
    free = next(port for port in ports_of_linux(()) if port != taken)
    ports = new_ports(taken, free)
    sock, port, _ = open_socket(address_of(backend), ports, 0.0)
    assert port == free
    with pytest.raises(OpenError) as failed:
        open_socket(address_of(backend), ports, 0.5)
    assert failed.value.reason is DropReason.NO_PORT
    other.close()
    again, port, _ = open_socket(address_of(backend), ports, 1.0)
    assert port == taken
    again.close()
    sock.close()


def test_gives_up_after_so_many_taken_ports() -> None:
    others = [Udp("0.0.0.0") for _ in range(upstream_module.PORT_TRIES + 2)]
    ports = new_ports(*(other.name[1] for other in others))
    backend = Udp()
    with pytest.raises(OpenError) as failed:
        open_socket(address_of(backend), ports, 0.0)
    assert failed.value.reason is DropReason.NO_PORT


class StrayedSocket(socket.socket):
    """Between bind and connect somebody sends to its port."""

    count = 3

    def connect(self, address: Any) -> None:
        stranger = Udp()
        for number in range(self.count):
            stranger.sendto(b"stray %d" % number, ("127.0.0.1", self.getsockname()[1]))
        super().connect(address)


@pytest.fixture
def strayed(monkeypatch: pytest.MonkeyPatch) -> type[StrayedSocket]:
    monkeypatch.setattr(socket, "socket", StrayedSocket)
    monkeypatch.setattr(StrayedSocket, "count", 3)
    return StrayedSocket


def test_strays_are_discarded_and_counted(strayed: type[StrayedSocket]) -> None:
    backend = Udp()
    sock, _, strays = open_socket(address_of(backend), new_ports(), 0.0)
    assert strays == 3
    with pytest.raises(BlockingIOError):
        sock.recv(100)
    backend.sendto(b"reply", ("127.0.0.1", sock.getsockname()[1]))
    assert sock.recv(100) == b"reply"
    sock.close()


def test_a_flood_of_strays_opens_nothing(
    strayed: type[StrayedSocket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_module, "STRAYS_MAX", 20)
    backend, ports = Udp(), new_ports(*ports_of_linux(())[:1])
    for count, opens in ((19, True), (20, False), (21, False)):
        strayed.count = count
        before = open_descriptors()
        if opens:
            sock, port, strays = open_socket(address_of(backend), ports, 0.0)
            assert strays == count
            sock.close()
            assert port is not None
            ports.release(socket.AF_INET, port)
            ports.give_back_unused(address_of(backend), port)
        else:
            with pytest.raises(OpenError) as failed:
                open_socket(address_of(backend), ports, 0.0)
            assert failed.value.reason is DropReason.NO_PORT
        assert open_descriptors() == before


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EMFILE, DropReason.NO_DESCRIPTOR),
        (errno.ENFILE, DropReason.NO_DESCRIPTOR),
        (errno.ENOBUFS, DropReason.NO_DESCRIPTOR),
        (errno.ENOMEM, DropReason.NO_DESCRIPTOR),
        (errno.EAGAIN, DropReason.NO_PORT),
        (errno.EADDRINUSE, DropReason.NO_PORT),
        (errno.ENETUNREACH, DropReason.UNREACHABLE),
        (errno.EACCES, DropReason.UNREACHABLE),
        (errno.EINVAL, DropReason.UNREACHABLE),
    ],
)
def test_an_open_that_fails_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, number: int, reason: DropReason
) -> None:
    class Failing(socket.socket):
        def connect(self, address: Any) -> None:
            raise OSError(number, "as told")

    backend, ports = Udp(), new_ports(*ports_of_linux(())[:1])
    before = open_descriptors()
    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", Failing)
        with pytest.raises(OpenError) as failed:
            open_socket(address_of(backend), ports, 0.0)
    assert failed.value.reason is reason
    assert open_descriptors() == before
    sock, _, _ = open_socket(address_of(backend), ports, 0.0)  # its port was never used
    sock.close()


@pytest.fixture
def no_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = max(map(int, os.listdir("/proc/self/fd")))
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(in_use)]  # no gaps below the limit
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(held), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for each in held:
        os.close(each)


def test_without_descriptors_says_so(no_descriptors: None) -> None:
    with pytest.raises(OpenError) as failed:
        open_socket(("127.0.0.1", 9), Ports([40_000], 1.0), 0.0)
    assert failed.value.reason is DropReason.NO_DESCRIPTOR


@in_namespace
def test_without_a_route_says_so() -> None:
    with pytest.raises(OpenError) as failed:
        open_socket(("203.0.113.1", 9), new_ports(), 0.0)
    assert failed.value.reason is DropReason.UNREACHABLE


# Reading


class Scripted:
    """A socket whose reads are told beforehand; it says EAGAIN at the end."""

    def __init__(self, *script: bytes | int) -> None:
        self.script = list(script)
        self.reads = 0

    def fileno(self) -> int:
        return -1

    def recv(self, size: int) -> bytes:
        self.reads += 1
        step = self.script.pop(0) if self.script else errno.EAGAIN
        if isinstance(step, int):
            raise OSError(step, "as told")
        return step

    def recvmsg(self, size: int, ancillary: int) -> tuple[bytes, list[Any], int, None]:
        return self.recv(size), [], 0, None


def upstream(sock: Any, coalesces: bool, port: int | None = None) -> Upstream:
    client = ("127.0.0.1", 9)
    address = Address(ip_address("127.0.0.1"), 9)
    flow = Flow(
        serial=1,
        key=client,
        client=address,
        client_address=client,
        local=None,
        backend=Backend(BackendSettings(address=address, name="b"), HealthSettings(), b"0"),
        terms=FlowTerms(),
        now=0.0,
    )
    nobody: Any = None
    made = Upstream(flow, nobody, sock, port, ClientOutlet(sock, client, [], SEGMENT_ANY))
    made.coalesces = coalesces
    return made


ways = pytest.mark.parametrize("coalesces", [False, True])


@ways
def test_replies_behind_an_error_are_read(coalesces: bool) -> None:
    """Rule 6: recv reports an error before replies that were queued earlier."""
    sock = Scripted(errno.ECONNREFUSED, b"one", b"", b"two", errno.EHOSTUNREACH, b"three")
    train, failures = upstream(sock, coalesces).read()
    assert train is not None
    assert list(train.datagrams()) == [b"one", b"", b"two", b"three"]
    assert failures == [Failure.REFUSED, Failure.UNREACHABLE]


@ways
def test_an_error_alone_is_no_train(coalesces: bool) -> None:
    train, failures = upstream(Scripted(errno.ECONNREFUSED), coalesces).read()
    assert (train, failures) == (None, [Failure.REFUSED])


@ways
def test_nothing_is_nothing(coalesces: bool) -> None:
    """EAGAIN behind an event is normal."""
    assert upstream(Scripted(), coalesces).read() == (None, [])


@ways
def test_a_round_is_bounded_in_datagrams_and_in_errors(coalesces: bool) -> None:
    busy = Scripted(*[b"x"] * 5_000)
    upstream(busy, coalesces).read()
    assert busy.reads <= 65
    sick = Scripted(*[errno.ECONNREFUSED] * 5_000)
    upstream(sick, coalesces).read()
    assert sick.reads <= 64


def test_an_upstream_of_a_real_socket_reads_until_nothing_is_left() -> None:
    backend = Udp()
    sock, port, _ = open_socket(address_of(backend), new_ports(), 0.0)
    made = upstream(sock, False, port)
    for number in range(10):
        backend.sendto(b"%d" % number, ("127.0.0.1", sock.getsockname()[1]))
    read: list[bytes] = []

    def all_there() -> bool:
        train, _ = made.read()
        read.extend(train.datagrams() if train else ())
        return len(read) == 10

    until(all_there)
    assert read == [b"%d" % number for number in range(10)]
    sock.close()


class ScriptedBatch:
    """A batch that brings what a script says: errnos and lists of datagrams, then nothing."""

    def __init__(self, *steps: int | list[bytes]) -> None:
        self.steps = list(steps)
        self.asked: list[int] = []
        self.held: list[bytes] = []

    def receive(self, fd: int, datagrams_max: int) -> int:
        self.asked.append(datagrams_max)
        step = self.steps.pop(0) if self.steps else []
        if isinstance(step, int):
            raise OSError(step, "as told")
        self.held = step
        return len(step)

    def sizes(self, count: int) -> list[int]:
        return [len(each) for each in self.held[:count]]

    def datagrams(self, sizes: list[int]) -> list[bytes]:
        return self.held[: len(sizes)]


def owing(sock: Any, requests: int, replies: int = 0, responses: int = 0) -> Upstream:
    made = upstream(sock, False)
    made.flow.requests, made.flow.replies = requests, replies
    made.flow.terms = FlowTerms(responses=responses)
    return made


def test_many_replies_that_are_owed_come_in_one_call() -> None:
    batch: Any = ScriptedBatch([b"one", b"", b"three"])
    train, failures = owing(Scripted(), 20, 4).read(batch)
    assert train is not None
    assert (list(train.datagrams()), failures) == ([b"one", b"", b"three"], [])
    assert batch.asked == [upstream_module.ROUND_DATAGRAMS]


@pytest.mark.parametrize(
    ("requests", "replies", "responses"), [(15, 0, 0), (20, 5, 0), (0, 40, 0), (40, 0, 1)]
)
def test_few_replies_and_counted_ones_are_read_one_by_one(
    requests: int, replies: int, responses: int
) -> None:
    batch: Any = ScriptedBatch([b"never"])
    train, _ = owing(Scripted(b"single"), requests, replies, responses).read(batch)
    assert train is not None
    assert list(train.datagrams()) == [b"single"]
    assert batch.asked == []


def test_a_batch_is_read_behind_errors_and_errors_have_a_bound() -> None:
    batch: Any = ScriptedBatch(errno.ECONNREFUSED, errno.EHOSTUNREACH, [b"reply"])
    train, failures = owing(Scripted(), 16).read(batch)
    assert train is not None
    assert list(train.datagrams()) == [b"reply"]
    assert failures == [Failure.REFUSED, Failure.UNREACHABLE]
    sick: Any = ScriptedBatch(*[errno.ECONNREFUSED] * 100)
    assert owing(Scripted(), 16).read(sick) == (
        None, [Failure.REFUSED] * upstream_module.ROUND_ERRORS
    )  # fmt: skip
    nothing: Any = ScriptedBatch()
    assert owing(Scripted(), 16).read(nothing) == (None, [])


def test_a_real_batch_brings_what_waits_up_to_the_rounds_bound() -> None:
    need_linux()
    backend, batch = Udp(), Batch()
    sock, port, _ = open_socket(address_of(backend), new_ports(), 0.0)
    made = upstream(sock, False, port)
    made.flow.requests = 500
    sent = [b"%d" % number * (number % 3) for number in range(100)]
    for datagram in sent:
        backend.sendto(datagram, ("127.0.0.1", sock.getsockname()[1]))
    rounds = []
    for _ in range(3):
        train, failures = made.read(batch)
        assert failures == []
        rounds.append(list(train.datagrams()) if train else [])
    bound = upstream_module.ROUND_DATAGRAMS
    assert rounds == [sent[:bound], sent[bound:], []]
    sock.close()


@pytest.mark.parametrize(
    ("replies", "reply_bytes", "may"),
    [(15, 16_383, False), (16, 16, True), (1, 16_384, True), (0, 0, False)],
)
def test_only_who_got_much_may_have_lost_something(
    replies: int, reply_bytes: int, may: bool
) -> None:
    made = upstream(Scripted(), False)
    made.flow.replies, made.flow.reply_bytes = replies, reply_bytes
    assert made.may_have_lost is may
