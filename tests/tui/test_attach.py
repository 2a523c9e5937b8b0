"""Attaching: from one proxy to the next, each with its own console, theme and name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tui import scenes
from tests.tui.driving import screen_text
from tests.tui.fake_proxy import NOW, FakeClient
from tests.tui.waiting import until
from udplb.tui.attach import attach
from udplb.tui.console import Console
from udplb.tui.settings import NamedProxy, Settings
from udplb.tui.terminal import Choices
from udplb.tui.themes.shelf import open_shelf

PROD, LAB = Path("/run/prod.sock"), Path("/run/lab.sock")
SETTINGS = Settings(proxies=(NamedProxy("prod", PROD, "red"), NamedProxy("lab", LAB)))


class Proxy(FakeClient):
    """One that has a socket."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        super().__init__(scenes.busy(), read_only=read_only)
        self.path = path
        self.closed = False

    def close(self) -> None:
        super().close()
        self.closed = True


class Stage:
    """In the terminal's place: shows consoles, and moves on as it was told."""

    def __init__(self, *moves: Path | None) -> None:
        self.moves = [*moves]
        self.clients: list[Proxy] = []
        self.seen: list[tuple[str, str, str]] = []
        """Theme, place, and what the first line of the screen says."""

    def client(self, path: Path, *, read_only: bool) -> Proxy:
        return Proxy(path, read_only=read_only)

    def show(
        self, client: Proxy, choices: Choices, *, where: str, leave_for: Callable[[Path], None]
    ) -> str:
        self.clients.append(client)
        asyncio.run(self._play(client, choices, where, leave_for))
        return ""

    async def _play(self, client: Proxy, choices: Choices, where: str, leave_for: Any) -> None:
        app = Console(
            client, where=where, opened=choices.themes, settings=choices.settings,
            leave_for=leave_for, wall_clock=lambda: NOW,
        )  # fmt: skip
        async with app.run_test(size=(120, 30)) as pilot:
            await until(pilot, lambda: app.model.snapshot is not None)
            app.moving.greet = lambda socket: None
            await until(pilot, lambda: "LIVE" in screen_text(app))
            self.seen.append((app.theme, where, screen_text(app).split("\n")[0]))
            move = self.moves.pop(0)
            if move is not None:
                app.moving.to(move)
                await until(pilot, lambda: not app.is_running)


def choices(theme: str | None = None) -> Choices:
    opened = open_shelf(theme, {}, no_color=False)
    return Choices(themes=opened, settings=SETTINGS, theme_asked=theme is not None)


def test_from_one_proxy_to_the_other_and_back() -> None:
    stage = Stage(PROD, LAB, None)
    first = Proxy(LAB)
    code = attach(first, choices(), show=stage.show, client_of=stage.client)  # type: ignore[arg-type]
    assert code == 0
    assert [theme for theme, _, _ in stage.seen] == ["dark", "red", "dark"]
    assert [client.path for client in stage.clients] == [LAB, PROD, LAB]
    assert all(client.closed for client in stage.clients)
    for (_, where, line), socket in zip(stage.seen, ("lab", "prod", "lab"), strict=True):
        assert where.endswith(f"/run/{socket}.sock {socket}")
        assert f"{socket}.sock {socket}" in line


def test_who_only_looks_does_so_everywhere() -> None:
    stage = Stage(PROD, None)
    attach(Proxy(LAB, read_only=True), choices(), show=stage.show, client_of=stage.client)  # type: ignore[arg-type]
    assert [client.read_only for client in stage.clients] == [True, True]


def test_a_theme_that_was_asked_for_counts_for_the_first_alone() -> None:
    """Production is marked, whatever somebody wanted for another proxy."""
    stage = Stage(LAB, PROD, None)
    attach(Proxy(PROD), choices("light"), show=stage.show, client_of=stage.client)  # type: ignore[arg-type]
    assert [theme for theme, _, _ in stage.seen] == ["light", "light", "red"]


def test_a_console_that_breaks_is_told_and_its_client_closed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    client = Proxy(LAB)
    code = attach(client, choices(), show=lambda *_, **__: "bang")  # type: ignore[arg-type]
    assert code == 1
    assert "the console broke: bang" in capsys.readouterr().err
    assert client.closed
