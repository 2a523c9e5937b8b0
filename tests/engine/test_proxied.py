"""Backends that want PROXY headers: each mode over real sockets, and what the kernel may answer."""

from __future__ import annotations

import errno
import random
import socket
from collections import deque
from typing import Any, get_args

import pytest

from tests.harness import SOL_UDP, UDP_GRO, Proxy, Udp, configuration, proxy
from tests.namespaces import HERE, THERE, in_namespace, neighbour
from udplb.core.address import Address, normal_ip, parse_address
from udplb.core.proxy_protocol import SIGNATURE, header
from udplb.core.settings import FlowTerms
from udplb.core.train import Run, Train
from udplb.engine.errors import Failure
from udplb.engine.outlet import SEGMENT_ANY, BackendOutlet
from udplb.engine.proxied import Mode, ProxiedOutlet, outlet_to_backend

MODES: tuple[Mode, ...] = get_args(Mode)
CLIENT = parse_address("192.0.2.1:50000")
LISTENING = parse_address("198.51.100.7:53")
OURS = header(CLIENT, LISTENING)
FORGED = header(parse_address("10.0.0.1:1"), LISTENING) + b"I am 10.0.0.1"
LARGEST = 65_507 - len(OURS)
"""What still fits together with its header, in bytes."""
OK = 0


class Script(ProxiedOutlet):
    """An outlet whose calls meet the errnos of a list, then success; it records what passed."""

    __slots__ = ("answers", "calls", "flow", "sent")

    def __init__(self, mode: Mode, *answers: int, runs_below: int = SEGMENT_ANY) -> None:
        self.flow = FlowStub()
        nowhere: Any = None
        flow: Any = self.flow
        super().__init__(nowhere, runs_below, flow, LISTENING, mode)
        self.answers = deque(answers)
        self.sent: list[bytes] = []
        self.calls: list[int] = []

    def _ask(self, datagrams: list[bytes]) -> None:
        self.calls.append(len(datagrams))
        answer = self.answers.popleft() if self.answers else OK
        if answer:
            raise OSError(answer, "as told")
        self.sent += datagrams

    def send_one(self, datagram: bytes) -> None:
        self._ask([datagram])

    def send_run(self, run: Run) -> None:
        self._ask(list(run.datagrams()))


class FlowStub:
    """What an outlet wants to know of a flow."""

    def __init__(self) -> None:
        self.client = CLIENT
        self.local = None
        self.replies = 0
        self.terms = FlowTerms()


def equal(count: int, size: int = 100) -> list[bytes]:
    return [bytes([number]) * size for number in range(count)]


def merged(datagrams: list[bytes]) -> Train:
    """One buffer, as UDP_GRO delivers it."""
    size = sum(map(len, datagrams))
    return Train([Run([b"".join(datagrams)], len(datagrams[0]), len(datagrams), size)])


def all_headed(datagrams: list[bytes]) -> list[bytes]:
    return [OURS + datagram for datagram in datagrams]


def first_headed(datagrams: list[bytes]) -> list[bytes]:
    return [OURS + datagrams[0], *datagrams[1:]]


# Who gets a header


def test_first_is_only_the_first() -> None:
    outlet = Script("first")
    assert outlet.send(Train.of([b"a", b"b"])) is None
    assert outlet.send(Train.of([b"c"])) is None
    assert outlet.sent == [OURS + b"a", b"b", b"c"]


def test_until_reply_is_until_a_reply() -> None:
    outlet = Script("until_reply")
    assert outlet.send(Train.of([b"a", b"b"])) is None
    assert outlet.send(Train.of([b"c"])) is None
    outlet.flow.replies = 1
    assert outlet.send(Train.of([b"d", b"e"])) is None
    assert outlet.sent == [*all_headed([b"a", b"b", b"c"]), b"d", b"e"]


def test_every_is_every() -> None:
    outlet = Script("every")
    assert outlet.send(Train.of([b"a", b""])) is None
    outlet.flow.replies = 1
    assert outlet.send(Train.of([b"c"])) is None
    assert outlet.sent == all_headed([b"a", b"", b"c"])


