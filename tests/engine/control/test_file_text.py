"""The file's text, and whatever may stand in the file's place."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from pathlib import Path

import pytest

from tests.harness import PATIENCE_S
from udplb.config.load import FILE_SIZE_MAX, digest_of
from udplb.engine.control import file_text
from udplb.engine.control.file_text import FileReader
from udplb.engine.control.requests import FILE_BYTES_MAX, FileText, Refused


def read(path: Path, in_force: bytes = b"") -> FileText:
    """What a new reader says, in a loop of its own."""

    async def ask() -> FileText:
        return await asyncio.wait_for(FileReader().read(path, lambda: in_force), PATIENCE_S)

    return asyncio.run(ask())


def refusal(path: Path) -> Refused:
    with pytest.raises(Refused) as caught:
        read(path)
    return caught.value


def test_the_text_and_whether_it_is_in_force(tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    path.write_text("name = 'ä'\r\n")
    content = path.read_bytes()
    assert read(path) == FileText(file=str(path), text="name = 'ä'\r\n", cut=False, in_force=False)
    assert read(path, digest_of(content)).in_force
    assert not read(path, digest_of(content + b"\n")).in_force


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    path.touch()
    assert read(path, digest_of(b"")) == FileText(file=str(path), text="", cut=False, in_force=True)


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_a_long_file_is_cut(tmp_path: Path, beyond: int) -> None:
    path = tmp_path / "f.toml"
    path.write_bytes(b"x" * (FILE_BYTES_MAX + beyond))
    told = read(path, digest_of(path.read_bytes()))
    assert len(told.text) == FILE_BYTES_MAX + min(beyond, 0)
    assert told.cut is (beyond > 0)
    assert told.in_force, "the digest is that of all of it"


def test_a_mebibyte(tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    content = b"# line\n" * (1 << 20 >> 2)
    path.write_bytes(content)
    told = read(path, digest_of(content))
    assert (told.text, told.cut, told.in_force) == (content[:FILE_BYTES_MAX].decode(), True, True)
    path.write_bytes(content[:-1] + b"!")
    assert not read(path, digest_of(content)).in_force, "also what is not shown is compared"


@pytest.mark.parametrize("over", range(4))
def test_a_character_is_not_cut(tmp_path: Path, over: int) -> None:
    path = tmp_path / "f.toml"
    path.write_bytes(b"x" * (FILE_BYTES_MAX - over) + "🦔".encode() + b"end")
    assert read(path).text == "x" * (FILE_BYTES_MAX - over)


def test_what_is_no_utf_8_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    path.write_bytes(b"a\xffb\xc3")
    assert read(path).text == "a\ufffdb\ufffd"
    path.write_bytes(b"\xef\xbb\xbfa = 1")
    assert read(path).text == "a = 1", "a byte order mark means nothing"


@pytest.mark.parametrize("beyond", [0, 1])
def test_what_is_too_large_to_be_in_force_is_not_read_to_its_end(
    tmp_path: Path, beyond: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert FILE_SIZE_MAX > FILE_BYTES_MAX
    limit = 2 * FILE_BYTES_MAX
    monkeypatch.setattr(file_text, "FILE_SIZE_MAX", limit)
    path = tmp_path / "f.toml"
    content = b"x" * (limit + beyond)
    path.write_bytes(content)
    assert read(path, digest_of(content)).in_force is (beyond == 0)


# What is no file


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    for path in (tmp_path / "none\x1b", tmp_path / "f" / "g"):
        refused = refusal(path)
        assert (refused.code, "is not there any more" in refused.message) == ("not_found", True)
        assert refused.message.isprintable()


def test_a_directory_a_fifo_a_socket_and_a_device(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "sock"))
        places = (tmp_path, tmp_path / "fifo", tmp_path / "sock", Path("/dev/zero"))
        before = len(os.listdir("/dev/fd"))
        for path in places:
            refused = refusal(path)
            assert refused.code == "refused"
            assert "directory" in refused.message or "no regular file" in refused.message
        assert len(os.listdir("/dev/fd")) == before


def test_whatever_the_system_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    refused = refusal(tmp_path / "f")
    assert (refused.code, "cannot be read: permission denied" in refused.message) == (
        "refused",
        True,
    )
    monkeypatch.undo()
    assert refusal(Path("a\0b")).code == "refused"


def test_no_thread_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    assert "can't start new thread" in refusal(tmp_path / "f").message


def test_a_disk_that_does_not_answer_holds_up_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f.toml"
    path.write_text("x = 1")
    answers, hangs = threading.Event(), os.open

    def hang(*arguments: object) -> int:
        answers.wait(PATIENCE_S)
        return hangs(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", hang)

    async def ask() -> None:
        reader = FileReader()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(path, bytes), 0.01)
        threads = threading.active_count()
        for _ in range(3):
            with pytest.raises(Refused, match="being read still") as caught:
                await reader.read(path, bytes)
            assert caught.value.code == "busy"
        assert threading.active_count() == threads
        answers.set()
        while True:
            try:
                assert (await reader.read(path, bytes)).text == "x = 1"
                break
            except Refused:
                await asyncio.sleep(0)

    asyncio.run(ask())
