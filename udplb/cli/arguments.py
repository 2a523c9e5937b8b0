"""What stands on command lines: the options that many commands share, and how words are read.

Whatever is wrong with a word is said before anybody is asked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

from cyclopts import Parameter

from udplb.cli.endings import misused
from udplb.config.endpoints import BackendAddress
from udplb.config.kinds import Duration, Kind, Name, Whole
from udplb.config.wording import quote
from udplb.core.address import normal_ip, parse_address
from udplb.core.settings import WEIGHT_MAX

WORD_MAX = 256
"""Characters of a name or an address that is sent to a proxy."""

_flag = Parameter(negative="", show_default=False)

SocketPath = Annotated[
    Path | None,
    Parameter(
        name="--socket",
        help="The proxy's control socket. Default: $UDPLB_SOCKET, then the places where udplb run"
        " puts it.",
    ),
]
Json = Annotated[
    bool,
    _flag,
    Parameter(name="--json", help="One JSON document instead of text; with --watch one a line."),
]
Watch = Annotated[
    bool, _flag, Parameter(name="--watch", help="Show it again and again, until Ctrl-C.")
]
Interval = Annotated[
    str | None,
    Parameter(
        name="--interval",
        help='With --watch: the time between two pictures, as "500ms" or "2s" (default 1s).',
    ),
]
Flag = Annotated[bool, _flag]
TargetWord = Annotated[
    str,
    Parameter(
        name="CLUSTER/BACKEND",
        help="The backend's cluster, a slash, and its name or its address: dns/edge-3,"
        " dns/10.0.0.1:53, dns/[2001:db8::1]:53.",
    ),
]


class Target(NamedTuple):
    """One backend, as people call it."""

    cluster: str
    backend: str

    def __str__(self) -> str:
        return f"{self.cluster}/{self.backend}"


def target(word: str) -> Target:
    """`dns/edge-3`. Raises Complaint."""
    cluster, slash, backend = word.partition("/")
    if not (slash and cluster and backend):
        raise misused(f"{quote(word)} names no backend; write CLUSTER/BACKEND, as dns/edge-3")
    return Target(_short(cluster, "cluster"), _short(backend, "backend"))


def scope(word: str | None) -> tuple[str | None, str | None]:
    """`CLUSTER`, `CLUSTER/BACKEND` or nothing at all. Raises Complaint."""
    if word is None:
        return None, None
    if "/" in word:
        return target(word)
    return name_of("cluster", word), None


def name_of(what: str, word: str) -> str:
    """The name of something that the proxy may know. Raises Complaint."""
    if not word:
        raise misused(f"the name of the {what} is empty")
    return _short(word, what)


def new_name(word: str) -> str:
    """A name for a new backend. Raises Complaint."""
    return str(_read("--name", word, Name()))


def backend_address(word: str) -> str:
    """Where a new backend is. Raises Complaint."""
    return str(_read("ADDRESS", word, BackendAddress()))


def weight_of(what: str, number: int) -> int:
    """A weight in range. Raises Complaint."""
    _read(what, number, Whole(0, WEIGHT_MAX))
    return number


def seconds_of(option: str, word: str, least: str = "0s", most: str = "24h") -> float:
    """`60s`, `2m`, `500ms`, or a number of seconds. Raises Complaint."""
    value: object = word
    if word.replace(".", "", 1).isdecimal() and word.isascii():
        value = float(word)
    seconds = _read(option, value, Duration(least, most))
    assert isinstance(seconds, float)
    return seconds


def client(word: str) -> str:
    """An IP address, with a port or without, in its usual spelling. Raises Complaint."""
    bare = word[1:-1] if word.startswith("[") and word.endswith("]") else word
    try:
        # 2001:db8::1:53 is an address as a whole; with a port it needs brackets.
        return str(normal_ip(bare))
    except ValueError:
        pass
    try:
        return str(parse_address(word))
    except ValueError:
        raise misused(
            f"{quote(word)} is no client; write its IP address, with a port or without:"
            " 192.0.2.1, 192.0.2.1:5353, 2001:db8::1 or [2001:db8::1]:5353"
        ) from None


def filter_of(word: str) -> str:
    """A filter of flows. Raises Complaint."""
    from udplb.engine.filtering import parse_filter  # noqa: PLC0415

    try:
        parse_filter(word)
    except ValueError as error:
        raise misused(str(error)) from None
    return word


def _short(word: str, what: str) -> str:
    if len(word) > WORD_MAX:
        raise misused(f"{quote(word)} is no {what}: it has more than {WORD_MAX} characters")
    return word


def _read(what: str, value: object, kind: Kind) -> object:
    """The value as the kind has it. Raises Complaint."""
    try:
        return kind.read(value)
    except ValueError as error:
        raise misused(f"{what}: {kind.found(value)}; {error}") from None
