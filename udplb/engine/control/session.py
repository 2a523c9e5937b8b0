"""A session: one asker, and whether he may still change anything.

Whatever comes through a socket's connection or a client of this process passes here first. A lock
is for good: nothing takes it off but the end of the session.
"""

from __future__ import annotations

from typing import Any

from udplb.engine.control.requests import Lock, Refused, Request


class Session:
    """One asker. `lock` is for any thread, the rest for the engine's."""

    __slots__ = ("locked", "who")

    def __init__(self, who: str) -> None:
        self.who = who
        """For log and events."""
        self.locked = False
        """It looks, and changes nothing."""

    def lock(self) -> None:
        """From now on whatever would change something is refused."""
        self.locked = True

    def admit(self, request: Request[Any]) -> None:
        """Let the request pass to the desk. Raises Refused; a `Lock` is in force at once."""
        if isinstance(request, Lock):
            self.lock()
        elif self.locked and request.changes:
            raise Refused("read_only", "this connection is locked: it only looks, for good")
