"""What an errno means for a flow: one table, and everything is in it.

An errno on a connected UDP socket is mostly news about an earlier datagram (ICMP); what to do
with it is decided by who asks: `outlet` when sending, `upstream` when reading and opening.
"""

from __future__ import annotations

import errno
from enum import Enum, auto

from udplb.core.reasons import DropReason


class Failure(Enum):
    """What went wrong, in the words that the shell and the core share."""

    REFUSED = auto()
    """Port unreachable: nobody listens at the backend."""
    UNREACHABLE = auto()
    """No route, or a host or network that answers unreachable."""
    TOO_LARGE = auto()
    """The datagram does not fit the way out."""
    NO_DESCRIPTOR = auto()
    """The process or the system has no descriptor or memory left."""
    NO_PORT = auto()
    """The local port is taken, or none is left."""
    BUSY = auto()
    """The device's queue is full; the socket will not say when it has room."""
    REJECTED = auto()
    """The kernel will not send this: a firewall, a bad address, anything else."""


def _errnos(*names: str) -> tuple[int, ...]:
    """The numbers of those names that this platform has."""
    return tuple(getattr(errno, name) for name in names if hasattr(errno, name))


_TABLE: dict[Failure, tuple[int, ...]] = {
    Failure.REFUSED: _errnos("ECONNREFUSED"),
    Failure.UNREACHABLE: _errnos(
        "ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "EHOSTDOWN", "ENONET", "EADDRNOTAVAIL",
        "ENODEV", "ENXIO", "ENOPROTOOPT", "EPROTO", "EOPNOTSUPP", "ETIMEDOUT",
    ),
    Failure.TOO_LARGE: _errnos("EMSGSIZE"),
    Failure.NO_DESCRIPTOR: _errnos("EMFILE", "ENFILE", "ENOMEM", "ENOSPC"),
    Failure.NO_PORT: _errnos("EADDRINUSE", "EAGAIN"),
    Failure.BUSY: _errnos("ENOBUFS"),
    Failure.REJECTED: _errnos("EPERM", "EACCES", "EINVAL", "EDESTADDRREQ", "EAFNOSUPPORT", "EIO"),
}  # fmt: skip

FAILURES: dict[int, Failure] = {
    number: failure for failure, numbers in _TABLE.items() for number in numbers
}

RUN_REFUSED = frozenset(_errnos("EINVAL", "EMSGSIZE", "EIO"))
"""Errnos by which the kernel refuses a run (UDP_SEGMENT) whose datagrams may pass singly."""

DROP_REASONS: dict[Failure, DropReason] = {
    Failure.REFUSED: DropReason.SEND_FAILED,
    Failure.UNREACHABLE: DropReason.UNREACHABLE,
    Failure.TOO_LARGE: DropReason.OVERSIZE,
    Failure.NO_DESCRIPTOR: DropReason.NO_DESCRIPTOR,
    Failure.NO_PORT: DropReason.NO_PORT,
    Failure.BUSY: DropReason.QUEUE_FULL,
    Failure.REJECTED: DropReason.SEND_FAILED,
}

OPEN_REASONS: dict[Failure, DropReason] = {
    Failure.NO_DESCRIPTOR: DropReason.NO_DESCRIPTOR,
    Failure.BUSY: DropReason.NO_DESCRIPTOR,
    Failure.NO_PORT: DropReason.NO_PORT,
}
"""Why an upstream could not be opened; what is not here: unreachable."""


def failure_of(error: OSError) -> Failure:
    """The failure that an OSError of a socket call is; REJECTED for what nobody knew of."""
    return FAILURES.get(error.errno or 0, Failure.REJECTED)
