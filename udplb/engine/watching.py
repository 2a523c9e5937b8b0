"""Watching the file: whoever saves it need not tell anybody.

Directories are watched and not the file, since most editors put a new file in its place. What an
event says does not matter: it is only a reason to look. What counts is whether the file looks
different from the last time, so that neighbours in a busy directory concern nobody. Once a second
somebody looks without a reason, for file systems that tell nothing.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

from watchfiles import watch

from udplb.config.wording import escape

LOOK_S = 1.0
"""Between two looks without an event."""
STEP_S = 0.05
"""An edit is over when the file has looked the same for so long."""
GROUP_S = 0.2
"""Events of a busy directory are grouped for so long at most."""
SETTLE_MAX_S = 1.6
"""A file that goes on changing is told of after so long."""
ABSENT_MAX_S = 1.0
"""So long a file may be gone, or empty, in the middle of an edit."""
RETRY_S = 60.0
"""Where the system would not let us watch, until it is tried again."""
LINKS_MAX = 40
"""Symbolic links on the way to the file (path_resolution(7))."""

_log = logging.getLogger(__name__)
logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it tells of every event


class Look(NamedTuple):
    """What the file looked like; equal looks are equal contents."""

    path: str
    """Where the links led to."""
    identity: tuple[int, ...] = ()
    """Device, inode, size and times; nothing: there is no such file."""
    empty: bool = True


class Sight(NamedTuple):
    """One look, and the directories in which a change would make the next one different."""

    look: Look
    directories: frozenset[tuple[str, int, int]]
    """Path, device and inode of each: another directory of the same name is another one."""


class FileWatch:
    """Calls `changed` from a thread of its own, once for each edit of the file's contents.

    What the file looks like now is taken as known: make the watch before the file is read, and
    no edit is missed. A file that vanishes is an edit too, and so is its return.
    """

    def __init__(self, path: str | os.PathLike[str], changed: Callable[[], None]) -> None:
        self.path = os.path.abspath(path)
        self._changed = changed
        self._known = look_at(self.path).look
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="udplb-watch", daemon=True)
        self._warned = False

    def start(self) -> None:
        """Watch from now on. Where that is not possible a warning says so, and what to do."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and wait for that."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    # The thread

    def _run(self) -> None:
        while not self._stopping.is_set():
            sight = self._catch_up()
            try:
                self._wait_for_events(sight)
            except (FileNotFoundError, NotADirectoryError):
                self._stopping.wait(STEP_S)  # gone since it was looked at
            except (OSError, RuntimeError) as error:
                self._warn(error)
                self._poll(sight)

    def _wait_for_events(self, sight: Sight) -> None:
        """Look at every event, until other directories have to be watched."""
        events = watch(
            *sorted(path for path, _, _ in sight.directories),
            watch_filter=None,
            recursive=False,
            step=round(STEP_S * 1000),
            debounce=round(GROUP_S * 1000),
            rust_timeout=round(LOOK_S * 1000),
            yield_on_timeout=True,
            stop_event=self._stopping,
            raise_interrupt=False,
            force_polling=False,
            debug=False,
        )
        with closing(events):
            for _ in events:
                if self._catch_up().directories != sight.directories:
                    return

    def _poll(self, sight: Sight) -> None:
        """Do without events for a while."""
        until = time.monotonic() + RETRY_S
        while time.monotonic() < until and not self._stopping.wait(LOOK_S):
            if self._catch_up().directories != sight.directories:
                return

    def _catch_up(self) -> Sight:
        """Tell of an edit that is over, if there was one."""
        sight = look_at(self.path)
        if sight.look != self._known:
            sight = self._settled(sight)
            if sight.look != self._known and not self._stopping.is_set():
                self._known = sight.look
                self._changed()
        return sight

    def _settled(self, sight: Sight) -> Sight:
        """The file when it has stopped changing: editors empty it, or take it away, and write."""
        began = time.monotonic()
        while not self._stopping.wait(STEP_S):
            before, sight = sight.look, look_at(self.path)
            lasts = time.monotonic() - began
            if lasts >= SETTLE_MAX_S:
                break
            if sight.look == before and (lasts >= ABSENT_MAX_S or not sight.look.empty):
                break
        return sight

    def _warn(self, error: OSError | RuntimeError) -> None:
        if not self._warned:
            self._warned = True
            _log.warning(
                "cannot watch %s (%s), so it is looked at once a second; SIGHUP and udplb reload"
                " work as ever; if a limit is reached, raise fs.inotify.max_user_watches and"
                " fs.inotify.max_user_instances",
                self.path,
                escape(str(error)),
            )


def look_at(path: str) -> Sight:
    """The file at this absolute path as it looks now, through all symbolic links."""
    where, directories = _resolved(path)
    try:
        found = os.stat(path)
    except OSError:
        look = Look(where)
    else:
        identity = (
            found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns,
        )  # fmt: skip
        look = Look(where, identity, found.st_size == 0)
    known = []
    for directory in directories:
        try:
            known_as = os.stat(directory)
        except OSError:
            continue  # gone since
        known.append((directory, known_as.st_dev, known_as.st_ino))
    return Sight(look, frozenset(known))


def _resolved(path: str) -> tuple[str, list[str]]:
    """Where the links lead to, and the directories that decide on it.

    Those are the directory of every link on the way and the one of the file, or of the first name
    that is missing.
    """
    at, names, links = "/", path.split("/")[::-1], 0
    directories: list[str] = []
    while names:
        name = names.pop()
        if name == "..":
            at = os.path.dirname(at)
        if name in ("", ".", ".."):
            continue
        here = os.path.join(at, name)
        try:
            is_link = stat.S_ISLNK(os.lstat(here).st_mode)
            target = os.readlink(here) if is_link else ""
        except OSError:
            directories.append(at)
            return os.path.join(here, *names[::-1]), directories
        if not is_link:
            if not any(names):
                directories.append(at)
            at = here
            continue
        directories.append(at)
        links += 1
        if links > LINKS_MAX:
            return here, directories  # a circle, and so no file
        names += target.split("/")[::-1]
        if target.startswith("/"):
            at = "/"
    return at, directories
