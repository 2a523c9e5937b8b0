"""The remote client: the same answers through the socket, over restarts, from many threads."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.client.liar import HELLO, Liar
from tests.client.takes import take_until
from tests.engine.control.ground import Ground, picture
from tests.harness import Servers, Udp, configuration, proxy, until
from udplb.client import (
    LocalClient,
    LostError,
    NoProxyError,
    Refused,
    Resumed,
    SocketClient,
    VersionError,
    connect,
)
from udplb.client import remote as remote_module
from udplb.engine.control.requests import (
    Flows,
    Listeners,
    Reload,
    SetWeight,
    Status,
    Subscribe,
)
from udplb.engine.snapshot import Snapshot

WEIGHT = SetWeight(cluster="c", backend="b", weight=3)


def test_the_answer_is_equal_to_the_desks(ground: Ground) -> None:
    ground.serve()
    with SocketClient(ground.path) as client:
        assert client.ask(Status()) == ground.desk.answers[Status]
        assert client.ask(WEIGHT) == ground.desk.answers[SetWeight]
        ground.desk.answers[Listeners] = ()
        assert client.ask(Listeners(id=77)) == ()
        assert client.hello is not None
        assert client.hello.version == "1.2.3"
        assert ground.server is not None
        assert ground.server.clients == 1, "one connection serves one after the other"
    server = ground.server
    until(lambda: server.clients == 0)


def test_a_refusal_is_the_desks_own(ground: Ground) -> None:
    ground.serve()
    ground.desk.answers[SetWeight] = Refused("invalid", "no", ("f:1: a", "f:2: b"))
    with SocketClient(ground.path) as client:
        for _ in range(3):
            with pytest.raises(Refused, match="no") as caught:
                client.ask(WEIGHT)
            assert (caught.value.code, caught.value.problems) == ("invalid", ("f:1: a", "f:2: b"))
        assert ground.server is not None
        assert ground.server.clients == 1, "the connection is as good as before"


def test_who_only_looks(ground: Ground) -> None:
    ground.serve()
    with SocketClient(ground.path, read_only=True) as client:
        client.ask(Status())
        with pytest.raises(Refused, match="only looks"):
            client.ask(Reload())
        with pytest.raises(Refused, match="needs a stream"):
            client.ask(Subscribe())
    assert len(ground.desk.asked) == 1


def test_the_proxy_refuses_what_a_locked_client_did_not(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ground.serve()
    client = SocketClient(ground.path)
    client.ask(WEIGHT)
    client.lock()
    monkeypatch.setattr(SocketClient, "check", lambda *_: None)
    for _ in range(2):
        with pytest.raises(Refused, match="this connection is locked") as caught:
            client.ask(WEIGHT)
        assert caught.value.code == "read_only"
        client.ask(Status())
    until(lambda: server.clients == 1, "the connection from before is gone, the other one kept")
    assert ground.desk.locks == 1
    ground.stop()
    ground.serve()
    with pytest.raises(Refused, match="this connection is locked"):
        client.ask(WEIGHT)
    assert ground.desk.locks == 2, "so is each new one"
    assert [type(request) for request, _ in ground.desk.asked] == [SetWeight, Status, Status]
    client.close()


def test_a_connection_in_use_at_the_lock_is_not_used_again(ground: Ground) -> None:
    server = ground.serve()
    ground.hold()
    with SocketClient(ground.path) as client, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.ask, Status())
        until(lambda: ground.desk.asked)
        client.lock()
        ground.release()
        assert asked.result() == picture()
        until(lambda: server.clients == 0)


def test_streams_of_a_locked_client_are_locked(ground: Ground) -> None:
    ground.serve()
    with SocketClient(ground.path, read_only=True) as client:
        with client.subscribe(Subscribe()) as stream:
            take_until(stream, lambda items: items)
            assert ground.desk.locks == 1
        client.ask(Status())
        assert ground.desk.locks == 2


def test_many_threads_ask(ground: Ground) -> None:
    server = ground.serve()

    def ask(change: bool) -> object:
        return client.ask(WEIGHT) if change else client.ask(Status())

    with SocketClient(ground.path) as client, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: ask(n % 2 == 1), range(200)))
        for number, answer in enumerate(answers):
            assert answer == ground.desk.answers[SetWeight if number % 2 else Status]
        assert 1 <= server.clients <= remote_module.DIALOGUES_MAX


@pytest.mark.parametrize("threads", [3, 4, 5])
def test_a_slow_answer_keeps_few_others_waiting(ground: Ground, threads: int) -> None:
    server = ground.serve()
    ground.hold()
    with SocketClient(ground.path) as client, ThreadPoolExecutor(8) as pool:
        slow = [pool.submit(client.ask, WEIGHT) for _ in range(threads)]
        until(lambda: len(ground.desk.asked) == min(threads, 4))
        if threads >= 4:
            with pytest.raises(LostError, match=r"4 requests wait .* not sent"):
                client.ask(Status(), timeout_s=0.05)
        assert server.clients == min(threads, 4)
        ground.release()
        for each in slow:
            each.result()


def test_a_connection_that_was_closed_meanwhile_is_made_again(ground: Ground) -> None:
    server = ground.serve(idle_s=0.3)
    with SocketClient(ground.path) as client:
        for _ in range(3):
            client.ask(WEIGHT)
            until(lambda: server.clients == 0)
    assert len(ground.desk.asked) == 3, "each once"


@pytest.mark.parametrize(("later", "kept"), [(59.9, True), (60.0, False)])
def test_a_connection_is_kept_for_a_minute(ground: Ground, later: float, kept: bool) -> None:
    """Else the proxy could close it at the very moment in which it is used again."""
    ground.serve()
    now = [1_000.0]
    with SocketClient(ground.path, clock=lambda: now[0]) as client:
        client.ask(Status())
        first = client.hello
        now[0] += later
        client.ask(Status())
        assert (client.hello is first) is kept


def test_it_asks_whoever_is_there_after_a_restart(ground: Ground) -> None:
    with SocketClient(ground.path) as client:
        for number in range(3):
            ground.serve(version=f"1.{number}")
            client.ask(Status())
            assert client.hello is not None
            assert client.hello.version == f"1.{number}"
            ground.stop()
            with pytest.raises(NoProxyError, match="no such file"):
                client.ask(Status())


def test_an_end_in_the_middle_of_a_request(ground: Ground) -> None:
    ground.serve()
    ground.hold()
    with SocketClient(ground.path) as client, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.ask, WEIGHT)
        until(lambda: ground.desk.asked)
        ground.stop()
        with pytest.raises(Refused, match="the proxy ends") as caught:
            asked.result()
        assert caught.value.code == "ended"


def test_no_answer_in_time(ground: Ground) -> None:
    server = ground.serve()
    ground.hold()
    with SocketClient(ground.path) as client:
        with pytest.raises(LostError, match=r"no answer within 0.05 s; it may yet be done"):
            client.ask(WEIGHT, timeout_s=0.05)
        until(lambda: server.clients == 0, "the late answer is for nobody")
        ground.release()
        assert client.ask(Status()) == picture()


def test_a_client_that_is_closed_keeps_nothing(ground: Ground) -> None:
    server = ground.serve()
    client = SocketClient(ground.path)
    client.close()
    client.ask(Status())
    until(lambda: server.clients == 0)


# Liars, and other versions

OTHER = {**HELLO, "protocol": 2}


def test_another_protocol_is_looked_at_and_not_changed(tmp_path: Path) -> None:
    answer = {"type": "answer", "id": 2, "answer": []}
    with Liar(tmp_path / "s", [OTHER, None], [OTHER, answer]) as liar:
        client = SocketClient(tmp_path / "s")
        with pytest.raises(VersionError, match=r"protocol 1\).*udplb 7.7 \(protocol 2\)"):
            client.ask(Reload())
        client.close()
        assert client.ask(Listeners()) == ()
        assert [each["request"] for each in liar.heard] == ["listeners"]


def test_an_older_proxy_knows_no_lock(tmp_path: Path) -> None:
    """What is left is the client's own check."""
    unknown = {"type": "error", "id": 0, "code": "bad_request", "message": "no request lock"}
    answer = {"type": "answer", "id": 1, "answer": []}
    with (
        Liar(tmp_path / "s", [HELLO, unknown, answer]) as liar,
        SocketClient(tmp_path / "s", read_only=True) as client,
    ):
        assert client.locked is None
        assert client.ask(Listeners()) == ()
        assert client.locked is False
        with pytest.raises(Refused, match="only looks"):
            client.ask(Reload())
        assert [each["request"] for each in liar.heard] == ["lock", "listeners"]


