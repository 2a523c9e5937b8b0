"""The lock: which of two starters has the control socket, decided by the kernel (flock(2))."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import ExitStack, suppress
from pathlib import Path

from udplb.engine.control.places import ControlSocketError, show

_HELD = (errno.EWOULDBLOCK, errno.EACCES)
_TRIES = 10
_TEXT_BYTES_MAX = 32


class LiveProxyError(ControlSocketError):
    """Another udplb has the socket."""

    def __init__(self, path: Path, pid: int | None) -> None:
        who = f"a udplb, process {pid}," if pid else "another udplb"
        super().__init__(f"{who} has {show(path)}; stop it, or choose another control_socket")
        self.pid = pid


class SocketLock:
    """Holds `SOCKET.lock`, with the pid in it, from its making until `release` or our death.

    Children that are forked without exec share it. Raises LiveProxyError or ControlSocketError.
    """

    def __init__(self, socket: Path) -> None:
        self.path = socket.with_name(f"{socket.name}.lock")
        self._descriptor = self._lock(socket)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let others have the socket. The file stays, empty: whoever opened it may lock it."""
        if self._descriptor >= 0:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1

    def _lock(self, socket: Path) -> int:
        for _ in range(_TRIES):
            descriptor = self._open()
            with ExitStack() as failed:
                failed.callback(os.close, descriptor)
                self._try_to_lock(descriptor, socket)
                self._refuse_foreign(descriptor)
                # If somebody removed the file meanwhile, this lock says nothing.
                if _is_file_at(descriptor, self.path):
                    failed.pop_all()
                    return descriptor
        raise ControlSocketError(f"{show(self.path)} comes and goes; choose another control_socket")

    def _open(self) -> int:
        # Nobody else's file by a link, and no waiting for the other end of a pipe.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            return os.open(self.path, flags, 0o600)
        except OSError as error:
            raise ControlSocketError(_advice(self.path, error)) from None

    def _try_to_lock(self, descriptor: int, socket: Path) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _HELD:
                raise LiveProxyError(socket, _pid_in(descriptor)) from None
            raise ControlSocketError(_advice(self.path, error)) from None

    def _refuse_foreign(self, descriptor: int) -> None:
        """A file that is not ours is not written to."""
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        if not is_file or not (_pid_in(descriptor) or os.fstat(descriptor).st_size == 0):
            raise ControlSocketError(
                f"{show(self.path)} is no lock file of udplb; remove it, or choose another"
                " control_socket"
            )


def _pid_in(descriptor: int) -> int | None:
    """The pid that a lock file names."""
    try:
        text = os.pread(descriptor, _TEXT_BYTES_MAX, 0).strip()
    except OSError:
        return None
    is_pid = text.isdigit() and len(text) < _TEXT_BYTES_MAX
    return int(text) if is_pid else None


def _is_file_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except OSError:
        return False


def _advice(path: Path, error: OSError) -> str:
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            what = f"there is no directory {show(path.parent)}; make it"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            what = f"{show(path.parent)} cannot be written to; give it to this user"
        case _:
            what = str(error.strerror or error).lower()
    return f"control socket: cannot lock {show(path)}: {what}, or choose another control_socket"
