"""Driving a console in a test: keys in, texts out, waiting for what comes instead of sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from textual.pilot import Pilot
from textual.screen import ModalScreen

from tests.tui import scenes
from tests.tui.fake_proxy import NOW, FakeClient
from tests.tui.waiting import until
from udplb.tui.console import Console
from udplb.tui.dialogs.dialog import Dialog

KEYS = {
    " ": "space", "-": "minus", ".": "full_stop", "/": "slash", "=": "equals_sign",
    ">": "greater_than_sign", "<": "less_than_sign", ":": "colon", "!": "exclamation_mark",
}  # fmt: skip
"""Characters that Textual has names for."""


@asynccontextmanager
async def console_on(
    client: FakeClient | None = None, *, size: tuple[int, int] = (120, 36), **how: Any
) -> AsyncIterator[tuple[Console, Pilot[None], FakeClient]]:
    """A console on a fake proxy, with its first picture drawn and its clock standing still.

    `how`: more for the console.
    """
    client = client or FakeClient(scenes.busy(), rows=scenes.flow_rows())
    app = Console(client, where="edge-gw", wall_clock=lambda: NOW, **how)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.model.snapshot is not None, "the first picture")
        await pilot.pause()
        yield app, pilot, client


def screen_text(app: Console) -> str:
    """What stands on the terminal, line by line."""
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in line) for line in lines)


def dialog_of(app: Console) -> Dialog:
    """The dialog that is open."""
    assert isinstance(app.screen, Dialog), f"no dialog, but {app.screen}"
    return app.screen


def is_open(app: Console) -> bool:
    """Whether a dialog is there, and takes keys."""
    screen = app.screen
    takes_keys = app.focused is not None or not isinstance(screen, Dialog)
    return isinstance(screen, ModalScreen) and screen.is_mounted and takes_keys


async def type_in(pilot: Pilot[None], text: str) -> None:
    """Type a text into what has the focus."""
    for character in text:
        await pilot.press(KEYS.get(character, character))


def run(scenario: Callable[[], object]) -> None:
    """Run an asynchronous scenario."""
    outcome = scenario()
    assert asyncio.iscoroutine(outcome)
    asyncio.run(outcome)