@pytest.mark.parametrize(
    ("said", "error", "why"),
    [
        ({"type": "error", "code": "busy", "message": "later"}, Refused, "later"),
        ({"type": "answer", "id": 9, "answer": {}}, LostError, "nobody asked for"),
        ([], LostError, "closed the connection"),
    ],
)
def test_a_lock_that_is_not_answered(
    said: Any, error: type[Exception], why: str, tmp_path: Path
) -> None:
    """Then nothing is asked: whoever wants to be locked is not let loose."""
    with (
        Liar(tmp_path / "s", [HELLO, said]) as liar,
        SocketClient(tmp_path / "s", read_only=True) as client,
    ):
        with pytest.raises(error, match=why):
            client.ask(Listeners())
        assert [each["request"] for each in liar.heard] == ["lock"]


def test_an_answer_of_another_protocol_that_cannot_be_read(tmp_path: Path) -> None:
    answer = {"type": "answer", "id": 1, "answer": {"new": 1}}
    with (
        Liar(tmp_path / "s", [OTHER, answer]),
        SocketClient(tmp_path / "s") as client,
        pytest.raises(VersionError, match="another protocol"),
    ):
        client.ask(Status())


@pytest.mark.parametrize(
    ("said", "error", "why"),
    [
        ({"type": "answer", "id": 1, "answer": {}}, LostError, "the answer cannot be read"),
        (b"garbage\n", LostError, "cannot read"),
        ([], LostError, "closed the connection"),
        (b'{"type": "ans', LostError, "closed the connection"),
        ({"type": "answer", "id": 2, "answer": {}}, LostError, "closed the connection"),
        ({"type": "error", "code": "x", "message": "no id"}, Refused, "no id"),
        (b"[" * 100_000 + b"\n", LostError, "cannot read"),
    ],
)
def test_answers_that_are_none(said: Any, error: type[Exception], why: str, tmp_path: Path) -> None:
    with (
        Liar(tmp_path / "s", [HELLO, said]),
        SocketClient(tmp_path / "s") as client,
        pytest.raises(error, match=why),
    ):
        client.ask(Status())


