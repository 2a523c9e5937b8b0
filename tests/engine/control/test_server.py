"""The control socket as a whole: who comes in, how many, and how it ends."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.control.ground import LOOPS, FakeDesk, Ground, RawClient, happening
from tests.harness import need_root, until
from udplb.engine.control import server as server_module
from udplb.engine.control.lock import LiveProxyError
from udplb.engine.control.peers import Doorman, Peer
from udplb.engine.control.places import ControlSocketError
from udplb.engine.control.server import Server


@pytest.mark.parametrize("before", [1, 2, 3])
def test_so_many_clients_and_no_more(ground: Ground, before: int) -> None:
    server = ground.serve(clients=3)
    clients = [ground.greeted() for _ in range(before)]
    another = ground.client()
    if before < 3:
        assert another.hear()["type"] == "hello"
    else:
        (said,) = another.hear_all()
        assert (said["type"], said["code"]) == ("error", "busy")
        assert said["message"] == "3 clients are connected, and more there cannot be"
        assert server.turned_away == 1
        clients[0].close()
        until(lambda: server.clients == 2)
        ground.greeted()


def test_a_thousand_connections(ground: Ground) -> None:
    server = ground.serve()
    clients = [ground.client() for _ in range(1_000)]
    first = [client.hear() for client in clients]
    assert sum(each["type"] == "hello" for each in first) == 32
    assert sum(each.get("code") == "busy" for each in first) == 968
    assert server.clients == 32
    assert server.turned_away == 968
    for client in clients:
        client.close()
    until(lambda: server.clients == 0)
    ground.unharmed()


def test_half_open_connections_are_let_go(ground: Ground) -> None:
    server = ground.serve(idle_s=0.05)
    for client in [ground.client() for _ in range(100)]:
        assert client.hear_all(), "told, and closed"
    until(lambda: server.clients == 0)


# Strangers


def test_a_stranger_gets_nothing(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = ground.serve(doorman=Doorman(own_uid=1_000))
    monkeypatch.setattr(server_module, "peer_of", lambda _: Peer(4_242, 77))
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            assert ground.client().hear_all() == []
    assert server.strangers == 5
    assert server.clients == 0
    assert caplog.text.count("uid 4242, process 77 may not ask, and was sent away") == 1, "seldom"


def test_nobody_knows_who_it_is(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    server = ground.serve()
    monkeypatch.setattr(server_module, "peer_of", lambda _: None)
    assert ground.client().hear_all() == []
    assert server.strangers == 1


ASK = """
import os, socket, sys
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
sock = socket.socket(socket.AF_UNIX)
sock.settimeout(20)
try:
    sock.connect(sys.argv[1])
    print("connected")
    print(sock.recv(1000))
except OSError as error:
    print(error.strerror)
"""


def test_another_user_gets_nothing(ground: Ground, tmp_path: Path) -> None:
    need_root()
    server = ground.serve()
    for directory in [tmp_path, *tmp_path.parents[:-1]]:
        if directory.stat().st_uid == os.geteuid() and directory != Path("/tmp"):
            directory.chmod(directory.stat().st_mode | 0o055)

    def ask() -> list[str]:
        command = [sys.executable, "-c", ASK, str(ground.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    assert ask() == ["Permission denied"], "the file is not theirs"
    ground.path.chmod(0o666)
    assert ask() == ["connected", "b''"], "and if it were, the kernel says who they are"
    assert server.strangers == 1
    assert ground.desk.asked == []
    ground.unharmed()


# Trouble


def test_without_descriptors_it_rests_and_comes_back(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = ground.serve()
    monkeypatch.setattr(server_module, "REST_S", 0.01)
    tries = []

    class Full:
        """The listening socket, while the process has no descriptor left."""

        def __init__(self, sock: socket.socket) -> None:
            self.sock = sock

        def fileno(self) -> int:
            return self.sock.fileno()

        def accept(self) -> tuple[socket.socket, object]:
            tries.append(1)
            if len(tries) < 4:
                raise OSError(errno.EMFILE, "Too many open files")
            return self.sock.accept()

        def close(self) -> None:
            self.sock.close()

    door = server._door
    assert door is not None
    with caplog.at_level(logging.WARNING):
        ground.do(lambda: setattr(door, "sock", Full(door.sock)))
        ground.greeted()
    assert len(tries) in (4, 5), "no busy loop"
    assert caplog.text.count("cannot let a client in: Too many open files") == 1


def test_the_place_must_be_free(ground: Ground) -> None:
    ground.path.write_text("precious")
    with pytest.raises(ControlSocketError, match="is there and no socket"):
        ground.serve()
    ground.server = None
    ground.path.unlink()
    ground.serve()
    other = Server(ground.loop, FakeDesk(), ground.path, version="2")
    with pytest.raises(LiveProxyError, match=f"process {os.getpid()}, has"):
        ground.do(other.start)
    ground.unharmed()


# The end


def test_the_end_is_told_and_leaves_nothing(ground: Ground, tmp_path: Path) -> None:
    server = ground.serve()
    idle, subscriber, asker = (ground.greeted() for _ in range(3))
    subscriber.say({"request": "subscribe", "interval_s": 60})
    assert [subscriber.hear()["type"] for _ in range(2)] == ["answer", "snapshot"]
    ground.hold()
    asker.say({"request": "set_weight", "cluster": "c", "backend": "b", "weight": 1})
    until(lambda: server.requests == 1)
    ground.desk.bus.publish(happening(11))
    ground.stop()
    assert [each["code"] for each in idle.hear_all()] == ["ended"]
    last = subscriber.hear_all()
    assert [each["type"] for each in last] == ["event", "snapshot", "error"]
    assert last[0]["event"]["live"] == 11
    assert [each["code"] for each in asker.hear_all()] == ["ended"]
    assert server.clients == server.requests == 0
    assert ground.desk.cancelled == 1, "after that there is no loop for it"
    assert [each.name for each in tmp_path.iterdir()] == ["udplb.sock.lock"]


def test_a_server_follows_another_at_the_same_place(ground: Ground) -> None:
    for _ in range(3):
        ground.serve()
        ground.unharmed()
        ground.stop()


@pytest.mark.parametrize("kind", LOOPS)
def test_it_starts_and_ends_while_the_loop_stands_still(kind: str, tmp_path: Path) -> None:
    """As the engine does it: before the loop runs, and after it."""
    loop, desk = LOOPS[kind](), FakeDesk()
    failures: list[object] = []
    loop.set_exception_handler(lambda _, context: failures.append(context))
    server = Server(loop, desk, tmp_path / "s", version="1")
    server.start()
    client = RawClient(tmp_path / "s")
    client.say({"request": "subscribe"}, {"request": "status", "id": 2})
    desk.gate = asyncio.Event()

    async def turns() -> None:
        while server.requests == 0:
            await asyncio.sleep(0.001)

    loop.run_until_complete(turns())
    desk.bus.publish(happening(5))
    loop.run_until_complete(server.stop())
    server.close()
    said = client.hear_all()
    assert {"event", "snapshot", "hello", "answer"} <= {each["type"] for each in said}
    assert said[-1]["code"] == "ended"
    assert desk.cancelled == 1
    loop.close()
    assert failures == []
    client.close()
