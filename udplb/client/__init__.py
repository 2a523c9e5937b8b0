"""The client: one interface to a running proxy, in this process or behind its control socket.

Console and command line both use it, and know of the engine what its requests, snapshots and
events say. Whatever waits here waits for a bounded time.
"""

from udplb.client.interface import (
    Client,
    Item,
    Lost,
    LostError,
    NoProxyError,
    Resumed,
    Stream,
    VersionError,
)
from udplb.client.local import LocalClient
from udplb.client.remote import SocketClient, connect
from udplb.engine.control.requests import Refused

__all__ = [
    "Client",
    "Item",
    "LocalClient",
    "Lost",
    "LostError",
    "NoProxyError",
    "Refused",
    "Resumed",
    "SocketClient",
    "Stream",
    "VersionError",
    "connect",
]
