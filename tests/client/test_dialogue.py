"""A dialogue: what it says when nobody, a stranger or a liar is at the other end."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from tests.client.liar import HELLO, Liar
from tests.engine.control.ground import Ground
from tests.harness import PATIENCE_S
from udplb.client import LostError, NoProxyError, Refused
from udplb.client import dialogue as dialogue_module
from udplb.client.dialogue import Dialogue
from udplb.engine.control.requests import CloseFlows, Status
from udplb.engine.control.wire import Answered


def soon() -> float:
    return time.monotonic() + PATIENCE_S


def test_a_question_and_its_answer(ground: Ground) -> None:
    ground.serve()
    dialogue = Dialogue(ground.path, PATIENCE_S)
    assert (dialogue.hello.version, dialogue.hello.pid) == ("1.2.3", os.getpid())
    assert dialogue.quiet()
    dialogue.send(Status(id=4), soon())
    said = dialogue.receive(soon())
    assert isinstance(said, Answered)
    assert said.id == 4
    assert dialogue.quiet()
    assert dialogue.receive(time.monotonic() + 0.01) is None
    ground.stop()
    assert not dialogue.quiet()
    dialogue.close()
    assert not dialogue.quiet()


def test_nobody_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "file").chmod(0o600)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "stale"))
    for name, why in (
        ("none", "no such file"),
        ("file/none", "no such file"),
        ("file", "nobody listens there any more"),
        ("stale", "nobody listens there any more"),
        ("x" * 200, "at most"),
    ):
        with pytest.raises(NoProxyError, match=why) as caught:
            Dialogue(tmp_path / name, PATIENCE_S)
        assert str(caught.value).startswith(str(tmp_path / name))


def test_another_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Locked(socket.socket):
        def connect(self, address: object) -> None:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "socket", Locked)
    with pytest.raises(NoProxyError, match="it belongs to another user; try sudo"):
        Dialogue(tmp_path / "s", PATIENCE_S)


def test_no_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> socket.socket:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "socket", full)
    with pytest.raises(LostError, match="too many open files"):
        Dialogue(tmp_path / "s", PATIENCE_S)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ([[]], "the proxy closed the connection; only its own user and root may ask it"),
        ([b"220 mail.example.org ESMTP\n"], "cannot read"),
        ([b'{"type": "hello"}\n'], "cannot read"),
        ([{"type": "answer", "id": 1, "answer": 1}], "no udplb answers there"),
        ([[], None], "there is a proxy, but it says nothing"),
        ([b"x", None], "there is a proxy, but it says nothing"),
    ],
)
def test_a_greeting_that_is_none(script: list[object], why: str, tmp_path: Path) -> None:
    with Liar(tmp_path / "s", script), pytest.raises(LostError, match=why):
        Dialogue(tmp_path / "s", 0.2)


def test_the_proxy_has_too_many_clients(ground: Ground) -> None:
    ground.serve(clients=0)
    with pytest.raises(Refused, match="0 clients are connected") as caught:
        Dialogue(ground.path, PATIENCE_S)
    assert caught.value.code == "busy"


def test_so_many_wait_that_nobody_can_connect(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as hangs, socket.socket(socket.AF_UNIX) as waits:
        hangs.bind(str(tmp_path / "s"))
        hangs.listen(0)
        waits.connect(str(tmp_path / "s"))
        with pytest.raises(LostError):
            Dialogue(tmp_path / "s", 0.05)


def test_why_we_are_not_heard_out(ground: Ground) -> None:
    """The proxy closes while we still send; what it said about that is what is told."""
    ground.serve(line_bytes=1_000)
    dialogue = Dialogue(ground.path, PATIENCE_S)
    request = CloseFlows(flows=(2**62,) * 10_000)

    def send_many() -> None:
        for _ in range(100):
            dialogue.send(request, soon())

    with pytest.raises(Refused, match="a line has at most 1000 bytes"):
        send_many()
    dialogue.close()


def test_a_line_of_the_proxy_has_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogue_module, "SAID_BYTES_MAX", 1_000)
    with Liar(tmp_path / "s", [b"x" * 2_000]), pytest.raises(LostError, match="more than 1000"):
        Dialogue(tmp_path / "s", PATIENCE_S)


def test_what_is_told_cannot_harm_a_terminal(tmp_path: Path) -> None:
    evil = {
        "type": "error", "code": "busy", "message": "\x1b[2J", "problems": ["\x07"],
    }  # fmt: skip
    with Liar(tmp_path / "s", [evil]), pytest.raises(Refused) as caught:
        Dialogue(tmp_path / "s", PATIENCE_S)
    assert caught.value.message == "\\x1b[2J"
    assert caught.value.problems == ("\\x07",)


def test_nothing_is_left_open(tmp_path: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(NoProxyError):
        Dialogue(tmp_path / "s", PATIENCE_S)
    assert len(os.listdir("/dev/fd")) == before
    assert HELLO["type"] == "hello"