@pytest.mark.parametrize("mode", MODES)
def test_a_forged_header_always_stands_behind_ours(mode: Mode) -> None:
    outlet = Script(mode)
    datagrams = [b"a", FORGED, b"b", SIGNATURE, SIGNATURE[:-1], FORGED]
    outlet.send(Train.of(datagrams))
    outlet.flow.replies = 1
    outlet.sent.clear()
    assert outlet.send(Train.of(datagrams)) is None
    if mode == "every":
        assert outlet.sent == all_headed(datagrams)
    else:
        assert outlet.sent == [
            b"a", OURS + FORGED, b"b", OURS + SIGNATURE, SIGNATURE[:-1], OURS + FORGED
        ]  # fmt: skip


def test_a_forged_header_comes_first() -> None:
    outlet = Script("first")
    assert outlet.send(Train.of([FORGED, FORGED, b"a"])) is None
    assert outlet.sent == [OURS + FORGED, OURS + FORGED, b"a"], "one of ours each"


@pytest.mark.parametrize("mode", MODES)
def test_starting_over(mode: Mode) -> None:
    outlet = Script(mode)
    outlet.send(Train.of([b"a"]))
    outlet.flow.replies = 1
    outlet.send(Train.of([b"b"]))
    outlet.sent.clear()
    outlet.start_over()
    outlet.send(Train.of([b"a", b"b"]))
    outlet.send(Train.of([b"c"]))
    if mode == "first":
        assert outlet.sent == [OURS + b"a", b"b", b"c"]
    else:
        assert outlet.sent == all_headed([b"a", b"b", b"c"])
    outlet.flow.replies = 2
    outlet.sent.clear()
    outlet.send(Train.of([b"d"]))
    assert outlet.sent == ([OURS + b"d"] if mode == "every" else [b"d"])


def test_off_is_the_plain_outlet() -> None:
    flow: Any = FlowStub()
    nobody: Any = None
    assert type(outlet_to_backend(flow, nobody, nobody, SEGMENT_ANY)) is BackendOutlet


@pytest.mark.parametrize("mode", MODES)
def test_a_refusal_that_comes_out_on_a_send_starts_over(mode: Mode) -> None:
    outlet = Script(mode)
    outlet.send(Train.of([b"a"]))
    outlet.flow.replies = 1
    outlet.send(Train.of([b"b"]))
    outlet.sent.clear()
    outlet.answers.append(errno.ECONNREFUSED)
    trouble = outlet.send(Train.of([b"c"]))
    assert trouble is not None
    assert trouble.noted == [Failure.REFUSED]
    outlet.send(Train.of([b"d"]))
    outlet.send(Train.of([b"e"]))
    outlet.flow.replies = 2
    outlet.send(Train.of([b"f"]))
    expected = {
        "first": [b"c", OURS + b"d", b"e", b"f"],
        "until_reply": [b"c", OURS + b"d", OURS + b"e", b"f"],
        "every": all_headed([b"c", b"d", b"e", b"f"]),
    }
    assert outlet.sent == expected[mode]


def test_a_refusal_that_comes_out_behind_the_first_starts_over() -> None:
    outlet = Script("first", OK, errno.ECONNREFUSED)
    trouble = outlet.send(Train.of([b"a", b"b"]))
    assert trouble is not None
    assert trouble.noted == [Failure.REFUSED]
    assert outlet.send(Train.of([b"c", b"d"])) is None
    assert outlet.sent == [OURS + b"a", b"b", OURS + b"c", b"d"]


def test_other_news_does_not_start_over() -> None:
    outlet = Script("first", OK, errno.EHOSTUNREACH)
    outlet.send(Train.of([b"a"]))
    outlet.send(Train.of([b"b"]))
    assert outlet.send(Train.of([b"c"])) is None
    assert outlet.sent == [OURS + b"a", b"b", b"c"]


# Runs


