"""The configuration file's text, as it is on disk, for somebody who wants to see it.

Whatever stands in its place (a FIFO, a device, a file system that does not answer) holds up nobody
but the thread that reads, and there is one such thread at most.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import stat
import threading
from codecs import getincrementaldecoder
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from udplb.config.load import FILE_SIZE_MAX
from udplb.config.wording import escape
from udplb.engine.control.requests import FILE_BYTES_MAX, FileText, Refused

_READ_BYTES = 1 << 20


class _Content(NamedTuple):
    """What was read."""

    text: str
    digest: bytes
    cut: bool


class FileReader:
    """Reads the file, one asker at a time. For the engine's loop."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    async def read(self, path: Path, in_force: Callable[[], bytes]) -> FileText:
        """What the file says now; `in_force` gives the digest of what is. Raises Refused."""
        if self._thread is not None and self._thread.is_alive():  # who asked has given it up
            raise Refused("busy", f"{_shown(path)} is being read still; does its disk answer?")
        content = await self._apart(path)
        return FileText(
            file=str(path),
            text=content.text,
            cut=content.cut,
            in_force=content.digest == in_force(),
        )

    async def _apart(self, path: Path) -> _Content:
        """What `_read` gives, from a thread. Raises Refused.

        No executor: the interpreter would wait for its thread at the end.
        """
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[_Content] = loop.create_future()

        def settle(outcome: _Content | Refused) -> None:
            if answered.done():
                return
            if isinstance(outcome, Refused):
                answered.set_exception(outcome)
            else:
                answered.set_result(outcome)

        def run() -> None:
            outcome: _Content | Refused
            try:
                outcome = _read(path)
            except (OSError, ValueError) as error:
                outcome = _refusal(path, error)
            except Refused as refused:
                outcome = refused
            with suppress(RuntimeError):  # the loop has ended, and nobody waits
                loop.call_soon_threadsafe(settle, outcome)

        self._thread = threading.Thread(target=run, name="udplb-file", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # the system has no thread left
            self._thread = None
            raise Refused("refused", f"the file cannot be read: {error}; try again") from None
        return await answered


def _read(path: Path) -> _Content:
    """The file's beginning as text, the digest of all of it, and whether it goes on.

    Raises OSError, ValueError or Refused. Of a file that is too large to be in force the digest is
    empty.
    """
    # What is no file must not make us wait: a FIFO would, until somebody writes.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            what = "a directory" if stat.S_ISDIR(mode) else "no regular file"
            raise Refused("refused", f"{_shown(path)} is {what}")
        digest, size, head = hashlib.sha256(), 0, b""
        while size <= FILE_SIZE_MAX and (part := os.read(descriptor, _READ_BYTES)):
            digest.update(part)
            size += len(part)
            if len(head) <= FILE_BYTES_MAX:
                head += part
    finally:
        os.close(descriptor)
    is_cut = size > FILE_BYTES_MAX
    # What is cut in the middle of a character ends before it.
    decoder = getincrementaldecoder("utf-8-sig")(errors="replace")
    text = decoder.decode(head[:FILE_BYTES_MAX], final=not is_cut)
    return _Content(text, digest.digest() if size <= FILE_SIZE_MAX else b"", is_cut)


def _refusal(path: Path, error: OSError | ValueError) -> Refused:
    match getattr(error, "errno", None):
        case errno.ENOENT | errno.ENOTDIR:
            return Refused("not_found", f"{_shown(path)} is not there any more")
        case errno.ENXIO | errno.ENODEV | errno.EOPNOTSUPP:  # a socket, for one
            return Refused("refused", f"{_shown(path)} is no regular file")
    why = str(getattr(error, "strerror", None) or error).lower()
    return Refused("refused", f"{_shown(path)} cannot be read: {escape(why)}")


def _shown(path: Path) -> str:
    return escape(str(path))
