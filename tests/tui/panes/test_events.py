"""The screen of events: it follows until somebody reads, filters, exports, and goes to backends."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from textual.widgets import Input

from tests.tui import scenes
from tests.tui.driving import console_on, dialog_of, is_open, run, screen_text
from tests.tui.fake_proxy import NOW
from tests.tui.waiting import settle, until
from udplb.engine import events
from udplb.show.events import Told, tell
from udplb.tui.model import EVENTS_MAX
from udplb.tui.panes.events import Events


def ups(count: int) -> list[events.Event]:
    return [events.ClusterCameUp(at=NOW, cluster=f"c{number}") for number in range(count)]


def test_it_follows_the_news_until_somebody_goes_up() -> None:
    async def scenario() -> None:
        client = scenes.proxy()
        async with console_on(client) as (app, pilot, _):
            await pilot.press("4")
            await until(pilot, lambda: any(each.request.events for each in client.streams))
            client.tell(*ups(100))
            await until(pilot, lambda: "cluster c99" in screen_text(app))
            pane = app.pane
            assert isinstance(pane, Events)
            await pilot.press("g")
            await until(pilot, lambda: "cluster c0:" in screen_text(app))
            client.tell(events.ClusterCameUp(at=NOW, cluster="later"))
            await until(pilot, lambda: len(app.model.happenings) == 101)
            await settle(pilot, client)
            assert "cluster c0:" in screen_text(app), "whoever reads is left in peace"
            assert "f follows" in screen_text(app)
            await pilot.press("f")
            await until(pilot, lambda: "cluster later" in screen_text(app))

    run(scenario)


def test_what_stands_there_is_not_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[events.Event] = []

    def counting(event: events.Event) -> Told:
        made.append(event)
        return tell(event)

    monkeypatch.setattr("udplb.tui.panes.events.tell", counting)

    async def scenario() -> None:
        client = scenes.proxy()
        async with console_on(client) as (app, pilot, _):
            await pilot.press("4")
            await until(pilot, lambda: any(each.request.events for each in client.streams))
            client.tell(*ups(EVENTS_MAX))
            await until(pilot, lambda: f"cluster c{EVENTS_MAX - 1}" in screen_text(app))
            pane = app.pane
            assert isinstance(pane, Events)
            made.clear()
            again = events.ClusterCameUp(at=NOW, cluster="again")
            client.tell(again)
            await until(pilot, lambda: "cluster again" in screen_text(app))
            client.tell(msgspec.structs.replace(again, at=NOW + 1))
            await until(pilot, lambda: "(2 times)" in screen_text(app))
            assert made == [again, again]
            rows = pane.table.rows
            assert len(rows) == EVENTS_MAX
            assert "cluster c1:" in rows[0].pieces[2].text, "the oldest is forgotten"

    run(scenario)


def test_filters_name_kinds_and_words() -> None:
    async def scenario() -> None:
        client = scenes.proxy()
        async with console_on(client) as (app, pilot, _):
            await until(pilot, lambda: any(each.request.events for each in client.streams))
            client.tell(*scenes.happenings())
            await pilot.press("4")
            await until(pilot, lambda: "edge-6" in screen_text(app))
            for pattern, there, gone in (
                ("kind=drain", "edge-3", "is down"),
                ("!edge", "forwarding", "is down"),
                ("edge-6 down", "is down", "forwarding"),
                ("weight: -5", "1 problem", "forwarding"),
            ):
                app.pane.set_filter(pattern)
                await settle(pilot, client)
                assert there in screen_text(app), pattern
                pane = app.pane
                assert isinstance(pane, Events)
                assert not any(gone in row.pieces[2].text for row in pane.table.rows), pattern
            app.pane.set_filter("nothing like it")
            await settle(pilot, client)
            assert "0 of 6; Esc clears the filter" in screen_text(app)

    run(scenario)


def test_enter_goes_to_the_backend_and_copy_gives_the_command() -> None:
    async def scenario() -> None:
        client = scenes.proxy()
        async with console_on(client) as (app, pilot, _):
            await until(pilot, lambda: any(each.request.events for each in client.streams))
            client.tell(*scenes.happenings())
            await pilot.press("4")
            pane = app.pane
            assert isinstance(pane, Events)
            await until(pilot, lambda: pane.table.rows and pane.table.place > 0, "it follows")
            await pilot.press("g", "j", "y")
            await until(pilot, lambda: app.clipboard == "udplb weight game/edge-5 50")
            await pilot.press("G")
            await until(pilot, lambda: pane.table.place == len(pane.table.rows) - 1)
            await pilot.press("enter")
            await until(pilot, lambda: app.pane.NAME == "backends")
            await until(pilot, lambda: "╭─ game/edge-6" in screen_text(app))

    run(scenario)


def test_they_are_written_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def scenario() -> None:
        client = scenes.proxy()
        async with console_on(client) as (app, pilot, _):
            await until(pilot, lambda: any(each.request.events for each in client.streams))
            client.tell(*scenes.happenings())
            await pilot.press("4", "x")
            await until(pilot, lambda: is_open(app))
            dialog_of(app).query_one("#field-file", Input).value = "events.log"
            await pilot.press("enter", "enter")
            await until(pilot, lambda: "written:" in screen_text(app))
            lines = (tmp_path / "events.log").read_text().splitlines()
            assert len(lines) == len(scenes.happenings())
            assert "backend_went_down" in lines[-1]

    run(scenario)