@pytest.mark.parametrize("train", [Train.of(equal(32, 1_200)), merged(equal(32, 1_200))])
def test_runs_stay_whole(train: Train) -> None:
    for mode, calls in (("first", [1, 31]), ("until_reply", [32]), ("every", [32])):
        outlet = Script(mode)  # type: ignore[arg-type]
        assert outlet.send(train) is None
        assert outlet.calls == calls
        outlet.flow.replies = 1
        assert outlet.send(train) is None
        assert outlet.calls == [*calls, 32]


def test_a_refused_run_goes_singly_with_its_headers() -> None:
    outlet = Script("every", errno.EMSGSIZE, errno.EMSGSIZE)
    assert outlet.send(Train.of(equal(4))) is None
    assert outlet.sent == all_headed(equal(4))
    outlet.calls.clear()
    outlet.send(Train.of(equal(4, 100)))
    outlet.send(Train.of(equal(4, 99)))
    assert outlet.calls == [1, 1, 1, 1, 4], "128 bytes with the header are too much, 127 are not"


# What does not go


@pytest.mark.parametrize("refusal", [errno.EPERM, errno.EMSGSIZE])
def test_a_refused_first_hands_its_header_on(refusal: int) -> None:
    failure = Failure.REJECTED if refusal == errno.EPERM else Failure.TOO_LARGE
    outlet = Script("first", *[refusal] * 6)
    trouble = outlet.send(Train.of([b"a", b"bb", b"ccc", b"d"]))
    assert outlet.sent == [OURS + b"ccc", b"d"]
    assert trouble is not None
    assert trouble.failed == [(b"a", failure), (b"bb", failure)], "without the header"
    assert trouble.blocked is None
    outlet = Script("first", *[refusal] * 3)
    outlet.send(Train.of([b"a"]))
    assert outlet.send(Train.of([b"b", b"c"])) is None, "in the next train, too"
    assert outlet.sent == [OURS + b"b", b"c"]


def test_news_about_an_earlier_datagram_hands_no_header_on() -> None:
    outlet = Script("first", errno.ECONNREFUSED)
    trouble = outlet.send(Train.of([b"a", b"b"]))
    assert outlet.sent == [OURS + b"a", b"b"]
    assert trouble is not None
    assert (trouble.noted, trouble.failed, trouble.blocked) == ([Failure.REFUSED], [], None)


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_accepted_while_the_buffer_is_full(mode: Mode) -> None:
    full = [errno.EAGAIN] * 2
    outlet = Script(mode, *full, *full)
    datagrams = [b"a", FORGED, *equal(3)]
    train = Train.of(datagrams)
    for _ in range(2):
        trouble = outlet.send(train)
        assert trouble is not None
        assert trouble.blocked == train, "as the client had sent it"
        assert trouble.blocked.size == train.size
        assert (trouble.failed, trouble.noted) == ([], [])
        train = trouble.blocked
    assert outlet.send(train) is None
    if mode == "first":
        assert outlet.sent == [OURS + b"a", OURS + FORGED, *equal(3)]
    else:
        assert outlet.sent == all_headed(datagrams)


@pytest.mark.parametrize("mode", MODES)
def test_a_datagram_too_large_for_its_header(mode: Mode) -> None:
    fits, too_large, small = b"f" * LARGEST, b"t" * (LARGEST + 1), b"s"
    outlet = Script(mode)
    trouble = outlet.send(Train.of([too_large, small, fits]))
    assert trouble is not None
    assert trouble.failed == [(too_large, Failure.TOO_LARGE)]
    expected = [OURS + small, fits]
    assert outlet.sent == (expected if mode == "first" else all_headed([small, fits]))
    outlet.flow.replies = 1
    outlet.sent.clear()
    outlet.calls.clear()
    trouble = outlet.send(Train.of([too_large]))
    if mode == "every":
        assert trouble is not None
        assert trouble.failed == [(too_large, Failure.TOO_LARGE)]
        assert outlet.calls == [], "the kernel is not asked"
    else:
        assert trouble is None
        assert outlet.sent == [too_large], "alone it fits"


