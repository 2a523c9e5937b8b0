"""Coalescing: when whole trains are received as one buffer, and how that is switched on.

UDP_GRO delivers a bulk sender's train as one buffer with its segment size. It can be switched on
for a live socket and never off, and costs a little more per call, so it is a ratchet: a socket
whose wake-up brought a train of datagrams worth it has it for good.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from udplb.core.train import Train
from udplb.engine.kernel import GRO_SIZE, SOL_UDP, UDP_GRO

COALESCE_DATAGRAMS = 8
"""So many equal datagrams of one peer in one wake-up, ..."""
COALESCE_BYTES = 500
"""... each at least so many bytes, switch UDP_GRO on."""


def worth_coalescing(train: Train) -> bool:
    """Whether UDP_GRO would pay for a sender of such trains."""
    run = train.runs[0]
    return run.count >= COALESCE_DATAGRAMS and run.segment >= COALESCE_BYTES


def switch_coalescing_on(sock: socket.socket) -> bool:
    """Switch UDP_GRO on for good; False if this socket cannot."""
    try:
        sock.setsockopt(SOL_UDP, UDP_GRO, 1)
    except OSError:
        return False
    return True


def segment_of(ancillary: Sequence[tuple[int, int, bytes]]) -> int:
    """The segment size of a received buffer in bytes; 0: it is one datagram."""
    for level, kind, data in ancillary:
        if level == SOL_UDP and kind == UDP_GRO:
            size: int = GRO_SIZE.unpack_from(data)[0]
            return size
    return 0
