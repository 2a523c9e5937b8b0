"""One client: what it asks is answered, and whatever else it does is bounded, over real sockets."""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.control.ground import FakeFeed, Ground, RawClient, happening, picture
from tests.harness import PATIENCE_S, until
from udplb.engine.control.connection import READ_BYTES, Connection, House, Limits
from udplb.engine.control.errands import Errands
from udplb.engine.control.requests import Refused, SetWeight, Status, Subscribe
from udplb.engine.control.wire import LINE_BYTES_MAX, Press
from udplb.engine.events import QUEUE_MAX

STATUS = b'{"request": "status", "id": 1}\n'
WEIGHT = {"request": "set_weight", "cluster": "c", "backend": "b", "weight": 3}


def errors(messages: list[dict[str, Any]]) -> list[str]:
    return [each["message"] for each in messages if each["type"] == "error"]


def test_the_greeting_and_an_answer(ground: Ground) -> None:
    ground.serve()
    client = ground.client()
    hello = client.hear()
    assert len(hello.pop("engine")) == 16
    assert hello == {
        "type": "hello", "protocol": 1, "version": "1.2.3", "pid": os.getpid(), "read_only": False,
    }  # fmt: skip
    client.say({"request": "status", "id": 5})
    answer = client.hear()
    assert (answer["type"], answer["id"]) == ("answer", 5)
    assert answer["answer"]["state"] == "running"
    ((request, who),) = ground.desk.asked
    assert request == Status(id=5)
    assert who.startswith(f"uid {os.geteuid()} (")
    assert who.endswith(f"process {os.getpid()}")


@pytest.mark.parametrize("number", [0, -1, 2**31, 2**63, 2**64, 10**400, -(10**4_000)])
def test_any_number_comes_back(ground: Ground, number: int) -> None:
    ground.serve()
    client = ground.greeted()
    client.say({"request": "status", "id": number})
    assert client.hear()["id"] == number


def test_a_refusal_has_its_code_and_all_its_lines(ground: Ground) -> None:
    ground.serve()
    ground.desk.answers[SetWeight] = Refused("invalid", "two mistakes", ("f:1: a", "f:2: b"))
    client = ground.greeted()
    client.say({**WEIGHT, "id": 8})
    assert client.hear() == {
        "type": "error", "id": 8, "code": "invalid", "message": "two mistakes",
        "problems": ["f:1: a", "f:2: b"],
    }  # fmt: skip


def test_bugs_of_the_desk_are_told_and_end_nothing(ground: Ground) -> None:
    ground.serve()
    client = ground.greeted()
    for broken in (ZeroDivisionError("oh"), object()):  # raised; an answer that is none
        ground.desk.answers[SetWeight] = broken
        client.say({**WEIGHT, "id": 8})
        said = client.hear()
        assert (said["id"], said["code"]) == (8, "failed")
    ground.unharmed()


def test_answers_come_as_they_are_ready(ground: Ground) -> None:
    ground.serve()
    client = ground.greeted()
    ground.hold()
    client.say({**WEIGHT, "id": 1})
    until(lambda: len(ground.desk.asked) == 1)
    gate, ground.desk.gate = ground.desk.gate, None
    client.say({"request": "status", "id": 2})
    assert client.hear()["id"] == 2
    ground.desk.gate = gate
    ground.release()
    assert client.hear()["id"] == 1


def test_bytes_one_by_one_and_many_lines_at_once(ground: Ground) -> None:
    ground.serve()
    client = ground.greeted()
    for byte in STATUS:
        client.send(bytes([byte]))
    assert client.hear()["id"] == 1
    client.send(STATUS * 1_000)
    assert {client.hear()["id"] for _ in range(1_000)} == {1}


# The lock


