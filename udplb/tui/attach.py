"""Attaching: a console on a proxy in another process."""

from __future__ import annotations

import socket
import sys

from udplb.client import SocketClient
from udplb.tui.terminal import Choices, show_console


def attach(client: SocketClient, choices: Choices) -> int:
    """Show the proxy behind this client until the console is left; the exit code."""
    where = f"ATTACHED {socket.gethostname()} {client.path}"
    broken = show_console(client, choices, where=where)
    if broken:
        print(f"udplb: the console broke: {broken}", file=sys.stderr)
    return 1 if broken else 0
