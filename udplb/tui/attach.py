"""Attaching: a console on a proxy in another process, and on the next one that is asked for."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from udplb.client import SocketClient
from udplb.tui.terminal import Choices, show_console


def attach(
    client: SocketClient,
    choices: Choices,
    *,
    show: Callable[..., str] = show_console,
    client_of: Callable[..., SocketClient] = SocketClient,
) -> int:
    """Show the proxy behind this client, and those that the operator goes on to, until the console
    is left; the exit code. The clients are closed."""
    while True:
        wanted: list[Path] = []
        where = _named(client.path, choices)
        broken = show(client, choices.at(client.path), where=where, leave_for=wanted.append)
        client.close()
        if broken:
            print(f"udplb: the console broke: {broken}", file=sys.stderr)
            return 1
        if not wanted:
            return 0
        client = client_of(wanted[-1], read_only=client.read_only)
        # What marks the next one counts more than a theme that was meant for the first.
        choices = replace(choices, theme_asked=False)


def _named(path: Path, choices: Choices) -> str:
    """The target: its name stands last, which is the end that a narrow masthead keeps."""
    proxy = choices.settings.proxy_at(path)
    where = f"ATTACHED {socket.gethostname()} {path}"
    return where if proxy is None else f"{where} {proxy.name}"