def test_a_locked_connection_changes_nothing_any_more(ground: Ground) -> None:
    """The proxy enforces it: here are raw lines, and no client of ours."""
    ground.serve()
    client, other = ground.greeted(), ground.greeted()
    client.say({**WEIGHT, "id": 1})
    assert client.hear()["type"] == "answer"
    client.say({"request": "lock", "id": 2})
    assert client.hear() == {"type": "answer", "id": 2, "answer": {}}
    client.say({**WEIGHT, "id": 3}, {"request": "lock", "id": 4}, {**WEIGHT, "id": 5})
    said = {each["id"]: each for each in (client.hear() for _ in range(3))}
    assert said[4]["type"] == "answer"
    for number in (3, 5):
        assert said[number] == {
            "type": "error", "id": number, "code": "read_only", "problems": [],
            "message": "this connection is locked: it only looks, for good",
        }  # fmt: skip
    client.send(STATUS)
    assert client.hear()["type"] == "answer"
    other.say({**WEIGHT, "id": 6})
    assert other.hear()["type"] == "answer", "each connection has a lock of its own"
    changes = [request for request, _ in ground.desk.asked if request.changes]
    assert [request.id for request in changes] == [1, 6]


def test_a_lock_holds_for_what_comes_behind_it_in_one_packet(ground: Ground) -> None:
    ground.serve()
    client = ground.greeted()
    client.say({"request": "lock", "id": 1}, {**WEIGHT, "id": 2})
    assert {client.hear()["type"] for _ in range(2)} == {"answer", "error"}
    assert not ground.desk.asked


def test_a_locked_connection_may_subscribe(ground: Ground) -> None:
    ground.serve()
    client = ground.greeted()
    client.say({"request": "lock"}, {"request": "subscribe", "id": 2}, {**WEIGHT, "id": 3})
    said = [client.hear() for _ in range(4)]
    assert [each.get("code") for each in said if each["type"] == "error"] == ["read_only"]
    assert "snapshot" in {each["type"] for each in said}


# Bad lines


def test_a_bad_line_is_explained_and_the_next_one_answered(ground: Ground) -> None:
    ground.serve()
    client = ground.greeted()
    for line in (b"\n", b"hello\n", b"\xff\xff\n", b'{"request": "stats", "id": 4}\n'):
        client.send(line)
        said = client.hear()
        assert (said["type"], said["code"]) == ("error", "bad_request")
    assert said["id"] == 4
    assert "did you mean status?" in said["message"]
    client.send(STATUS)
    assert client.hear()["type"] == "answer"


@pytest.mark.parametrize(("count", "ends"), [(2, False), (3, False), (4, True)])
def test_too_many_bad_lines_in_a_row_end_it(ground: Ground, count: int, ends: bool) -> None:
    ground.serve(bad_lines=3)
    client = ground.greeted()
    client.send(b"x\n" * count)
    if ends:
        assert errors(client.hear_all())[-1] == "4 bad lines in a row"
    else:
        for _ in range(count):
            client.hear()
        client.send(STATUS + b"x\n" * 3)
        said = [client.hear()["type"] for _ in range(4)]
        assert sorted(said) == ["answer", *["error"] * 3]
        client.send(STATUS)
        assert client.hear()["type"] == "answer", "a good line wipes the slate"
    ground.unharmed()


@pytest.mark.parametrize("text", [b"[" * 100_000, b'{"a":' * 100_000, b'{"x": ' + b"[" * 100_000])
def test_deep_nesting_is_an_error(ground: Ground, text: bytes) -> None:
    ground.serve()
    client = ground.greeted()
    client.send(text + b"\n" + STATUS)
    assert client.hear()["code"] == "bad_request"
    assert client.hear()["type"] == "answer"


