"""Who takes part in the demo: clusters, backends, and the hosts that clients come from."""

from __future__ import annotations

import random
import socket

DNS, GAME = "dns", "game"

CLUSTERS: dict[str, tuple[str, ...]] = {
    DNS: ("alder", "birch", "cedar"),
    GAME: ("oak", "pine", "rowan"),
}
"""The backends of each cluster; a listener of the cluster's name serves it."""

LOOPBACK = "127.0.0.1"
RESOLVERS = tuple(f"127.53.0.{number}" for number in range(1, 13))
"""Where queries come from."""
DENIED_NETWORK = "127.66.0.0/16"
DENIED = "127.66.0.9"
FLOODER = "127.99.0.1"
HOARDER = "127.88.0.1"
STRANGER = "127.55.0.7"
"""Who sends what is dropped."""

PORTS = range(20_000, 30_000)
"""Backends and listeners: below the ports that systems give to clients, so that nobody else has a
backend's port when it comes back."""
PORT_TRIES_MAX = 64

Place = tuple[str, int]
"""A host and a port, as sockets take them."""


def player_host(chance: random.Random) -> str:
    """Some host for a player."""
    return f"127.77.{chance.randrange(1, 255)}.{chance.randrange(1, 255)}"


def has_many_hosts() -> bool:
    """Whether all of 127.0.0.0/8 is this host, as on Linux. Elsewhere all clients are 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind((DENIED, 0))
        except OSError:
            return False
    return True


def bound_somewhere() -> socket.socket:
    """A non-blocking socket on a free port of PORTS. Raises OSError if there is none."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.setblocking(False)
    for attempt in range(PORT_TRIES_MAX):
        try:
            bound.bind((LOOPBACK, random.choice(PORTS)))
        except OSError:
            if attempt == PORT_TRIES_MAX - 1:
                bound.close()
                raise
        else:
            break
    return bound


def free_place() -> Place:
    """A place that was free a moment ago. Raises OSError if there is none."""
    with bound_somewhere() as trial:
        return LOOPBACK, trial.getsockname()[1]


def open_client(host: str, target: Place) -> socket.socket:
    """A socket that sends to `target` from `host`, or from 127.0.0.1 where that is not ours.

    Raises OSError.
    """
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        try:
            opened.bind((host, 0))
        except OSError:
            opened.bind((LOOPBACK, 0))
        # Connected: a reply from any other address is none.
        opened.connect(target)
    except OSError:
        opened.close()
        raise
    return opened
