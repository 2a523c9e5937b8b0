"""Peers: who is at the other end of the control socket, as the kernel says."""

from __future__ import annotations

import os
import pwd
import socket
import struct
import sys
from typing import NamedTuple

_SOL_LOCAL, _LOCAL_PEERCRED, _LOCAL_PEERPID = 0, 0x001, 0x002
_XUCRED = struct.Struct("=IIh2x16I")
"""struct xucred of macOS, sys/ucred.h: version, user, number of groups, groups."""
_UCRED = struct.Struct("=iII")
"""struct ucred of Linux, unix(7): process, user, group."""


class Peer(NamedTuple):
    """A process, as it was when it connected."""

    uid: int
    pid: int
    """0: not known, as it lives in another namespace."""


def peer_of(sock: socket.socket) -> Peer | None:
    """Who connected to this Unix socket; None where the kernel does not say."""
    try:
        if sys.platform == "linux":
            data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
            pid, uid, _ = _UCRED.unpack(data)
            return Peer(uid, pid)
        if sys.platform == "darwin":
            data = sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size)
            return Peer(_XUCRED.unpack(data)[1], sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID))
    except (OSError, struct.error):
        return None
    return None


class Doorman:
    """Lets the own user and root in, and nobody else."""

    def __init__(self, own_uid: int | None = None) -> None:
        own = os.geteuid() if own_uid is None else own_uid
        # Names are looked up now: a directory service that hangs must not hang the datapath.
        self._names = {uid: _name_of(uid) for uid in (own, 0)}

    def admits(self, peer: Peer | None) -> bool:
        """Whether this peer may ask."""
        return peer is not None and peer.uid in self._names

    def describe(self, peer: Peer) -> str:
        """`uid 0 (root), process 4242`."""
        name = self._names.get(peer.uid, "")
        who = f"uid {peer.uid} ({name})" if name else f"uid {peer.uid}"
        return f"{who}, process {peer.pid}" if peer.pid else who


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""