# Places


def test_the_first_place_where_somebody_answers(ground: Ground, tmp_path: Path) -> None:
    dead = tmp_path / "dead"
    dead.mkdir()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(dead / "udplb.sock"))
    environment = {"RUNTIME_DIRECTORY": str(dead), "XDG_RUNTIME_DIR": str(tmp_path)}
    ground.serve()
    for socket_, named in (
        (ground.path, {}),
        (None, {"UDPLB_SOCKET": str(ground.path)}),
        (None, environment),
    ):
        with connect(socket_, environment=named) as client:
            assert client.path == ground.path
            assert client.hello is not None
            assert client.ask(Status()) == picture()


def test_it_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from udplb.engine.control import places

    monkeypatch.setattr(
        remote_module,
        "places_to_ask",
        lambda *_: places.places({"XDG_RUNTIME_DIR": str(tmp_path)})[:1],
    )
    with pytest.raises(NoProxyError) as caught:
        connect(environment={})
    assert str(caught.value) == (
        f"no proxy answers ({tmp_path}/udplb.sock: no socket); start one with `udplb run`,"
        " or name its socket with --socket or UDPLB_SOCKET"
    )


def test_a_named_place_is_the_only_one(ground: Ground, tmp_path: Path) -> None:
    ground.serve()
    environment = {"UDPLB_SOCKET": str(tmp_path / "no"), "XDG_RUNTIME_DIR": str(tmp_path)}
    with pytest.raises(NoProxyError, match=r"\(.*/no: no such file\)"):
        connect(environment=environment)
    with pytest.raises(NoProxyError, match=r"\(.*/given: no such file\)"):
        connect(tmp_path / "given", environment={"XDG_RUNTIME_DIR": str(tmp_path)})


