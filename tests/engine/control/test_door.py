"""The door: whose it is, what it replaces, and what it never touches."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import REPOSITORY, need_linux, need_root
from udplb.engine.control.door import Door
from udplb.engine.control.lock import LiveProxyError
from udplb.engine.control.places import ControlSocketError


def connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(str(path)) == 0


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o177, 0o777])
def test_the_socket_is_for_its_user_alone(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        door = Door(tmp_path / "s")
    finally:
        os.umask(before)
    assert (tmp_path / "s").lstat().st_mode & 0o7777 == 0o600
    assert connects(door.path)
    assert not os.get_inheritable(door.sock.fileno())
    door.close()
    assert not (tmp_path / "s").exists()


def test_it_is_so_from_its_first_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not made open and closed afterwards: somebody could have slipped in."""
    need_linux()

    def chmod(*_: object) -> None:
        raise AssertionError("it was not closed from the beginning")

    monkeypatch.setattr(os, "chmod", chmod)
    before = os.umask(0)
    try:
        Door(tmp_path / "s").close()
    finally:
        os.umask(before)


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
        dead.listen()
    assert not connects(tmp_path / "s")
    door = Door(tmp_path / "s")
    assert connects(door.path)
    door.close()


def test_a_killed_process_leaves_nothing_that_is_in_the_way(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from udplb.engine.control.door import Door;"
        " door = Door(Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    )
    path = tmp_path / "s"
    subprocess.run([sys.executable, "-c", script, str(path)], cwd=REPOSITORY, check=False)
    assert path.is_socket()
    assert (tmp_path / "s.lock").read_text()
    Door(path).close()
    assert not path.exists()


def test_a_live_one_is_not_replaced(tmp_path: Path) -> None:
    door = Door(tmp_path / "s")
    for _ in range(3):
        with pytest.raises(LiveProxyError, match=f"process {os.getpid()}, has"):
            Door(tmp_path / "s")
    assert connects(door.path)
    door.close()
    Door(tmp_path / "s").close()


def test_nor_when_its_lock_file_was_removed(tmp_path: Path) -> None:
    need_linux()
    door = Door(tmp_path / "s")
    (tmp_path / "s.lock").unlink()
    with pytest.raises(LiveProxyError, match=f"process {os.getpid()}, has"):
        Door(tmp_path / "s")
    assert connects(door.path)
    door.close()


def test_nor_when_it_is_so_busy_that_nobody_can_connect(tmp_path: Path) -> None:
    need_linux()
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(str(tmp_path / "s"))
        busy.listen(0)
        waiting.connect(str(tmp_path / "s"))
        with pytest.raises(LiveProxyError, match="another udplb has"):
            Door(tmp_path / "s")
    assert (tmp_path / "s").is_socket()


def test_what_is_no_socket_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    for name in ("file", "directory", "link", "pipe"):
        with pytest.raises(ControlSocketError, match=f"{name} is there and no socket; remove it"):
            Door(tmp_path / name)
        assert (tmp_path / name).is_symlink() or (tmp_path / name).exists()
    assert (tmp_path / "file").read_text() == "precious"


def test_a_socket_of_somebody_who_came_later_is_left_alone(tmp_path: Path) -> None:
    door = Door(tmp_path / "s")
    os.unlink(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "s"))
        door.close()
        assert (tmp_path / "s").is_socket()


def test_a_file_that_is_gone_already_is_no_matter(tmp_path: Path) -> None:
    door = Door(tmp_path / "s")
    os.unlink(tmp_path / "s")
    door.close()


def test_a_path_that_is_too_long_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ControlSocketError, match="at most"):
        Door(tmp_path / ("x" * 108))
    assert list(tmp_path.iterdir()) == []


def test_those_who_fail_hold_neither_lock_nor_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s").touch()
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(ControlSocketError):
        Door(tmp_path / "s")
    (tmp_path / "s").unlink()

    class Broken(socket.socket):
        def listen(self, backlog: int = 0) -> None:
            raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", Broken)
        with pytest.raises(ControlSocketError, match="input/output"):
            Door(tmp_path / "s")
    assert not (tmp_path / "s").exists()
    assert len(os.listdir("/dev/fd")) == before
    Door(tmp_path / "s").close()


def test_a_directory_that_may_not_be_written_to(tmp_path: Path) -> None:
    need_root()
    tmp_path.chmod(0o755)
    script = (
        "import os, sys; from pathlib import Path; from udplb.engine.control.door import Door;"
        " os.setresuid(65534, 65534, 65534)\n"
        "try: Door(Path(sys.argv[1]))\n"
        "except Exception as error: print(error)"
    )
    path = Path("/usr/udplb-test.sock")
    told = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert told == (
        "control socket: cannot lock /usr/udplb-test.sock.lock: /usr cannot be written to;"
        " give it to this user, or choose another control_socket\n"
    )
