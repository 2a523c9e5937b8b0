"""The masthead: at every width what must be seen always is there."""

from __future__ import annotations

import msgspec
import pytest
from rich.cells import cell_len

from tests.tui import scenes
from tests.tui.driving import console_on, run, screen_text
from tests.tui.fake_proxy import NOW, FakeClient
from tests.tui.waiting import until
from udplb.client import Lost
from udplb.tui.ink import Piece
from udplb.tui.model import Model
from udplb.tui.themes.glyphs import GLYPHS
from udplb.tui.widgets.masthead import _shortened, configuration, liveness


def text(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
@pytest.mark.parametrize("where", ["x", "ATTACHED edge-gw /run/user/1000/a/long/way/udplb.sock"])
def test_what_must_be_seen_is_never_cut(width: int, where: str) -> None:
    async def scenario() -> None:
        async with console_on(scenes.proxy(), size=(width, 30)) as (app, pilot, _):
            app.where = where
            app.draw()
            await pilot.pause()
            line = screen_text(app).splitlines()[0]
            for needed in ("udplb", "LIVE", "RW", "cfg #14", "drift 1", where[-4:]):
                assert needed in line, needed

    run(scenario)


@pytest.mark.parametrize("place", ["/run/udplb/control.sock", "/跑/均衡器/控制.sock", "x跑" * 40])
def test_a_place_has_so_many_cells_and_no_more(place: str) -> None:
    for room in range(2, 50):
        short = _shortened(place, room)
        assert room - 1 <= cell_len(short) <= room or short == place
        assert place.endswith(short.removeprefix("…"))
        attached = _shortened(f"ATTACHED {place}", room)
        assert cell_len(attached) <= room
    assert _shortened(place, 1) == ""


def test_liveness_in_every_state() -> None:
    model = Model()
    assert "STARTING" in text(liveness(model, NOW, GLYPHS))
    model.took([scenes.busy()], NOW)
    assert text(liveness(model, NOW, GLYPHS)) == "● LIVE 2Hz"
    assert text(liveness(model, NOW + 9, GLYPHS)).startswith("◐ STALE 0:09")
    model.pause(NOW)
    assert text(liveness(model, NOW + 61, GLYPHS)) == "‖ PAUSED 1:01"
    model.pause(NOW)
    draining = msgspec.structs.replace(scenes.busy(step=1), state="draining")
    model.took([draining], NOW)
    assert text(liveness(model, NOW, GLYPHS)) == "◐ DRAINING"
    model.took([Lost(at=NOW, why="x", retry_in_s=1.0)], NOW)
    assert text(liveness(model, NOW + 12, GLYPHS)) == "✖ LOST 0:12"
    model.took([Lost(at=NOW, why="x", retry_in_s=None)], NOW)
    assert text(liveness(model, NOW, GLYPHS)) == "✖ ENDED"


def test_a_file_with_mistakes_is_marked() -> None:
    model = Model()
    assert configuration(model) == []
    model.took([scenes.proxy(bad_file=True).snapshot], NOW)
    assert "✖" in text(configuration(model))


def test_a_click_on_a_name_shows_its_screen() -> None:
    async def scenario() -> None:
        client = FakeClient(scenes.busy(), rows=scenes.flow_rows())
        async with console_on(client) as (app, pilot, _):
            line = screen_text(app).splitlines()[1]
            await pilot.click("Masthead", offset=(line.index("Config"), 1))
            await until(pilot, lambda: app.pane.NAME == "config")

    run(scenario)
