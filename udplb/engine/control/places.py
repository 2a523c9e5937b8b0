"""Places: where the control socket is, for those who serve and for those who ask."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from udplb.config.wording import escape
from udplb.engine.binding import StartError

NAME = "udplb.sock"
PATH_BYTES_MAX = 107 if sys.platform == "linux" else 103
"""Of a Unix socket's path (unix(7): sun_path holds 108 with the final NUL; elsewhere 104)."""
VARIABLE = "UDPLB_SOCKET"


class ControlSocketError(StartError):
    """The control socket cannot be where it is wanted. One line that says what to do."""


class NoPlaceError(ControlSocketError):
    """`auto` found no directory to put it in."""


def places(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Where `run` puts its socket and others look for it, the best place first."""
    # systemd gives several directories with a colon between them.
    runtime = environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    directories = [runtime, environment.get("XDG_RUNTIME_DIR", ""), "/run/udplb", "/run"]
    found = [Path(each) / NAME for each in directories if each.startswith("/")]
    return list(dict.fromkeys(found))


def place_to_serve(setting: str, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Where to serve with this `control_socket`; None with "off". Raises ControlSocketError."""
    if setting == "off":
        return None
    if setting != "auto":
        check_path(Path(setting))
        return Path(setting)
    candidates = places(environment)
    for path in candidates:
        if is_possible(path) and os.path.isdir(path.parent) and os.access(path.parent, _WRITABLE):
            return path
    looked = ", ".join(show(path.parent) for path in candidates)
    raise NoPlaceError(
        f"control socket: none of {looked} can be written to; set control_socket to a path, or"
        ' to "off"'
    )


def places_to_ask(
    given: Path | None = None, environment: Mapping[str, str] = os.environ
) -> list[Path]:
    """Where a proxy may answer: what was given, else what UDPLB_SOCKET names, else all places."""
    if given is not None:
        return [given]
    named = environment.get(VARIABLE, "")
    return [Path(named)] if named else places(environment)


def is_socket(path: Path) -> bool:
    """Whether there is a socket."""
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def is_possible(path: Path) -> bool:
    """Whether a socket's path may be this one."""
    return not path_problem(path)


def path_problem(path: Path) -> str:
    """Why no socket can have this path; nothing if one can."""
    size = len(os.fsencode(path))
    if size > PATH_BYTES_MAX:
        return f"a socket's path has at most {PATH_BYTES_MAX} bytes, this one has {size}"
    return "it holds a NUL" if "\0" in str(path) else ""


def check_path(path: Path) -> None:
    """Raise ControlSocketError if no socket can have this path."""
    problem = path_problem(path)
    if problem:
        raise ControlSocketError(f"control socket {show(path)}: {problem}; choose another path")


def show(path: Path) -> str:
    """A path for people."""
    return escape(str(path))


_WRITABLE = os.W_OK | os.X_OK
