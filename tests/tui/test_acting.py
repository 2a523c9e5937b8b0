"""Acting: what is asked before something is changed, and what a yes sends to the proxy."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import pytest
from textual.widgets import Button, Input, Label

from tests.tui import scenes
from tests.tui.driving import console_on, dialog_of, is_open, run, screen_text, type_in
from tests.tui.fake_proxy import NOW, FakeClient
from tests.tui.waiting import until
from udplb.client import Refused
from udplb.engine.control.requests import (
    AddBackend,
    Closed,
    CloseFlows,
    Diff,
    Difference,
    Done,
    Drain,
    Flows,
    Reload,
    RemoveBackend,
    Revert,
    Save,
    SetWeight,
    Touched,
    Undrain,
)
from udplb.engine.events import BackendDrained
from udplb.engine.snapshot import ClusterSnapshot, Snapshot
from udplb.tui.console import Console
from udplb.tui.dialogs import on_flows
from udplb.tui.dialogs.dialog import Dialog
from udplb.tui.widgets.lines import Lines

EDGE_1 = ("game", "10.0.0.11:5000")
EDGE_3 = ("game", "10.0.0.13:5000")


def lines_of(app: Console) -> str:
    return dialog_of(app).query_one("#lines", Lines).text


def wrong_of(app: Console) -> str:
    return str(dialog_of(app).query_one("#wrong", Label).content)


def alone(snapshot: Snapshot) -> Snapshot:
    """Of the cluster game only edge-1 is up."""

    def down(cluster: ClusterSnapshot) -> ClusterSnapshot:
        backends = tuple(
            each if each.name == "edge-1" else msgspec.structs.replace(each, up=False)
            for each in cluster.backends
        )
        return msgspec.structs.replace(cluster, backends=backends)

    return msgspec.structs.replace(snapshot, clusters=tuple(map(down, snapshot.clusters)))


def difference(**how: Any) -> Difference:
    fields: dict[str, Any] = {
        "file": "/etc/udplb/udplb.toml", "problems": (), "on_reload": (), "drift": (),
        "dropped": (), "flows": 18_402,
    }  # fmt: skip
    return Difference(**{**fields, **how})


def test_a_drain_says_what_it_means_and_y_starts_it() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            app.act_on("drain", EDGE_1)
            await until(pilot, lambda: is_open(app))
            await until(pilot, lambda: "10 min" in lines_of(app), "how many may not finish")
            said = lines_of(app)
            assert "4,702 flows stay until they end by themselves; no new ones" in said
            assert "serving game after this: 3 of 6, each about +40% of the new flows" in said
            assert "udplb drain game/edge-1" in screen_text(app)
            await pilot.press("y")
            await until(pilot, client.changes)
            assert client.changes() == [
                Drain(cluster="game", backend="10.0.0.11:5000", generation=14)
            ]
            await until(pilot, lambda: not isinstance(app.screen, Dialog))
            said = screen_text(app)
            assert "done as asked" in said
            assert "undo: udplb undrain game/edge-1" in said

    run(scenario)


def test_a_deadline_and_what_happens_then() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            app.act_on("drain", EDGE_1)
            await until(pilot, lambda: is_open(app))
            dialog_of(app).query_one("#field-deadline", Input).focus()
            await type_in(pilot, "90s")
            await pilot.press("enter")
            await type_in(pilot, "move")
            await until(pilot, lambda: "at most 90s, then they move" in lines_of(app))
            await pilot.press("enter")
            assert app.focused is not None
            assert app.focused.id == "cancel", "Enter never says yes"
            assert not client.changes()
            await pilot.press("y")
            await until(pilot, client.changes)
            assert client.changes() == [
                Drain(
                    cluster="game", backend="10.0.0.11:5000", generation=14,
                    deadline_s=90.0, at_deadline="move",
                )
            ]  # fmt: skip

    run(scenario)


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ("soon", "deadline"),
        ("-1s", "deadline"),
        ("90s\tstop", "move or close"),
        ("\tmove", "needs"),
    ],
)
def test_answers_that_are_no_good_are_told_and_change_nothing(typed: str, wrong: str) -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            app.act_on("drain", EDGE_1)
            await until(pilot, lambda: is_open(app))
            dialog_of(app).query_one("#field-deadline", Input).focus()
            for n, word in enumerate(typed.split("\t")):
                if n:
                    await pilot.press("tab")
                await type_in(pilot, word)
            dialog_of(app).query_one("#accept", Button).focus()
            await pilot.press("y")
            await until(pilot, lambda: wrong in wrong_of(app))
            assert not client.changes()

    run(scenario)


def test_enter_is_no_and_escape_is_no() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            for key in ("enter", "escape", "n"):
                app.act_on("undrain", EDGE_3)
                await until(pilot, lambda: is_open(app))
                await pilot.press(key)
                await until(pilot, lambda: not isinstance(app.screen, Dialog))
            assert not client.changes()
            app.act_on("undrain", EDGE_3)
            await until(pilot, lambda: is_open(app))
            assert "game/edge-3 gets 22.2% of the new flows" in lines_of(app)
            await pilot.press("y")
            await until(pilot, client.changes)
            assert client.changes() == [
                Undrain(cluster="game", backend="10.0.0.13:5000", generation=14)
            ]

    run(scenario)


def test_an_answer_is_awaited_once_however_often_y_is_pressed() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            app.act_on("undrain", EDGE_3)
            await until(pilot, lambda: is_open(app))
            await pilot.press("y", "y", "y")
            await until(pilot, lambda: not isinstance(app.screen, Dialog))
            assert len(client.changes()) == 1

    run(scenario)


@pytest.mark.parametrize("name", ["drain", "remove"])
def test_the_last_one_that_serves_needs_its_clusters_name(name: str) -> None:
    async def scenario() -> None:
        client = FakeClient(alone(scenes.busy()))
        async with console_on(client) as (app, pilot, _):
            app.act_on(name, EDGE_1)
            await until(pilot, lambda: is_open(app))
            dialog_of(app).query_one("#accept", Button).focus()
            await pilot.press("y")
            await until(pilot, lambda: "type game to go on" in wrong_of(app))
            assert not client.changes()
            await type_in(pilot, "gam")
            await pilot.press("enter")
            await until(pilot, lambda: "type game to go on" in wrong_of(app))
            await type_in(pilot, "e")
            await pilot.press("enter")
            await until(pilot, client.changes)

    run(scenario)


def test_a_weight_shows_the_shares_before_it_is_set() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            app.act_on("weight", EDGE_1)
            await until(pilot, lambda: is_open(app))
            field = dialog_of(app).query_one("#field-weight", Input)
            assert field.value == "100"
            field.value = "400"
            await until(pilot, lambda: "edge-1   28.6% →  61.5%" in lines_of(app))
            field.value = "1001"
            await pilot.press("enter", "y")
            await until(pilot, lambda: "from 0 to 1000" in wrong_of(app))
            assert not client.changes()
            field.value = "400"
            await pilot.press("y")
            await until(pilot, client.changes)
            assert client.changes() == [
                SetWeight(cluster="game", backend="10.0.0.11:5000", weight=400, generation=14)
            ]
            await until(pilot, lambda: "undo: udplb weight game/edge-1 100" in screen_text(app))

    run(scenario)


def test_a_backend_is_added_with_its_share() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            await pilot.press("A")
            await until(pilot, lambda: is_open(app))
            await pilot.press("enter", "enter", "enter", "enter")
            assert not client.changes(), "Enter goes from field to field"
            await pilot.press("y")
            await until(pilot, lambda: "address is needed" in wrong_of(app))
            dialog_of(app).query_one("#field-cluster", Input).value = "game"
            dialog_of(app).query_one("#field-address", Input).value = "10.0.0.17:5000"
            dialog_of(app).query_one("#field-name", Input).value = "edge-7"
            dialog_of(app).query_one("#field-weight", Input).value = "100"
            await until(pilot, lambda: "edge-7      0% →  22.2%" in lines_of(app))
            dialog_of(app).query_one("#accept", Button).focus()
            await pilot.press("y")
            await until(pilot, client.changes)
            assert client.changes() == [
                AddBackend(
                    cluster="game", address="10.0.0.17:5000", name="edge-7", weight=100,
                    generation=14,
                )
            ]  # fmt: skip

    run(scenario)


def test_several_are_listed_and_done_one_after_the_other() -> None:
    async def scenario() -> None:
        client = FakeClient(scenes.busy())
        generations = iter(range(15, 20))
        client.answers[RemoveBackend] = lambda request: Done(
            sentences=(f"{request.backend} is gone",), generation=next(generations)
        )
        async with console_on(client) as (app, pilot, _):
            keys = [("game", f"10.0.0.1{n}:5000") for n in (1, 2, 4)]
            app.acting.on_backends("remove", keys)
            await until(pilot, lambda: is_open(app))
            said = lines_of(app)
            assert all(f"game/edge-{n}" in said for n in (1, 2, 4))
            assert "leave" in said
            await pilot.press("y")
            await until(pilot, lambda: len(client.changes()) == 3)
            assert [
                (each.backend, each.generation)
                for each in client.changes()
                if isinstance(each, RemoveBackend)
            ] == [("10.0.0.11:5000", 14), ("10.0.0.12:5000", 15), ("10.0.0.14:5000", 16)]
            await until(pilot, lambda: "10.0.0.14:5000 is gone" in screen_text(app))

    run(scenario)


def test_a_refusal_stays_in_the_dialog_and_after_it() -> None:
    async def scenario() -> None:
        client = FakeClient(scenes.busy())

        def refuse(request: Any) -> object:
            raise Refused("refused", "it cannot be", ("because of this",))

        client.answers[Undrain] = refuse
        async with console_on(client) as (app, pilot, _):
            app.act_on("undrain", EDGE_3)
            await until(pilot, lambda: is_open(app))
            await pilot.press("y")
            await until(pilot, lambda: "it cannot be" in wrong_of(app))
            assert "because of this" in wrong_of(app)
            await pilot.press("escape")
            await until(pilot, lambda: not isinstance(app.screen, Dialog))
            assert "it cannot be" in screen_text(app), "failures stay"
            await pilot.press("escape")
            await until(pilot, lambda: "it cannot be" not in screen_text(app))

    run(scenario)


def test_what_was_changed_meanwhile_is_shown_anew() -> None:
    async def scenario() -> None:
        client = FakeClient(scenes.busy())

        def stale(request: Any) -> object:
            changed = msgspec.structs.replace(client.snapshot.configuration, generation=15)
            client.show(msgspec.structs.replace(client.snapshot, configuration=changed, at=2_000.0))
            del client.answers[Undrain]
            raise Refused("stale", "the configuration is #15 by now")

        client.answers[Undrain] = stale
        async with console_on(client) as (app, pilot, _):
            app.act_on("undrain", EDGE_3)
            await until(pilot, lambda: is_open(app))
            first = app.screen
            await pilot.press("y")
            await until(pilot, lambda: is_open(app) and app.screen is not first)
            await until(pilot, lambda: app.model.snapshot and app.model.snapshot.at == 2_000.0)
            await pilot.press("escape")
            app.act_on("undrain", EDGE_3)
            await until(pilot, lambda: is_open(app))
            await pilot.press("y")
            await until(pilot, lambda: len(client.changes()) == 2)
            assert [getattr(each, "generation", None) for each in client.changes()] == [14, 15]

    run(scenario)


def test_a_reload_shows_the_difference_first() -> None:
    async def scenario() -> None:
        client = FakeClient(scenes.busy())
        client.answers[Diff] = lambda request: difference(
            on_reload=(Touched(sentence="cluster game: balance maglev → hrw", flows=0),)
        )
        async with console_on(client) as (app, pilot, _):
            await pilot.press("R")
            await until(pilot, lambda: is_open(app))
            assert "balance maglev → hrw" in lines_of(app)
            await pilot.press("y")
            await until(pilot, client.changes)
            assert client.changes() == [Reload(generation=14)]

    run(scenario)


def test_a_file_that_was_saved_once_more_is_shown_anew() -> None:
    """A reload is that of the file whose difference was shown."""

    async def scenario() -> None:
        client = FakeClient(scenes.busy())
        files = {"d" * 64: "balance maglev → hrw", "e" * 64: "balance maglev → random"}
        saved = ["d" * 64]
        client.answers[Diff] = lambda request: difference(
            on_reload=(Touched(sentence=f"cluster game: {files[saved[-1]]}", flows=0),),
            digest=saved[-1],
        )

        def reload(request: Reload) -> Done:
            if request.expected != saved[-1]:
                raise Refused("stale", "udplb.toml changed since the difference was shown")
            return Done(sentences=("taken up",), generation=15)

        client.answers[Reload] = reload
        async with console_on(client) as (app, pilot, _):
            await pilot.press("R")
            await until(pilot, lambda: is_open(app))
            assert "maglev → hrw" in lines_of(app)
            assert "runs: udplb reload" in screen_text(app)
            saved.append("e" * 64)
            first = app.screen
            await pilot.press("y")
            await until(pilot, lambda: is_open(app) and app.screen is not first)
            assert "maglev → random" in lines_of(app)
            latest = app.news.latest()
            assert latest is not None
            assert "changed since the difference was shown" in latest.text
            await pilot.press("y")
            await until(pilot, lambda: "taken up" in screen_text(app))
            assert client.changes() == [Reload(generation=14, expected=digest) for digest in saved]

    run(scenario)


def test_a_reload_that_cuts_many_off_needs_their_number() -> None:
    async def scenario() -> None:
        client = FakeClient(scenes.busy())
        client.answers[Diff] = lambda request: difference(
            on_reload=(Touched(sentence="cluster game: backend edge-1 removed", flows=4_702),)
        )
        async with console_on(client) as (app, pilot, _):
            await pilot.press("R")
            await until(pilot, lambda: is_open(app))
            await type_in(pilot, "4702")
            await pilot.press("enter")
            await until(pilot, client.changes)

    run(scenario)


def test_a_file_with_mistakes_is_told_before_a_reload() -> None:
    async def scenario() -> None:
        client = FakeClient(scenes.busy())
        problem = "udplb.toml:31: clusters.game.backends[2].weight: -5 is not from 0 to 1000"
        client.answers[Diff] = lambda request: difference(problems=(problem,))
        async with console_on(client) as (app, pilot, _):
            await pilot.press("R")
            await until(pilot, lambda: is_open(app))
            assert "The file has 1 mistake; a reload changes nothing" in lines_of(app)
            assert "udplb.toml:31" in lines_of(app)

    run(scenario)


@pytest.mark.parametrize(("key", "request_type"), [("S", Save), ("V", Revert)])
def test_drift_is_saved_and_reverted(key: str, request_type: type) -> None:
    async def scenario() -> None:
        client = FakeClient(scenes.busy())
        client.answers[Diff] = lambda request: difference()
        async with console_on(client) as (app, pilot, _):
            await pilot.press(key)
            await until(pilot, lambda: "nothing differs from the file" in screen_text(app))
            drift = (Touched(sentence="backend game/edge-3 drains", flows=1_204),)
            client.answers[Diff] = lambda request: difference(drift=drift)
            await pilot.press(key)
            await until(pilot, lambda: is_open(app))
            assert "edge-3 drains" in lines_of(app)
            assert "1,204 of 18,402 flows" in lines_of(app)
            await pilot.press("y")
            await until(pilot, client.changes)
            assert client.changes() == [request_type(generation=14)]

    run(scenario)


def test_flows_are_closed_by_a_filter_that_the_proxy_counts() -> None:
    async def scenario() -> None:
        client = FakeClient(scenes.busy(), rows=scenes.flow_rows(200))
        client.answers[CloseFlows] = lambda request: Closed(flows=200)
        async with console_on(client) as (app, pilot, _):
            app.acting.close_matching()
            await until(pilot, lambda: is_open(app))
            await type_in(pilot, "client=203.0.113.0/33")
            await until(pilot, lambda: "filter term" in lines_of(app))
            dialog_of(app).query_one("#field-filter", Input).value = "client=203.0.113.0/24"
            await until(pilot, lambda: "200 of 18,402 flows match now" in lines_of(app))
            assert "… and" not in lines_of(app)
            dialog_of(app).query_one("#accept", Button).focus()
            await pilot.press("y")
            await until(pilot, client.changes)
            assert client.changes() == [CloseFlows(filter="client=203.0.113.0/24")]
            await until(pilot, lambda: "200 flows closed" in screen_text(app))

    run(scenario)


def test_flows_that_came_to_match_are_shown_anew_with_the_filter_that_was_typed() -> None:
    async def scenario() -> None:
        client = FakeClient(scenes.named("first"), rows=scenes.flow_rows(100))

        def close(request: CloseFlows) -> Closed:
            if request.counted != len(client.rows):
                raise Refused("stale", "200 flows match by now, not 100; look again")
            return Closed(flows=200)

        client.answers[CloseFlows] = close
        async with console_on(client) as (app, pilot, _):
            app.acting.close_matching()
            await until(pilot, lambda: is_open(app))
            dialog_of(app).query_one("#field-filter", Input).value = "idle>1s"
            await until(pilot, lambda: "100 of 18,402 flows match now" in lines_of(app))
            client.rows = scenes.flow_rows(200)
            first = app.screen
            dialog_of(app).query_one("#accept", Button).focus()
            await pilot.press("y")
            await until(pilot, lambda: is_open(app) and app.screen is not first)
            await until(pilot, lambda: "200 of 18,402 flows match now" in lines_of(app))
            dialog_of(app).query_one("#accept", Button).focus()
            await pilot.press("y")
            await until(pilot, lambda: "200 flows closed" in screen_text(app))
            assert client.changes() == [
                CloseFlows(filter="idle>1s", counted=counted, engine="first")
                for counted in (100, 200)
            ]

    run(scenario)


def test_the_proxy_counts_when_the_filter_has_rested() -> None:
    async def scenario() -> None:
        client = FakeClient(scenes.busy(), rows=scenes.flow_rows(3))
        async with console_on(client) as (app, pilot, _):
            counting = on_flows.Counting(app, "idle>1s")
            told: list[None] = []
            counting.begin(app, lambda: told.append(None))
            assert counting.window("idle>1s") is None
            await until(pilot, lambda: counting.window("idle>1s"), "what stands there, at once")
            for text in ("idle>10", "idle>10s", "idle>", "idle>10m", "idle>10m rate>1"):
                assert counting.window(text) is None
                assert counting.window(text) is None, "a redraw is no key"
            await until(pilot, lambda: counting.window("idle>10m rate>1"))
            asked = [each.query.filter for each in client.asked if isinstance(each, Flows)]
            assert asked == ["idle>1s", "idle>10m rate>1"]
            assert len(told) == 2

    run(scenario)


def test_flows_of_an_engine_that_ended_are_not_closed_in_the_next() -> None:
    async def scenario() -> None:
        client = FakeClient(scenes.named("first"), rows=scenes.flow_rows(3))
        client.answers[CloseFlows] = lambda request: Closed(flows=1)
        async with console_on(client) as (app, pilot, _):
            await until(pilot, lambda: app.model.snapshot)
            app.acting._ask(lambda: on_flows.closing(app, [1], "", "first"))
            await until(pilot, lambda: is_open(app))
            await pilot.press("y")
            await until(pilot, client.changes)
            assert client.changes() == [CloseFlows(flows=(1,), engine="first")]
            client.show(scenes.named("second", at=2_000.0))
            await until(pilot, lambda: app.model.era == 1)
            plan = on_flows.closing(app, [1], "", "first")
            assert plan == "the proxy is another process now: these flows are gone"

    run(scenario)


def test_closing_more_than_a_quarter_needs_their_number() -> None:
    async def scenario() -> None:
        few = msgspec.structs.replace(scenes.busy().totals, flows=300)
        client = FakeClient(
            msgspec.structs.replace(scenes.busy(), totals=few), rows=scenes.flow_rows(200)
        )
        async with console_on(client) as (app, pilot, _):
            app.acting.close_matching()
            await until(pilot, lambda: is_open(app))
            await type_in(pilot, "idle>1s")
            await until(pilot, lambda: "200 of 300 flows" in lines_of(app))
            dialog_of(app).query_one("#accept", Button).focus()
            await pilot.press("y")
            await until(pilot, lambda: "type 200 to go on" in wrong_of(app))
            assert not client.changes()

    run(scenario)


def test_a_session_that_is_locked_stays_so() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            await pilot.press("L")
            await until(pilot, lambda: is_open(app))
            await pilot.press("y")
            await until(pilot, lambda: client.locked)
            await until(pilot, lambda: " RO " in screen_text(app))
            assert app.check_action("do", ("drain",)) is None, "grey"
            await pilot.press("D")
            await pilot.pause()
            assert not isinstance(app.screen, Dialog)
            assert not client.changes()

    run(scenario)


def test_a_proxy_that_knows_no_lock_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            monkeypatch.setattr(client, "lock", lambda: setattr(client, "read_only", True))
            await pilot.press("L")
            await until(pilot, lambda: is_open(app))
            await pilot.press("y")
            await until(pilot, lambda: "knows no lock; this console sees to it" in screen_text(app))
            await pilot.press("D")
            await pilot.pause()
            assert not client.changes()

    run(scenario)


def test_leaving_asks_where_the_proxy_would_end_with_it() -> None:
    async def scenario() -> None:
        async with console_on(leaving="It ends after 30 s.") as (app, pilot, _):
            for key in ("q", "ctrl+q"):
                await pilot.press(key)
                await until(pilot, lambda: is_open(app))
                assert "it stops forwarding. 18,402 live flows" in lines_of(app)
                assert "It ends after 30 s." in lines_of(app)
                await pilot.press("enter")
                await until(pilot, lambda: not isinstance(app.screen, Dialog))
            assert app.is_running
            await pilot.press("q")
            await until(pilot, lambda: is_open(app))
            await pilot.press("y")
            await until(pilot, lambda: not app.is_running)

    run(scenario)


def test_leaving_a_proxy_elsewhere_asks_nothing() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, _):
            await pilot.press("q")
            await until(pilot, lambda: not app.is_running)

    run(scenario)


def test_the_end_of_a_drain_is_announced() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            await until(pilot, lambda: any(each.request.events for each in client.streams))
            client.tell(
                BackendDrained(
                    at=NOW, cluster="game", backend="edge-3", address="10.0.0.13:5000", took_s=48.0
                )
            )
            await until(pilot, lambda: "is drained, after 48s" in screen_text(app))

    run(scenario)


def test_nothing_is_changed_while_the_proxy_is_lost() -> None:
    from udplb.client import Lost

    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            client.put(Lost(at=NOW, why="connection refused", retry_in_s=3.0))
            await until(pilot, lambda: app.model.link.state == "lost")
            assert app.check_action("do", ("drain",)) is None
            await pilot.press("A", "R", "S")
            await pilot.pause()
            assert not isinstance(app.screen, Dialog)

    run(scenario)


def test_a_target_whose_cluster_falls_meanwhile_needs_the_word() -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            app.act_on("drain", EDGE_1)
            await until(pilot, lambda: is_open(app))
            assert not dialog_of(app).query_one("#guard").display
            client.show(msgspec.structs.replace(alone(scenes.busy()), at=2_000.0))
            await until(pilot, lambda: dialog_of(app).query_one("#guard").display)
            await pilot.press("y")
            await until(pilot, lambda: "type game to go on" in wrong_of(app))
            assert not client.changes()

    run(scenario)


@pytest.mark.parametrize("weight", ["0", "00", "0000"])
def test_a_weight_of_nothing_is_nothing_however_it_is_spelled(weight: str) -> None:
    async def scenario() -> None:
        client = FakeClient(alone(scenes.busy()))
        async with console_on(client) as (app, pilot, _):
            app.act_on("weight", EDGE_1)
            await until(pilot, lambda: is_open(app))
            dialog_of(app).query_one("#field-weight", Input).value = weight
            dialog_of(app).query_one("#accept", Button).focus()
            await pilot.press("y")
            await until(pilot, lambda: "type game to go on" in wrong_of(app))
            assert not client.changes()

    run(scenario)


@pytest.mark.parametrize(("deadline", "wrong"), [("0s", "a moment at least"), ("1s", "type 4702")])
def test_a_deadline_that_cuts_many_off_needs_their_number(deadline: str, wrong: str) -> None:
    async def scenario() -> None:
        async with console_on() as (app, pilot, client):
            app.act_on("drain", EDGE_1)
            await until(pilot, lambda: is_open(app))
            dialog_of(app).query_one("#field-deadline", Input).value = deadline
            way = "close" if deadline == "1s" else "move"
            dialog_of(app).query_one("#field-then", Input).value = way
            dialog_of(app).query_one("#accept", Button).focus()
            await pilot.press("y")
            await until(pilot, lambda: wrong in wrong_of(app))
            assert not client.changes()

    run(scenario)


def test_flows_are_not_closed_before_they_are_counted() -> None:
    async def scenario() -> None:
        client = FakeClient(scenes.busy(), rows=scenes.flow_rows(200))

        def refuse(request: Any) -> object:
            raise Refused("busy", "4 requests wait already")

        client.answers[Flows] = refuse
        async with console_on(client) as (app, pilot, _):
            app.acting.close_matching()
            await until(pilot, lambda: is_open(app))
            dialog_of(app).query_one("#field-filter", Input).value = "rate>0"
            await until(pilot, lambda: "4 requests wait already" in lines_of(app))
            dialog_of(app).query_one("#accept", Button).focus()
            await pilot.press("y")
            await until(pilot, lambda: "not before they are counted" in wrong_of(app))
            assert not client.changes()

    run(scenario)


def test_a_question_to_one_process_is_not_put_to_another() -> None:
    async def scenario() -> None:
        client = scenes.proxy()
        async with console_on(client) as (app, pilot, _):
            app.acting._ask(lambda: on_flows.closing(app, [7_000], "", ""))
            await until(pilot, lambda: is_open(app))
            # In a container the number of the process is the same again.
            client.show(msgspec.structs.replace(scenes.busy(step=1), up_s=1.0))
            await until(pilot, lambda: app.model.era == 1)
            await pilot.press("y")
            await until(pilot, lambda: "another process" in wrong_of(app))
            assert not client.changes()

    run(scenario)


def test_whoever_types_on_while_an_answer_is_awaited_asks_once() -> None:
    release = threading.Event()

    async def scenario() -> None:
        client = FakeClient(scenes.busy())

        def late(request: Any) -> object:
            release.wait(10)
            return Done(sentences=("done",), generation=15)

        client.answers[SetWeight] = late
        async with console_on(client) as (app, pilot, _):
            app.act_on("weight", EDGE_1)
            await until(pilot, lambda: is_open(app))
            dialog_of(app).query_one("#accept", Button).focus()
            await pilot.press("y")
            await until(pilot, client.changes)
            await until(pilot, lambda: "asking" in wrong_of(app))
            dialog_of(app).query_one("#field-weight", Input).value = "7"
            await pilot.press("y", "y")
            release.set()
            await until(pilot, lambda: not isinstance(app.screen, Dialog))
            assert len(client.changes()) == 1

    run(scenario)
