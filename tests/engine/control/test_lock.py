"""The lock: one of two starters has it, and nobody's file is harmed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import REPOSITORY
from udplb.engine.binding import StartError
from udplb.engine.control.lock import LiveProxyError, SocketLock
from udplb.engine.control.places import ControlSocketError

HOLD = """
import sys
from pathlib import Path
from udplb.engine.control.lock import SocketLock
lock = SocketLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def other_process(path: Path) -> subprocess.Popen[str]:
    """A process that holds the lock until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_file_holds_our_pid_for_our_user_alone(tmp_path: Path) -> None:
    lock = SocketLock(tmp_path / "s")
    assert lock.path == tmp_path / "s.lock"
    assert lock.path.read_text() == f"{os.getpid()}\n"
    assert lock.path.stat().st_mode & 0o777 == 0o600
    lock.release()
    lock.release()
    assert lock.path.read_text() == ""


def test_a_second_one_is_told_who_has_it(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with other_process(path) as other:
        with pytest.raises(LiveProxyError) as caught:
            SocketLock(path)
        assert str(caught.value) == (
            f"a udplb, process {other.pid}, has {path}; stop it, or choose another control_socket"
        )
        assert caught.value.pid == other.pid
        assert isinstance(caught.value, StartError)
        other.kill()
        other.wait()
        SocketLock(path).release()


def test_an_owner_who_has_not_written_yet_is_an_owner(tmp_path: Path) -> None:
    path = tmp_path / "s"
    lock = SocketLock(path)
    lock.path.write_text("")
    with pytest.raises(LiveProxyError, match=r"^another udplb has"):
        SocketLock(path)
    lock.release()
    SocketLock(path).release()


def test_a_file_that_is_removed_at_the_moment_of_locking_is_not_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else two would hold locks on two files of one name."""
    import fcntl

    path, removed = tmp_path / "s", list[str]()
    real = fcntl.flock

    def flock(descriptor: int, how: int) -> None:
        real(descriptor, how)
        if not removed:
            removed.append("s.lock")
            os.unlink(tmp_path / "s.lock")

    monkeypatch.setattr(fcntl, "flock", flock)
    lock = SocketLock(path)
    assert lock.path.read_text() == f"{os.getpid()}\n"
    with pytest.raises(LiveProxyError):
        SocketLock(path)
    lock.release()


def test_a_file_that_always_vanishes_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    monkeypatch.setattr(fcntl, "flock", lambda *_: os.unlink(tmp_path / "s.lock"))
    with pytest.raises(ControlSocketError, match="comes and goes"):
        SocketLock(tmp_path / "s")


@pytest.mark.parametrize("content", ["important", "12 monkeys", "-5", "1" * 40, "1" * 40 + "x"])
def test_a_file_of_somebody_else_stays_as_it_is(content: str, tmp_path: Path) -> None:
    file = tmp_path / "s.lock"
    file.write_text(content)
    with pytest.raises(ControlSocketError, match="is no lock file of udplb"):
        SocketLock(tmp_path / "s")
    assert file.read_text() == content


def test_links_pipes_and_directories_are_no_locks(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("")
    (tmp_path / "a.lock").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "b.lock")
    (tmp_path / "c.lock").mkdir()
    for name in "abc":
        with pytest.raises(ControlSocketError, match="choose another control_socket"):
            SocketLock(tmp_path / name)
    assert (tmp_path / "target").read_text() == ""


def test_nothing_is_made_at_the_other_end_of_a_link(tmp_path: Path) -> None:
    (tmp_path / "a.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ControlSocketError):
        SocketLock(tmp_path / "a")
    assert not (tmp_path / "elsewhere").exists()


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ControlSocketError, match=r"there is no directory .*/no; make it"):
        SocketLock(tmp_path / "no/s")
    (tmp_path / "file").touch()
    with pytest.raises(ControlSocketError, match="there is no directory"):
        SocketLock(tmp_path / "file/s")


def test_nothing_is_left_open_by_those_who_fail(tmp_path: Path) -> None:
    held = SocketLock(tmp_path / "held")
    (tmp_path / "foreign.lock").write_text("x")
    before = os.listdir("/dev/fd")
    for name in ("held", "foreign", "no/s"):
        with pytest.raises(ControlSocketError):
            SocketLock(tmp_path / name)
    assert len(os.listdir("/dev/fd")) == len(before)
    held.release()
