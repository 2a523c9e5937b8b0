"""Waiting for what a console does, instead of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable

from textual.pilot import Pilot

from tests.tui.fake_proxy import FakeClient

WITHIN_S = 10.0
QUIET_TURNS = 5
"""Looks in a row at which nothing had happened."""


async def until(pilot: Pilot[None], reached: Callable[[], object], what: str = "") -> None:
    """Let the console work until this is so."""
    deadline = time.monotonic() + WITHIN_S
    while not reached():
        assert time.monotonic() < deadline, f"it does not come: {what or reached}"
        await pilot.pause(0.01)


async def settle(pilot: Pilot[None], client: FakeClient) -> None:
    """Wait until nothing happens any more: no answer is on its way, nothing is left to draw."""
    app = pilot.app
    quiet = 0
    while quiet < QUIET_TURNS:
        asked = len(client.asked)
        await pilot.pause()
        await pilot.pause(0.01)
        busy = any(worker.is_running for worker in app.workers) or bool(getattr(app, "asking", 0))
        quiet = 0 if busy or len(client.asked) != asked else quiet + 1
