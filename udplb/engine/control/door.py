"""The door: the control socket's file. A stale one is replaced, a live one never."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import ExitStack, suppress
from pathlib import Path

from udplb.engine.control.lock import LiveProxyError, SocketLock
from udplb.engine.control.peers import peer_of
from udplb.engine.control.places import ControlSocketError, check_path, show

MODE = 0o600
BACKLOG = 128


class Door:
    """A listening Unix socket that only its user and root can open.

    Raises ControlSocketError, as LiveProxyError if another udplb has it; then nothing is left.
    """

    def __init__(self, path: Path) -> None:
        check_path(path)
        self.path = path
        self._lock = SocketLock(path)
        with ExitStack() as failed:
            failed.callback(self._lock.release)
            _clear(path)
            self.sock = self._open()
            failed.pop_all()

    def close(self) -> None:
        """Nobody can come in any more; the file goes, if it still is ours."""
        self.sock.close()
        self._unlink()
        self._lock.release()

    def _open(self) -> socket.socket:
        self._ours: os.stat_result | None = None
        sock: socket.socket | None = None
        try:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.setblocking(False)
            with suppress(OSError):  # elsewhere than on Linux a socket has no mode of its own
                os.fchmod(sock.fileno(), MODE)
            sock.bind(os.fspath(self.path))
            self._ours = os.lstat(self.path)
            if stat.S_IMODE(self._ours.st_mode) != MODE:  # nobody can connect before listen
                os.chmod(self.path, MODE)
            sock.listen(BACKLOG)
        except OSError as error:
            if sock is not None:
                sock.close()
            self._unlink()
            raise ControlSocketError(_advice(self.path, error)) from None
        return sock

    def _unlink(self) -> None:
        if self._ours is not None:
            with suppress(OSError):
                if os.path.samestat(os.lstat(self.path), self._ours):
                    os.unlink(self.path)


def _clear(path: Path) -> None:
    """Remove a socket file that a dead process left."""
    try:
        found = os.lstat(path)
        if not stat.S_ISSOCK(found.st_mode):
            raise ControlSocketError(
                f"control socket: {show(path)} is there and no socket; remove it, or choose"
                " another control_socket"
            )
        _refuse_if_live(path)
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ControlSocketError(_advice(path, error)) from None


def _refuse_if_live(path: Path) -> None:
    """Somebody listens although nobody holds the lock: its file may have been removed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        result = sock.connect_ex(os.fspath(path))
        if result in (0, errno.EAGAIN):
            peer = peer_of(sock) if result == 0 else None
            raise LiveProxyError(path, peer.pid if peer else None)


def _advice(path: Path, error: OSError) -> str:
    match error.errno:
        case errno.EACCES | errno.EPERM | errno.EROFS:
            what = f"{show(path.parent)} cannot be written to; give it to this user"
        case errno.EMFILE:
            what = "no descriptors left; raise the limit (ulimit -n)"
        case _:
            what = str(error.strerror or error).lower()
    return f"control socket {show(path)}: {what}, or choose another control_socket"