def test_a_proxy_that_is_full_is_a_proxy(ground: Ground) -> None:
    ground.serve(clients=0)
    with pytest.raises(Refused, match="0 clients"):
        connect(ground.path)


# Engines at work


def tapped(items: list[Any]) -> bool:
    return any(isinstance(each, Snapshot) and each.tap and each.tap.seen for each in items)


@pytest.mark.parametrize("attached", [True, False])
def test_a_tap_over_real_sockets(tmp_path: Path, attached: bool) -> None:
    """Both ways, in this process and through the socket; off when the stream is closed."""
    at = tmp_path / "udplb.sock"
    with Servers() as servers, proxy(configuration(*servers.names), control_socket=at) as p:
        peer = Udp()
        peer.ask(b"x", p.at)
        client = SocketClient(at) if attached else LocalClient(p.engine)
        (row,) = client.ask(Flows()).rows
        with pytest.raises(Refused, match="no live flow") as caught:
            client.subscribe(Subscribe(tap=row.id + 1))
        assert caught.value.code == "not_found"
        datapath = p.engine.forwarding.datapath
        assert datapath.record is None
        payload = bytes(range(256)) * 4
        with client.subscribe(Subscribe(tap=row.id, events=False, interval_s=0.1)) as stream:
            assert peer.ask(payload, p.at) == payload
            snapshot = take_until(stream, tapped)[-1]
            assert isinstance(snapshot, Snapshot)
            assert snapshot.tap is not None
            assert [(d.to_backend, d.size, d.payload) for d in snapshot.tap.datagrams] == [
                (True, 1_024, payload[:512]),
                (False, 1_024, payload[:512]),
            ]
        until(lambda: p.do(lambda: datapath.record) is None)
        client.close()


def test_a_restarted_proxy_is_not_tapped(tmp_path: Path) -> None:
    """Numbers of flows start anew: its flow 1 is somebody else's."""
    at = tmp_path / "udplb.sock"
    with Servers() as servers, SocketClient(at) as client:
        settings = configuration(*servers.names)
        with proxy(settings, control_socket=at) as p:
            Udp().ask(b"x", p.at)
            stream = client.subscribe(Subscribe(tap=1, events=False, interval_s=0.1))
            take_until(stream, lambda items: items)
        with proxy(settings, control_socket=at) as p:
            Udp().ask(b"secret", p.at)
            items = take_until(
                stream, lambda items: items and isinstance(items[-1], Snapshot) and resumed(items)
            )
            snapshot = items[-1]
            assert isinstance(snapshot, Snapshot)
            assert snapshot.tap is None
            assert snapshot.totals.admitted == 1
            assert p.do(lambda: p.engine.forwarding.datapath.record) is None
        stream.close()


def resumed(items: list[Any]) -> bool:
    return any(isinstance(each, Resumed) for each in items)


def test_a_locked_client_of_an_engine_at_work(tmp_path: Path) -> None:
    at = tmp_path / "udplb.sock"
    with Servers() as servers, proxy(configuration(*servers.names), control_socket=at) as p:
        weight = SetWeight(cluster="c", backend="b0", weight=3)
        for client in (SocketClient(at), LocalClient(p.engine)):
            client.ask(weight)
            client.lock()
            with pytest.raises(Refused, match="only looks"):
                client.ask(weight)
            assert client.ask(Status()).clusters[0].backends[0].weight == 3
            client.close()
