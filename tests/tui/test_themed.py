"""Themes at work: chosen, changed, saved while the console runs, and saved with a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.style import Style

from tests.tui import scenes
from tests.tui.driving import run, screen_text
from tests.tui.fake_proxy import NOW
from tests.tui.waiting import until
from udplb.tui.console import Console
from udplb.tui.themes.loading import ThemeError
from udplb.tui.themes.shelf import PACKAGED, open_shelf


def said(app: Console) -> str:
    latest = app.news.latest()
    return "" if latest is None else latest.text


NAMES = sorted(path.stem for path in PACKAGED.glob("*.toml"))


@pytest.mark.parametrize("name", NAMES)
def test_every_theme_draws_every_screen(name: str) -> None:
    async def scenario() -> None:
        opened = open_shelf(name, {}, no_color=False)
        app = Console(scenes.proxy(), where="x", wall_clock=lambda: NOW, opened=opened)
        async with app.run_test(size=(100, 30)) as pilot:
            await until(pilot, lambda: app.model.snapshot is not None)
            assert app.theme == name
            for key in "12345":
                await pilot.press(key)
                await pilot.pause()
            assert "LIVE" in screen_text(app)

    run(scenario)


def test_a_theme_is_changed_and_one_that_is_not_there_is_refused() -> None:
    async def scenario() -> None:
        app = Console(scenes.proxy(), where="x", wall_clock=lambda: NOW)
        async with app.run_test() as pilot:
            before = app.inks["up"]
            app.use_theme("light")
            await pilot.pause()
            assert app.theme == "light"
            assert app.inks["up"] != before
            with pytest.raises(ThemeError):
                app.use_theme("nowhere")

    run(scenario)


def test_a_file_that_is_saved_shows_at_once_and_a_mistake_keeps_the_old(tmp_path: Path) -> None:
    folder = tmp_path / "udplb" / "themes"
    folder.mkdir(parents=True)
    file = folder / "mine.toml"
    file.write_text('name = "mine"\n[colors]\nprimary = "#ff0000"\n[tokens]\nup = "#00ff00"\n')

    async def scenario() -> None:
        opened = open_shelf("mine", {"XDG_CONFIG_HOME": str(tmp_path)}, no_color=False)
        app = Console(scenes.proxy(), where="x", wall_clock=lambda: NOW, opened=opened)
        async with app.run_test(size=(120, 30)) as pilot:
            await until(pilot, lambda: app.model.snapshot is not None)
            assert app.inks["up"] == Style(color="#00ff00")
            file.write_text(file.read_text().replace("#00ff00", "#00ffff"))
            await until(pilot, lambda: app.inks["up"] == Style(color="#00ffff"))
            file.write_text(file.read_text().replace("#00ffff", "greenish"))
            await until(pilot, lambda: "mine.toml:5" in said(app))
            assert "stays as it was" in said(app)
            assert app.inks["up"] == Style(color="#00ffff")

    run(scenario)
