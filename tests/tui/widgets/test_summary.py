"""The summary: how it goes, on a terminal of hardly any size."""

from __future__ import annotations

import pytest

from tests.tui import scenes
from tests.tui.driving import console_on, run, screen_text
from tests.tui.waiting import until
from udplb.tui.widgets.summary import LEAST_HEIGHT, LEAST_WIDTH


@pytest.mark.parametrize(
    ("size", "tiny"),
    [
        ((LEAST_WIDTH, LEAST_HEIGHT), False),
        ((LEAST_WIDTH - 1, LEAST_HEIGHT), True),
        ((LEAST_WIDTH, LEAST_HEIGHT - 1), True),
        ((20, 3), True),
    ],
)
def test_where_it_begins(size: tuple[int, int], tiny: bool) -> None:
    async def scenario() -> None:
        async with console_on(scenes.proxy(), size=size) as (app, pilot, _):
            await until(pilot, lambda: app.problems)
            await pilot.pause()
            text = screen_text(app)
            assert ("1 Ovw" not in text) is tiny
            assert ("6/8 up" in text) is (tiny and size[0] > 20)

    run(scenario)
