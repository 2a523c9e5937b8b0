"""What the kernel offers to UDP sockets beyond the portable API, and whether it is there.

Numbers from the Linux headers (udp.h, socket.h, in.h, in6.h) where Python's socket module of the
oldest supported version does not name them.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from contextlib import suppress
from functools import cache
from typing import NamedTuple

LINUX = sys.platform == "linux"

SOL_UDP = 17
UDP_SEGMENT = 103
UDP_GRO = 104
SO_RCVBUFFORCE = 33
SO_MEMINFO = 55
IP_PKTINFO = 8
IPV6_RECVPKTINFO = 49
IPV6_PKTINFO = 50

RECEIVE_MAX = 65_535
"""A receive buffer that no datagram and no train of UDP_GRO exceeds, in bytes."""

SEGMENT_SIZE = struct.Struct("=H")
GRO_SIZE = struct.Struct("=i")
PKTINFO_4 = struct.Struct("=I4s4s")
PKTINFO_6 = struct.Struct("=16sI")
ANCILLARY_MAX = socket.CMSG_SPACE(PKTINFO_6.size) + socket.CMSG_SPACE(GRO_SIZE.size)

_PR_SET_TIMERSLACK = 29

_MEMINFO = struct.Struct("=9I")
_MEMINFO_RECEIVE_QUEUED = 0
_MEMINFO_DROPS = 8


class ReceiveQueue(NamedTuple):
    """What waits in a socket, in bytes of kernel memory, and what the kernel dropped before it."""

    queued: int
    drops: int


@cache
def has_option(level: int, option: int) -> bool:
    """Whether this kernel knows the socket option for UDP."""
    if not LINUX:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.getsockopt(level, option)
        except OSError:
            return False
    return True


def has_segmentation() -> bool:
    """Whether one send call can carry a run of datagrams (UDP_SEGMENT, Linux 4.18)."""
    return has_option(SOL_UDP, UDP_SEGMENT)


def has_coalescing() -> bool:
    """Whether one receive call can bring a run of datagrams (UDP_GRO, Linux 5.0)."""
    return has_option(SOL_UDP, UDP_GRO)


def receive_queue(sock: socket.socket) -> ReceiveQueue:
    """The socket's receive queue; zeros where the kernel does not tell."""
    if not LINUX:
        return ReceiveQueue(0, 0)
    try:
        fields = _MEMINFO.unpack(sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _MEMINFO.size))
    except (OSError, struct.error):
        return ReceiveQueue(0, 0)
    return ReceiveQueue(fields[_MEMINFO_RECEIVE_QUEUED], fields[_MEMINFO_DROPS])


def receive_nothing_more(sock: socket.socket) -> bool:
    """Let the bound socket get no more datagrams, but keep those that wait, and send as before.

    A connected UDP socket gets what its peer sends and nothing else: here its peer is itself. It
    may still send to anybody, on Linux; False elsewhere, where nothing was done.
    """
    if not LINUX:
        return False
    host, port = sock.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1" if sock.family == socket.AF_INET else "::1"
    try:
        sock.connect((host, port, *sock.getsockname()[2:]))
    except OSError:
        return False
    return True


def wake_on_time() -> None:
    """Let the calling thread's waits end when they are due, not up to 50 µs later (prctl(2),
    PR_SET_TIMERSLACK): so late it would be with the interpreter, while a console works beside it.
    """
    if LINUX:
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(1), 0, 0, 0)


def grow_receive_buffer(sock: socket.socket, size: int) -> int:
    """Ask for a receive buffer of `size` bytes; the bytes that were granted.

    SO_RCVBUFFORCE passes the system's limit but needs CAP_NET_ADMIN; SO_RCVBUF is cut to it. The
    kernel doubles what is asked, for its own bookkeeping (socket(7)); half is what counts here.
    """
    if LINUX:
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, size)
        except OSError:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
    with suppress(OSError):  # too large for this system: the default stays, and is shown
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
