"""The screen of backends: rows, one in detail, filter, order, and what its keys do."""

from __future__ import annotations

import msgspec
import pytest

from tests.tui import scenes
from tests.tui.driving import console_on, run, screen_text, type_in
from tests.tui.fake_proxy import FakeClient
from tests.tui.panes.looks import of_backends, pace
from tests.tui.waiting import settle, until
from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import Snapshot
from udplb.tui.console import Console
from udplb.tui.dialogs.text import TextDialog
from udplb.tui.panes.backends import Backends

EDGE_1 = ("game", "10.0.0.11:5000")
EDGE_3 = ("game", "10.0.0.13:5000")


def backends_of(app: Console) -> Backends:
    return app.query_one(Backends)


def names(app: Console) -> list[str]:
    return [row.pieces[0].text for row in backends_of(app).table.rows]


def crowd(number: int, step: int = 0) -> Snapshot:
    return of_backends(*(
        scenes.backend(f"b{n}", n % 40, address=f"10.{n // 250}.0.{n % 250}:1", flows=n)
        for n in range(number)
    ), whole=scenes.busy(step=step))  # fmt: skip


@pytest.mark.parametrize(
    ("size", "there", "not_there"),
    [
        ((80, 24), ("game/edge-6", "╭─ dns/ns1  10.0.0.17:5000", "weight    100"), ("CLIENT",)),
        ((120, 36), ("ADDRESS", "IN", "OUT", "CLIENT", "in all"), ("ANSWERED",)),
        ((160, 50), ("WT", "IN", "OUT", "CLIENT", "0└"), ()),
        ((60, 15), ("game/edge-3",), ("weight    100",)),
        ((220, 50), ("ADDRESS", "DUE", "NEW", "SHARE", "FOR"), ()),
    ],
)
def test_every_size_shows_what_has_room(
    size: tuple[int, int], there: tuple[str, ...], not_there: tuple[str, ...]
) -> None:
    async def scenario() -> None:
        async with console_on(size=size) as (app, pilot, _):
            await pilot.press("2")
            await pilot.pause()
            text = screen_text(app)
            for said in there:
                assert said in text, said
            for said in not_there:
                assert said not in text, said

    run(scenario)


def test_the_detail_goes_with_the_cursor_and_asks_for_its_flows() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            await pilot.press("2", "j", "j")
            await until(pilot, lambda: "╭─ game/edge-1  10.0.0.11:5000" in screen_text(app))
            wanted = FlowQuery(
                sort="rate", limit=8, backend="10.0.0.11:5000", filter='cluster="game"'
            )
            assert app.pane.window() == wanted
            await until(pilot, lambda: client.streams[-1].request.window == wanted)
            await until(pilot, lambda: backends_of(app).flow_table.rows)
            assert {row.pieces[0].text for row in backends_of(app).flow_table.rows} == {
                row.client for row in scenes.flow_rows(8) if row.backend_address == EDGE_1[1]
            }

    run(scenario)


def test_fast_steps_ask_once() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            await pilot.press("2", "j", "j", "j", "j")
            last = app.pane.window()
            assert last is not None
            await until(pilot, lambda: client.streams[-1].request.window == last)
            asked = {each.request.window.backend for each in client.streams if each.request.window}
            assert "10.0.0.12:5000" not in asked  # it was only passed

    run(scenario)


def test_the_detail_tells_the_news_that_name_the_backend() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, _):
            app.model.told(scenes.happenings())
            await pilot.press("2")
            assert backends_of(app).table.go_to(("game", "[2001:db8::15]:5000"))
            await until(pilot, lambda: "weight 100 → 50" in screen_text(app))

    run(scenario)


def test_a_filter_hides_and_escape_brings_back() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            pace(app, client)
            await pilot.press("2", "slash")
            await type_in(pilot, "edge !up")
            await pilot.press("enter")
            await until(pilot, lambda: len(names(app)) == 4)
            assert "Backends 4 of 8" in screen_text(app)
            assert "filter: edge !up" in screen_text(app)
            await pilot.press("slash")
            await type_in(pilot, " nothing")
            await pilot.press("enter")
            await until(pilot, lambda: "0 of 8; Esc clears the filter" in screen_text(app))
            assert backends_of(app).selected_backend() is None
            await pilot.press("escape")
            await until(pilot, lambda: len(names(app)) == 8)

    run(scenario)


def test_s_sorts_r_turns_round_and_a_title_does_either() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            pace(app, client)
            await pilot.press("2")
            assert names(app)[0] == "dns/ns1"
            await pilot.press("r")
            assert names(app)[0] == "game/edge-6"
            await pilot.press("s")
            assert names(app)[:2] == ["game/edge-6", "game/edge-4"]  # the worst state first
            await pilot.click("#backends-table", offset=(4, 0))
            await pilot.pause()
            assert names(app)[0] == "dns/ns1"
            await pilot.click("#backends-table", offset=(4, 0))
            await pilot.pause()
            assert names(app)[0] == "game/edge-6"

    run(scenario)


