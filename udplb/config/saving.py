"""The file, replaced in one step by a text that has the overlay in it; or left as it was."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from udplb.config.editing import EditError, edit
from udplb.config.load import Loaded, digest_of
from udplb.config.overlay import Overlay
from udplb.config.wording import escape
from udplb.core.settings import Configuration

_PREFIX = ".udplb-save-"
"""Of the temporary file; editors and `ls` do not show it."""


class FileChangedError(Exception):
    """Somebody else changed the file since it was read."""


class SaveError(EditError):
    """The file cannot be written; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A file that was written."""

    text_digest: bytes
    """SHA-256 of its bytes now."""
    loaded: Loaded
    """What it says."""


def save(path: str | Path, digest: bytes, overlay: Overlay, file: Configuration) -> Saved:
    """Write the overlay into a file that still has this digest; `file` is what it says.

    The file is replaced by a rename beside it, or beside what a symlink leads to; mode and owner
    stay. Raises FileChangedError, EditError or SaveError: then it is as it was.
    """
    name = str(path)
    target = os.path.realpath(path)
    try:
        content = _content(target, name, digest)
        edited = edit(content.decode(), overlay, file, name)
        written = edited.text.encode()
        _replace(target, name, digest, written)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SaveError(
            f"{escape(name)} cannot be written: {escape(reason)}; the directory of the file has to"
            " be writable for the user of the proxy, and have room; or save it by hand"
        ) from error
    loaded = Loaded(edited.loaded.configuration, edited.loaded.warnings, digest_of(written))
    return Saved(loaded.digest, loaded)


def _content(target: str, name: str, digest: bytes) -> bytes:
    """The bytes of the file, if they are the known ones."""
    try:
        if not stat.S_ISREG(os.stat(target).st_mode):
            raise SaveError(f"{escape(name)} is no regular file; save it by hand")
        content = Path(target).read_bytes()
    except FileNotFoundError:
        raise FileChangedError(f"{escape(name)} is not there any more") from None
    if digest_of(content) != digest:
        raise FileChangedError(f"{escape(name)} was changed since it was read; reload it first")
    return content


def _replace(target: str, name: str, digest: bytes, written: bytes) -> None:
    """Put these bytes in the place of the file, in one step."""
    directory = os.path.dirname(target)
    descriptor, temporary = tempfile.mkstemp(prefix=_PREFIX, dir=directory)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(written)
            file.flush()
            _make_alike(target, name, file.fileno())
            os.fsync(file.fileno())
        # The rename would hide what an editor saved while this was written.
        _content(target, name, digest)
        os.rename(temporary, target)
    finally:
        # After the rename there is nothing left to remove.
        with suppress(FileNotFoundError):
            os.unlink(temporary)
    _sync_directory(directory)


def _make_alike(target: str, name: str, descriptor: int) -> None:
    """Give the new file the old one's owner, mode, and what else it carries (such as ACLs)."""
    old, new = os.stat(target), os.fstat(descriptor)
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        try:
            os.fchown(descriptor, old.st_uid, old.st_gid)
        except OSError as error:
            raise SaveError(
                f"{escape(name)} belongs to another user or group, which would not be kept:"
                f" {error.strerror}; save it by hand"
            ) from error
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
    if hasattr(os, "listxattr"):
        attributes: list[str] = []
        with suppress(OSError):
            attributes = os.listxattr(target)
        for attribute in attributes:
            with suppress(OSError):
                os.setxattr(descriptor, attribute, os.getxattr(target, attribute))


def _sync_directory(directory: str) -> None:
    """Make the rename outlive a power cut; some file systems cannot, and the file is in place."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