def test_a_forged_header_too_large_for_ours() -> None:
    outlet = Script("first")
    outlet.send(Train.of([b"a"]))
    forged = FORGED + bytes(LARGEST + 1 - len(FORGED))
    trouble = outlet.send(Train.of([b"b", forged, b"c"]))
    assert trouble is not None
    assert trouble.failed == [(forged, Failure.TOO_LARGE)]
    assert outlet.sent == [OURS + b"a", b"b", b"c"]


def has_header(sent: bytes) -> bool:
    return sent.startswith(OURS)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(200))
def test_whatever_the_kernel_answers_every_datagram_has_one_fate(mode: Mode, seed: int) -> None:
    """Random errnos and trains: sent, failed and left make up the train, each in order."""
    chance = random.Random(seed)
    numbers = [OK, errno.EAGAIN, errno.EINVAL, errno.EMSGSIZE, errno.EIO, errno.ECONNREFUSED]
    numbers += [errno.EPERM, errno.ENETUNREACH, errno.ENOBUFS]
    odds = [chance.choice((0, 1, 8)) for _ in numbers]
    odds[0] += 4
    outlet = Script(mode, *chance.choices(numbers, odds, k=60))
    waiting = [
        chance.choice((b"", b"", b"", FORGED)) + b"%03d" % number + b"." * chance.choice((0, 0, 30))
        for number in range(chance.randrange(1, 30))
    ]
    done: list[bytes] = []
    headers_max = 1
    while waiting:
        trouble = outlet.send(Train.of(waiting))
        headers_max += trouble.noted.count(Failure.REFUSED) if trouble else 0
        bad = [datagram for datagram, _ in trouble.failed] if trouble else []
        left = list(trouble.blocked.datagrams()) if trouble and trouble.blocked else []
        good = [each.removeprefix(OURS) for each in outlet.sent[len(done) :]]
        place = {each: number for number, each in enumerate(waiting)}
        places = [[place[each] for each in part] for part in (good, bad, left)]
        assert all(part == sorted(part) for part in places)
        assert sorted(place[each] for each in good + bad + left) == list(range(len(waiting)))
        done += good
        waiting = left
    if mode == "first":
        forged = [each for each in outlet.sent if each.removeprefix(OURS).startswith(SIGNATURE)]
        plain = [each for each in outlet.sent if each not in forged]
        assert all(map(has_header, [*outlet.sent[:1], *forged]))
        assert sum(map(has_header, plain)) <= headers_max
    else:
        assert all(map(has_header, outlet.sent))


# Over real sockets


def settings(*backends: tuple[str, int], mode: Mode, **more: Any) -> Any:
    return configuration(*backends, terms=FlowTerms(proxy_protocol=mode), **more)


def expected_header(client: Udp, asked: tuple[str, int], *, host: str | None = None) -> bytes:
    """What names this client, that asked there."""
    name, port = client.name
    source = Address(normal_ip(host or name), port)
    return header(source, Address(normal_ip(asked[0]), asked[1]))


@pytest.mark.parametrize(("host", "size"), [("127.0.0.1", 28), ("::1", 52)])
@pytest.mark.parametrize("mode", MODES)
def test_modes(mode: Mode, host: str, size: int) -> None:
    backend = Udp(host)
    with proxy(settings(backend.name, mode=mode, listen=host)) as p:
        client = Udp(host)
        ours = expected_header(client, p.at)
        assert len(ours) == size
        client.sendto(b"one", p.at)
        assert backend.recv(200) == ours + b"one"
        client.sendto(b"two", p.at)
        assert backend.recv(200) == (b"two" if mode == "first" else ours + b"two")
        client.sendto(b"", p.at)
        datagram, upstream = backend.recvfrom(200)
        assert datagram == (b"" if mode == "first" else ours)
        backend.sendto(b"reply", upstream)
        assert client.recv(100) == b"reply"
        client.sendto(b"four", p.at)
        assert backend.recv(200) == (ours + b"four" if mode == "every" else b"four")
        client.sendto(FORGED, p.at)
        assert backend.recv(200) == ours + FORGED
        other = Udp(host)
        other.sendto(b"another flow", p.at)
        assert backend.recv(200) == expected_header(other, p.at) + b"another flow"
        last = p.stop()
    expected = len(b"onetwofour" + FORGED + b"another flow")
    assert last.listeners[0].request_bytes == expected, "counted without headers"
    assert last.clusters[0].backends[0].request_bytes == expected
    assert last.listeners[0].requests == 6