@pytest.mark.parametrize("limit", [100, LINE_BYTES_MAX])
@pytest.mark.parametrize(("beyond", "fits"), [(-1, True), (0, True), (1, False)])
def test_a_line_has_its_limit(ground: Ground, limit: int, beyond: int, fits: bool) -> None:
    ground.serve(line_bytes=limit)
    client = ground.greeted()
    line = STATUS.rstrip() + b" " * (limit + beyond - len(STATUS) + 1)
    assert len(line) == limit + beyond
    client.shout(line + b"\n", 1)
    if fits:
        assert client.hear()["type"] == "answer"
    else:
        assert errors(client.hear_all()) == [f"a line has at most {limit} bytes"]
    ground.unharmed()


def test_100_mb_without_a_newline(ground: Ground) -> None:
    server = ground.serve()
    client = ground.greeted()
    sent = client.shout(b"x" * 1_000_000, 100)
    assert sent < 4 * LINE_BYTES_MAX, "closed as soon as it was too much"
    assert errors(client.hear_all()) == [f"a line has at most {LINE_BYTES_MAX} bytes"]
    until(lambda: server.clients == 0)
    assert server.held_bytes == 0
    ground.unharmed()


def test_what_is_held_of_a_line_is_bounded(ground: Ground) -> None:
    server = ground.serve(line_bytes=10_000)
    client = ground.greeted()
    held = 0
    for _ in range(10):
        client.send(b"x" * 1_000)
        until(lambda: ground.do(lambda: server.held_bytes) > held)
        held = ground.do(lambda: server.held_bytes)
    assert held == 10_000


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.binary(max_size=50)
        | st.sampled_from([STATUS, STATUS[:9], b"\n", b"{", b"}", b"\\", b'"', b"null\n"]),
        max_size=20,
    )
)
def test_random_bytes_harm_nobody(ground: Ground, pieces: list[bytes]) -> None:
    if ground.server is None:
        ground.serve(clients=10_000)
    with ground.greeted() as client:
        for piece in pieces:
            client.shout(piece, 1)
        client.sock.shutdown(socket.SHUT_WR)
        said = client.hear_all()
        assert all(each["type"] in ("answer", "error") for each in said)
        assert len(said) <= sum(piece.count(b"\n") for piece in pieces) + 2
    ground.unharmed()


# Back-pressure


@pytest.mark.parametrize("running", [3, 4, 5])
def test_so_many_requests_of_one_client_are_on_their_way(ground: Ground, running: int) -> None:
    server = ground.serve()
    client = ground.greeted()
    ground.hold()
    client.say(*[{**WEIGHT, "id": number} for number in range(running)])
    until(lambda: len(ground.desk.asked) == min(running, 4))
    assert ground.do(lambda: server.requests) == min(running, 4)
    ground.release()
    assert {client.hear()["id"] for _ in range(running)} == set(range(running))


def fill(client: RawClient, line: bytes) -> int:
    """Say a line until nobody takes it any more; how many bytes went."""
    sent = 0
    poll = select.poll()
    poll.register(client.sock, select.POLLOUT)
    client.sock.setblocking(False)
    while poll.poll(300):
        with suppress(BlockingIOError):
            sent += client.sock.send(line)
    client.sock.settimeout(PATIENCE_S)
    return sent