def test_the_cursor_stays_with_its_backend() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            await pilot.press("2", "j", "j")
            assert backends_of(app).selected_backend() == EDGE_1
            whole = scenes.busy(step=1)
            fewer = msgspec.structs.replace(whole, clusters=whole.clusters[:1])
            client.show(fewer)
            await until(pilot, lambda: len(backends_of(app).table.rows) == 6)
            assert backends_of(app).selected_backend() == EDGE_1
            assert backends_of(app).table.place == 0

    run(scenario)


def test_marks_are_acted_on_and_escape_takes_them_away() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            await pilot.press("2", "j", "j", "space", "j", "space")
            backends = backends_of(app)
            assert backends.marked_backends() == [EDGE_1, EDGE_3]
            app.draw()
            await pilot.pause()
            assert "2 marked" in screen_text(app)
            gone = scenes.busy(step=1)
            game = gone.clusters[0]
            left = tuple(each for each in game.backends if each.name != "edge-1")
            game = msgspec.structs.replace(game, backends=left)
            client.show(msgspec.structs.replace(gone, clusters=(game, gone.clusters[1])))
            await until(pilot, lambda: len(backends.table.rows) == 7)
            assert backends.marked_backends() == [EDGE_3]
            await pilot.press("escape")
            assert not backends.table.marked

    run(scenario)


def test_enter_shows_the_flows_of_the_backend() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            await pilot.press("2", "j", "j", "enter")
            await until(pilot, lambda: app.pane.NAME == "flows")
            await settle(pilot, client)
            assert app.pane.filter_line() in ("backend=10.0.0.11:5000", None)

    run(scenario)


@pytest.mark.parametrize(("size", "key"), [((120, 36), "d"), ((60, 15), "enter")])
def test_d_describes_and_so_does_enter_where_there_is_no_detail(
    size: tuple[int, int], key: str
) -> None:
    async def scenario() -> None:
        async with console_on(size=size) as (app, pilot, _):
            await pilot.press("2", "j", "j", key)
            await until(pilot, lambda: isinstance(app.screen, TextDialog))
            dialog = app.screen
            assert isinstance(dialog, TextDialog)
            assert "game/edge-1  10.0.0.11:5000" in dialog.text
            await pilot.press("escape")
            await until(pilot, lambda: not isinstance(app.screen, TextDialog))

    run(scenario)


def test_copy_names_the_cluster_where_only_one_is_shown() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, _):
            await pilot.press("2", "y")
            assert app.clipboard == "udplb backends"
            await pilot.press("slash")
            await type_in(pilot, "dns")
            await pilot.press("enter")
            await until(pilot, lambda: len(names(app)) == 2)
            await pilot.press("y")
            assert app.clipboard == "udplb backends dns"
            said = app.news.latest()
            assert said is not None
            assert said.text == "copied: udplb backends dns"

    run(scenario)


def test_thousands_of_backends_are_rows_only_in_view() -> None:
    async def scenario() -> None:
        client = FakeClient(crowd(2_000), rows=scenes.flow_rows())
        async with console_on(client) as (app, pilot, _):
            await pilot.press("2")
            backends = backends_of(app)
            assert len(backends.table.rows) < 100
            await pilot.press("G")
            await until(pilot, lambda: backends.table.row is not None)
            row = backends.table.row
            assert row is not None
            assert row.pieces[0].text == "b1999"
            await until(pilot, lambda: "╭─ game/b1999" in screen_text(app))
            assert len(backends.table.rows) < 200
            client.show(crowd(2_000, step=1))
            await until(pilot, lambda: app.model.paces is not None)
            assert backends.selected_backend() == row.id
            # The order turns round: the cursor is still on the same backend.
            await pilot.press("r")
            assert backends.selected_backend() == row.id
            assert backends.table.place == 0
            far = ("game", "10.4.0.7:1")
            assert not backends.table.go_to(far)  # its row is not made yet
            await until(pilot, lambda: backends.selected_backend() == far)
            await until(pilot, lambda: "╭─ game/b1007" in screen_text(app))

    run(scenario)


def test_a_problem_is_found_on_a_screen_that_was_never_shown() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, _):
            await pilot.press("exclamation_mark")
            await until(pilot, lambda: app.pane.NAME == "backends")
            down = ("game", "10.0.0.16:5000")
            await until(pilot, lambda: backends_of(app).selected_backend() == down)

    run(scenario)