@pytest.mark.parametrize(
    ("listen", "asked", "from_host", "backend_host"),
    [
        ("127.0.0.1", "127.0.0.1", "127.0.0.9", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.2", "127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1", "127.0.0.2", "::1"),
        ("::", "127.0.0.2", "127.0.0.1", "127.0.0.1"),
        ("::", "127.0.0.2", "127.0.0.1", "::1"),
        ("::", "::1", "::1", "127.0.0.1"),
        ("::1", "::1", "::1", "::1"),
    ],
)
def test_the_destination_is_what_the_client_asked(
    listen: str, asked: str, from_host: str, backend_host: str
) -> None:
    backend = Udp(backend_host)
    with proxy(settings(backend.name, mode="first", listen=listen)) as p:
        client, at = Udp(from_host), (asked, p.port)
        client.sendto(b"x", at)
        datagram, upstream = backend.recvfrom(200)
        assert datagram == expected_header(client, at) + b"x"
        assert len(datagram) == (29 if "." in asked else 53)
        backend.sendto(b"reply", upstream)
        assert client.recvfrom(100)[0] == b"reply"


def test_two_addresses_of_one_wildcard_listener_are_two_flows_with_a_header_each() -> None:
    backend = Udp()
    with proxy(settings(backend.name, mode="first", listen="0.0.0.0")) as p:
        client = Udp("0.0.0.0")
        for asked in ("127.0.0.2", "127.0.0.3"):
            client.sendto(b"x", (asked, p.port))
            ours = expected_header(client, (asked, p.port), host="127.0.0.1")
            datagram = backend.recv(200)
            assert datagram[16 + 4 : 16 + 8] == socket.inet_aton(asked)
            assert datagram[20:] == ours[20:] + b"x"


def coalesced(backend: Udp, count: int) -> tuple[list[bytes], list[int]]:
    """The next `count` datagrams, and how many came in each piece."""
    datagrams: list[bytes] = []
    pieces: list[int] = []
    while len(datagrams) < count:
        buffer, ancillary, _, _ = backend.recvmsg(65_535, socket.CMSG_SPACE(4))
        segment = int.from_bytes(ancillary[0][2], "little") if ancillary else len(buffer)
        piece = [buffer[at : at + segment] for at in range(0, len(buffer), segment)]
        datagrams += piece
        pieces.append(len(piece))
    return datagrams, pieces


def in_one_round(p: Proxy, client: Udp, run: list[bytes]) -> None:
    """Send a run that the engine finds whole when it looks."""
    look = p.look_away()
    client.send_run(b"".join(run), len(run[0]), p.at)
    look.set()


@pytest.mark.parametrize("gro", ["auto", "off"])
@pytest.mark.parametrize("mode", MODES)
def test_bulk_runs_arrive_whole(mode: Mode, gro: str) -> None:
    backend = Udp()
    backend.setsockopt(SOL_UDP, UDP_GRO, 1)
    with proxy(settings(backend.name, mode=mode, gro=gro)) as p:
        client = Udp()
        ours = expected_header(client, p.at)
        for turn in range(20):
            run = [bytes([turn, number]) * 600 for number in range(32)]
            in_one_round(p, client, run)
            datagrams, pieces = coalesced(backend, 32)
            if mode != "first":
                assert datagrams == [ours + each for each in run]
                assert pieces == [32]
            elif turn == 0:
                assert datagrams == [ours + run[0], *run[1:]]
                assert pieces == [1, 31]
            else:
                assert datagrams == run
                assert pieces == [32]


@pytest.mark.parametrize("mode", MODES)
def test_bulk_without_segmentation(mode: Mode) -> None:
    backend = Udp()
    backend.setsockopt(SOL_UDP, UDP_GRO, 1)
    with proxy(settings(backend.name, mode=mode, gso="off")) as p:
        client = Udp()
        ours = expected_header(client, p.at)
        run = equal(32, 1_200)
        client.send_run(b"".join(run), 1_200, p.at)
        datagrams, pieces = coalesced(backend, 32)
        headed = [ours + each for each in run]
        assert datagrams == ([headed[0], *run[1:]] if mode == "first" else headed)
        assert pieces == [1] * 32


def test_forged_ones_in_the_middle_of_bulk() -> None:
    backend = Udp()
    with proxy(settings(backend.name, mode="first")) as p:
        client = Udp()
        ours = expected_header(client, p.at)
        client.sendto(b"first", p.at)
        assert backend.recv(200) == ours + b"first"
        run = equal(32, 1_200)
        run[13] = FORGED.ljust(1_200)
        for _ in range(5):  # GRO goes on after the first
            client.send_run(b"".join(run), 1_200, p.at)
            assert backend.gather(32) == [*run[:13], ours + run[13], *run[14:]]


@pytest.mark.parametrize(("host", "size"), [("127.0.0.1", 28), ("::1", 52)])
@pytest.mark.parametrize("mode", MODES)
def test_oversize_with_its_header(mode: Mode, host: str, size: int) -> None:
    backend = Udp(host)
    with proxy(settings(backend.name, mode=mode, listen=host)) as p:
        client = Udp(host)
        ours = expected_header(client, p.at)
        client.sendto(b"t" * (65_508 - size), p.at)
        p.until(lambda p: p.listener.dropped == {"oversize": 1})
        assert p.listener.requests == 0
        client.sendto(b"f" * (65_507 - size), p.at)
        datagram, upstream = backend.recvfrom(65_535)
        assert datagram == ours + b"f" * (65_507 - size), "the next one carries the header"
        backend.sendto(b"reply", upstream)
        assert client.recv(100) == b"reply"
        client.sendto(b"l" * 65_507, p.at)
        if mode == "every":
            p.until(lambda p: p.listener.dropped == {"oversize": 2})
        else:
            assert backend.recv(65_535) == b"l" * 65_507, "alone it fits"


def _echo() -> None:
    server = Udp(THERE, 7_000)
    server.settimeout(None)
    while True:
        server.sendto(*server.recvfrom(65_535))


@in_namespace
def test_runs_that_only_the_header_makes_too_large_for_the_cable() -> None:
    """An MTU of 1,280 lets segments of 1,252 pass; what is larger goes singly, as fragments."""
    with (
        neighbour(_echo, mtu=1_280),
        proxy(settings((THERE, 7_000), mode="every", listen=HERE)) as p,
    ):
        client, at = Udp(), (HERE, p.port)
        ours = expected_header(client, at)
        for size in (1_225, 1_252, 1_224, 1_225, 3_000):
            run = [bytes([number]) * size for number in range(20)]
            client.send_run(b"".join(run), size, at)
            assert client.gather(20) == [ours + each for each in run]
        assert p.listener.dropped == {}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> deque[int]:
    """The errnos that sends of single datagrams to backends meet, then none."""
    errnos: deque[int] = deque()
    original = BackendOutlet.send_one

    def send_one(self: BackendOutlet, datagram: bytes) -> object:
        if errnos and (number := errnos.popleft()):
            raise OSError(number, "as the script says")
        return original(self, datagram)

    monkeypatch.setattr(BackendOutlet, "send_one", send_one)
    return errnos


@pytest.mark.parametrize("mode", MODES)
def test_what_had_to_wait_gets_its_header_when_it_is_sent(mode: Mode, script: deque[int]) -> None:
    backend = Udp()
    with proxy(settings(backend.name, mode=mode)) as p:
        client = Udp()
        ours = expected_header(client, p.at)
        script.extend([errno.EAGAIN] * 7)
        for datagram in (b"a", b"bb", b"ccc"):
            client.sendto(datagram, p.at)
        headed = [ours + b"a", ours + b"bb", ours + b"ccc"]
        expected = [headed[0], b"bb", b"ccc"] if mode == "first" else headed
        assert backend.gather(3) == expected
        last = p.stop().listeners[0]
    assert (last.requests, last.request_bytes, last.dropped) == (3, 6, {})


@pytest.mark.parametrize("mode", MODES)
def test_a_reopened_upstream_starts_over(mode: Mode, script: deque[int]) -> None:
    """It has another port: to the backend it is a client that it knows nothing of."""
    backend = Udp()
    with proxy(settings(backend.name, mode=mode)) as p:
        client = Udp()
        ours = expected_header(client, p.at)
        client.sendto(b"one", p.at)
        datagram, old = backend.recvfrom(200)
        assert datagram == ours + b"one"
        backend.sendto(b"reply", old)
        assert client.recv(100) == b"reply"
        script.extend([errno.ENETUNREACH] * 3)
        client.sendto(b"two", p.at)
        datagram, new = backend.recvfrom(200)
        assert new != old
        assert datagram == ours + b"two"
        client.sendto(b"three", p.at)
        assert backend.recv(200) == (b"three" if mode == "first" else ours + b"three")
        backend.sendto(b"reply", new)
        assert client.recv(100) == b"reply"
        client.sendto(b"four", p.at)
        assert backend.recv(200) == (ours + b"four" if mode == "every" else b"four")
        assert p.listener.dropped == {}


@pytest.mark.parametrize("mode", MODES)
def test_a_successor_starts_over(mode: Mode) -> None:
    terms = FlowTerms(proxy_protocol=mode, requests=2)
    backend = Udp()
    with proxy(configuration(backend.name, terms=terms)) as p:
        client = Udp()
        ours = expected_header(client, p.at)
        for _ in range(3):
            client.sendto(b"one", p.at)
            datagram, upstream = backend.recvfrom(200)
            assert datagram == ours + b"one"
            backend.sendto(b"reply", upstream)
            assert client.recv(100) == b"reply"
            client.sendto(b"two", p.at)
            assert backend.recv(200) == (ours + b"two" if mode == "every" else b"two")
        p.until(lambda p: p.listener.admitted == 3)


@pytest.mark.parametrize("resend", [True, False])
@pytest.mark.parametrize("mode", MODES)
def test_a_restarted_backend_is_told_again(mode: Mode, resend: bool) -> None:
    backend = Udp()
    name = backend.name
    with proxy(settings(name, mode=mode, resend=resend)) as p:
        client = Udp()
        ours = expected_header(client, p.at)
        client.sendto(b"one", p.at)
        datagram, upstream = backend.recvfrom(200)
        assert datagram == ours + b"one"
        backend.sendto(b"reply", upstream)
        assert client.recv(100) == b"reply"
        backend.close()
        client.sendto(b"lost", p.at)
        p.until(lambda p: p.backends[0].refusals >= (2 if resend else 1), "the refusals")
        with Udp(*name) as restarted:
            client.sendto(b"two", p.at)
            assert restarted.recv(200) == ours + b"two"
            client.sendto(b"three", p.at)
            assert restarted.recv(200) == (b"three" if mode == "first" else ours + b"three")


@pytest.mark.parametrize("mode", MODES)
def test_a_first_datagram_that_nobody_had_told_nobody(mode: Mode) -> None:
    """Nobody listens when the flow begins: the header went with the datagram that was refused."""
    with Udp() as absent:
        name = absent.name
    with proxy(settings(name, mode=mode, resend=False)) as p:
        client = Udp()
        client.sendto(b"lost", p.at)
        p.until(lambda p: p.backends[0].refusals == 1)
        with Udp(*name) as backend:
            client.sendto(b"two", p.at)
            assert backend.recv(200) == expected_header(client, p.at) + b"two"