def test_who_asks_and_asks_is_not_read_further(ground: Ground) -> None:
    server = ground.serve(requests=2)
    client = ground.greeted()
    ground.hold()
    sent = fill(client, STATUS)
    until(lambda: len(ground.desk.asked) == 2)
    assert ground.do(lambda: server.held_bytes) <= READ_BYTES
    ground.release()
    client.send(STATUS[sent % len(STATUS) :] if sent % len(STATUS) else b"")
    for _ in range(-(-sent // len(STATUS))):
        assert client.hear()["type"] == "answer"


def test_who_reads_no_answers_is_not_read_further(ground: Ground) -> None:
    server = ground.serve(unread_bytes=10_000, requests=4)
    ground.desk.answers[Status] = picture().__class__(
        **{name: getattr(picture(), name) for name in picture().__struct_fields__}
        | {"version": "x" * 50_000}
    )
    client = ground.greeted()
    sent = fill(client, STATUS)
    assert ground.do(lambda: server.held_bytes) < 10_000 + 5 * 60_000 + READ_BYTES
    asked = len(ground.desk.asked)
    assert asked < sent // len(STATUS)
    for _ in range(asked):
        assert client.hear()["type"] == "answer"


# Time


class Clocked:
    """A connection over a socket pair, in a loop that only tells the time."""

    def __init__(self, **limits: Any) -> None:
        self.now = 1_000.0
        self.desk_ground: Any = None
        here, self.there = socket.socketpair()
        here.setblocking(False)
        here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        self.gone: list[Connection] = []
        house = House(self, self, Errands(self, self, at_most=9, patience_s=60), Press(),  # type: ignore[arg-type]
                      Limits(**limits))  # fmt: skip
        self.readers: dict[int, Callable[[], None]] = {}
        self.writers: dict[int, Callable[[], None]] = {}
        self.connection = Connection(here, "me", house, self.gone.append)
        self.connection.begin(b"hello\n")

    def time(self) -> float:
        return self.now

    def call_later(self, *_: object) -> Any:
        class Handle:
            def cancel(self) -> None:
                """Nothing fires here."""

        return Handle()

    def add_reader(self, number: int, what: Callable[[], None]) -> None:
        self.readers[number] = what

    def remove_reader(self, number: int) -> None:
        del self.readers[number]

    def add_writer(self, number: int, what: Callable[[], None]) -> None:
        self.writers[number] = what

    def remove_writer(self, number: int) -> None:
        del self.writers[number]

    def feed(self, _: object) -> Any:
        from tests.engine.control.ground import FakeDesk
        from udplb.engine.control.requests import Subscribe

        self.desk_ground = self.desk_ground or FakeDesk()
        return self.desk_ground.feed(Subscribe())

    def say(self, data: bytes) -> None:
        self.there.sendall(data)
        for reader in list(self.readers.values()):
            reader()

    def overdue_at(self, seconds: float) -> str:
        found = self.connection.overdue(1_000.0 + seconds)
        return found[1] if found else ""

    def over(self) -> None:
        self.connection.close()
        self.there.close()
        assert self.gone == [self.connection]
        assert not self.readers
        assert not self.writers


def test_who_asks_nothing_has_five_minutes() -> None:
    stage = Clocked()
    assert stage.overdue_at(299.9) == ""
    assert stage.overdue_at(300) == "nothing was asked for 300 s"
    stage.now += 200
    stage.say(b"bad\n")
    assert stage.overdue_at(499.9) == ""
    assert stage.overdue_at(500) == "nothing was asked for 300 s"
    stage.over()


def test_a_line_has_ten_seconds_however_busy_it_is() -> None:
    stage = Clocked()
    stage.say(b"x")
    stage.now += 9
    stage.say(b"x")
    assert stage.overdue_at(9.9) == ""
    assert stage.overdue_at(10) == "a line must be complete within 10 s"
    stage.say(b"\ny")
    assert stage.overdue_at(18.9) == "", "the next line has its own time"
    assert stage.overdue_at(19) != ""
    stage.say(b"\n")
    assert stage.overdue_at(100) == ""
    stage.over()


def test_answers_that_nobody_reads_have_thirty_seconds() -> None:
    stage = Clocked()
    stage.connection.put(b"y" * 1_000_000)
    assert stage.overdue_at(29.9) == ""
    assert stage.overdue_at(30) == "nothing was read for 30 s"
    stage.now += 20
    stage.there.recv(100_000)
    for writer in list(stage.writers.values()):
        writer()
    assert not stage.connection.clear
    assert stage.overdue_at(49.9) == "", "it reads, if slowly"
    assert stage.overdue_at(50) == "nothing was read for 30 s"
    stage.over()


def test_what_waits_for_us_takes_no_time_of_the_client() -> None:
    stage = Clocked(unread_bytes=1)
    stage.say(b"x")
    stage.connection.put(b"y" * 1_000_000)
    stage.say(b"x")
    assert not stage.readers, "it is not read further"
    assert "complete" not in stage.overdue_at(20)
    stage.over()


def test_subscribers_may_be_silent_and_slow() -> None:
    stage = Clocked()
    stage.say(b'{"request": "subscribe"}\n')
    stage.connection.put(b"y" * 1_000_000)
    assert stage.overdue_at(1e6) == ""
    stage.over()


@pytest.mark.parametrize(
    ("limits", "said", "why"),
    [
        ({"idle_s": 0.05}, b"", "nothing was asked for 0.05 s"),
        ({"line_s": 0.05}, b'{"request', "a line must be complete within 0.05 s"),
    ],
)
def test_whose_time_is_up_is_told_and_closed(
    ground: Ground, limits: dict[str, float], said: bytes, why: str
) -> None:
    server = ground.serve(**limits)
    client = ground.greeted()
    client.send(said)
    assert errors(client.hear_all()) == [why]
    until(lambda: server.clients == 0)


def test_who_reads_nothing_is_closed_in_the_end(ground: Ground) -> None:
    server = ground.serve(unread_s=0.05)
    client = ground.greeted()
    ground.desk.answers[Status] = "x" * 5_000_000
    client.send(STATUS)
    until(lambda: server.clients == 0)
    ground.desk.answers[Status] = picture()
    ground.unharmed()


def test_a_request_that_takes_long_is_told_so(ground: Ground) -> None:
    ground.serve(answer_s=0.05)
    client = ground.greeted()
    ground.hold()
    client.say({**WEIGHT, "id": 6})
    said = client.hear()
    assert (said["id"], said["code"]) == (6, "busy")
    ground.release()
    client.send(STATUS)
    assert client.hear()["id"] == 1, "and not the late answer"


# Ends


def test_who_says_all_and_listens_is_answered(ground: Ground) -> None:
    """`echo ... | nc -N -U`: also when the last newline is missing."""
    server = ground.serve()
    client = ground.greeted()
    client.send(STATUS + STATUS.rstrip())
    client.sock.shutdown(socket.SHUT_WR)
    assert [each["type"] for each in client.hear_all()] == ["answer", "answer"]
    until(lambda: server.clients == 0)


def test_who_says_no_more_may_go_on_listening_to_events(ground: Ground) -> None:
    server = ground.serve()
    client = ground.greeted()
    client.say({"request": "subscribe", "snapshots": False})
    client.sock.shutdown(socket.SHUT_WR)
    assert client.hear()["type"] == "answer"
    ground.desk.bus.publish(happening(3))
    assert client.hear()["event"]["live"] == 3
    client.close()
    until(lambda: server.clients == 0, "gone, although nothing happens that it could be told")


def test_who_goes_leaves_nothing(ground: Ground) -> None:
    server = ground.serve()
    ground.hold()
    for said in (b"", b'{"req', STATUS, STATUS * 40, b'{"request": "subscribe"}\n' + STATUS):
        client = ground.greeted()
        client.send(said)
        until(lambda: server.clients == 1)
        client.close()
        until(lambda: server.clients == 0)
    until(lambda: server.requests == 0, "looks are cut off")
    ground.release()
    ground.unharmed()


def test_a_subscriber_who_goes_makes_room_at_once(ground: Ground) -> None:
    server = ground.serve(sweep_s=3_600)
    client = subscribed(ground, snapshots=False)
    client.close()
    until(lambda: server.clients == 0)


def test_a_change_is_made_though_its_asker_has_gone(ground: Ground) -> None:
    server = ground.serve()
    ground.hold()
    client = ground.greeted()
    client.say(WEIGHT)
    until(lambda: server.requests == 1)
    client.close()
    until(lambda: server.clients == 0)
    assert ground.do(lambda: server.requests) == 1
    ground.release()
    until(lambda: ground.desk.finished == 1)
    assert ground.desk.cancelled == 0


# Subscriptions


def subscribed(ground: Ground, **fields: Any) -> RawClient:
    client = ground.greeted()
    client.say({"request": "subscribe", "id": 3, **fields})
    said = client.hear()
    assert said == {
        "type": "answer", "id": 3, "answer": {"interval_s": fields.get("interval_s", 0.5)},
    }  # fmt: skip
    return client


def test_a_subscriber_gets_snapshots_and_events(ground: Ground) -> None:
    ground.serve()
    client = subscribed(ground, interval_s=0.1)
    assert client.hear()["snapshot"]["at"] == 1.0
    ground.desk.bus.publish(happening(7))
    said = [client.hear() for _ in range(5)]
    (event,) = [each["event"] for each in said if each["type"] == "event"]
    assert event == {"type": "DrainBegan", "at": 0.0, "live": 7, "deadline_s": 1.0}
    assert [each["snapshot"]["at"] for each in said if each["type"] == "snapshot"] == [2, 3, 4, 5]
    client.send(STATUS)
    while (answer := client.hear())["type"] != "answer":
        pass
    assert answer["id"] == 1, "it may ask as well"


def test_another_subscription_replaces_the_first(ground: Ground) -> None:
    ground.serve()
    client = subscribed(ground, snapshots=False)
    real = ground.desk.feed

    def feed(request: Subscribe) -> FakeFeed:
        ground.desk.bus.publish(happening(1))  # only the first one can tell of it
        return real(request)

    ground.desk.feed = feed  # type: ignore[method-assign]
    client.say({"request": "subscribe", "id": 4, "snapshots": False, "flow_events": True})
    said = [client.hear() for _ in range(2)]
    ground.desk.bus.publish(happening(2))
    said.append(client.hear())
    assert [each["event"]["live"] for each in said if each["type"] == "event"] == [1, 2]
    assert [feed.closed for feed in ground.desk.feeds] == [1, 0]


def test_a_subscription_that_is_refused_leaves_the_one_before(ground: Ground) -> None:
    ground.serve()
    ground.desk.subscribers_max = 1
    client = subscribed(ground, snapshots=False)
    client.say({"request": "subscribe", "id": 4})
    assert client.hear()["code"] == "busy"
    ground.desk.bus.publish(happening(1))
    assert client.hear()["event"]["live"] == 1


def test_a_subscriber_that_stops_reading_holds_little_and_misses_the_oldest(
    ground: Ground,
) -> None:
    server = ground.serve(unread_s=0.05)
    client = subscribed(ground, interval_s=0.1)
    most = 0
    for number in range(60_000):
        ground.desk.bus.publish(happening(number))
        if number % 1_000 == 0:
            most = max(most, ground.do(lambda: server.held_bytes))
    assert most < 256 * 120, "one bunch of events, or one snapshot"
    feed = ground.desk.feeds[0]
    made = feed.snapshots
    until(lambda: ground.do(lambda: server.held_bytes) > 0)
    assert ground.do(lambda: server.clients) == 1, "a subscriber may be slow"
    ground.desk.bus.publish(happening(-1))
    told: list[int] = []
    missed = pictures = 0
    while not told or told[-1] != -1:
        said = client.hear()
        if said["type"] == "snapshot":
            pictures += 1
        elif said["event"]["type"] == "Missed":
            missed += said["event"]["count"]
        else:
            told.append(said["event"]["live"])
    assert len(told) + missed == 60_001
    assert missed > 60_000 - 2 * QUEUE_MAX - 3_000
    assert told[:-1] == sorted(told[:-1])
    assert pictures <= made + 3, "those between were never made"


def test_large_answers_arrive_whole(ground: Ground) -> None:
    ground.serve()
    client = ground.greeted()
    ground.desk.answers[Status] = "x" * 20_000_000
    client.send(STATUS)
    assert len(json.loads(client.line())["answer"]) == 20_000_000
