"""Frames: their titles are no markup, and no terminal obeys them."""

from __future__ import annotations

from textual.app import App, ComposeResult

from tests.tui.driving import run
from udplb.tui.widgets.framed import Framed

HOSTILE = "[red]a[/red] [on blue]\x1b[2J\n[/]"


def test_a_title_is_a_text() -> None:
    class Shown(App[None]):
        def compose(self) -> ComposeResult:
            yield Framed("[b]first")

    async def scenario() -> None:
        app = Shown()
        async with app.run_test(size=(80, 5)) as pilot:
            framed = app.query_one(Framed)
            framed.styles.border = ("round", "white")
            framed.name_it(HOSTILE, "[i]below")
            await pilot.pause()
            lines = app.screen._compositor.render_strips()
            text = "\n".join("".join(segment.text for segment in line) for line in lines)
            assert "[red]a[/red] [on blue]\\x1b[2J\\n[/]" in text
            assert "[i]below" in text
            assert framed.named == (HOSTILE, "[i]below")

    run(scenario)
