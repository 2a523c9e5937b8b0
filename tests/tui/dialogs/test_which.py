"""Which backend: an explanation that follows what is typed."""

from __future__ import annotations

import threading
from collections.abc import Callable

from textual.widgets import Input

from tests.tui import scenes
from tests.tui.driving import console_on, run, screen_text, type_in
from tests.tui.fake_proxy import FakeClient
from tests.tui.waiting import settle, until
from udplb.client import Refused
from udplb.engine.control.requests import WITHOUT_MAX, Explain, Explanation
from udplb.tui.console import Console
from udplb.tui.dialogs.which import WhichDialog, ask_which


def explained(request: Explain) -> Explanation:
    return Explanation(
        listener=request.listener, client=request.client, cluster="game", balance="hrw",
        affinity=None, hash_key=None, hash=None, ranked=(), barred=None, flows=(),
        chosen="edge-1", why="it scores most", last_drop=None,
    )  # fmt: skip


def proxy(answer: Callable[[Explain], object] = explained) -> FakeClient:
    client = FakeClient(scenes.busy())
    client.answers[Explain] = answer
    return client


def asked(client: FakeClient) -> list[Explain]:
    return [each for each in client.asked if isinstance(each, Explain)]


def has(app: Console, text: str) -> Callable[[], bool]:
    return lambda: text in screen_text(app)


def test_it_asks_for_what_is_missing_and_then_the_proxy() -> None:
    async def scenario() -> None:
        async with console_on(proxy()) as (app, pilot, client):
            ask_which(app)
            await until(pilot, has(app, "a listener and a client are needed"))
            assert app.screen.query_one("#which-listener", Input).value == "game"
            assert app.screen.query_one("#which-client", Input).has_focus
            await type_in(pilot, "192.0.2.1")
            await until(pilot, has(app, "A new flow goes to edge-1: it scores most"))
            whole = Explain(listener="game", client="192.0.2.1")
            await until(pilot, lambda: asked(client)[-1] == whole)
            await pilot.press("enter")
            await type_in(pilot, "edge-1, edge-2")
            await until(pilot, has(app, "as if edge-1 and edge-2 were down"))
            await pilot.press("escape")
            await until(pilot, lambda: not isinstance(app.screen, WhichDialog))

    run(scenario)


def test_what_is_known_is_asked_at_once_and_again_while_it_is_open() -> None:
    async def scenario() -> None:
        async with console_on(proxy()) as (app, pilot, client):
            ask_which(app, "dns", "192.0.2.1:5")
            await until(pilot, has(app, "Client 192.0.2.1:5 on listener dns"))
            assert app.screen.query_one("#which-without", Input).has_focus
            await until(pilot, lambda: len(asked(client)) >= 3)

    run(scenario)


def test_a_refusal_is_shown_in_its_place() -> None:
    def refuse(request: Explain) -> object:
        raise Refused("bad_request", "client: \x1b[2J is no address")

    async def scenario() -> None:
        async with console_on(proxy(refuse)) as (app, pilot, _client):
            ask_which(app, "game", "nonsense")
            await until(pilot, has(app, "client: \\x1b[2J is no address"))

    run(scenario)


def test_an_answer_to_what_is_no_longer_typed_is_not_shown() -> None:
    gate = threading.Event()

    def late(request: Explain) -> object:
        assert gate.wait(10)
        return explained(request)

    async def scenario() -> None:
        async with console_on(proxy(late)) as (app, pilot, client):
            ask_which(app, "game", "192.0.2.1")
            await until(pilot, lambda: asked(client))
            app.screen.query_one("#which-client", Input).value = ""
            await until(pilot, has(app, "a listener and a client are needed"))
            gate.set()
            await settle(pilot, client)
            assert "a listener and a client are needed" in screen_text(app)

    run(scenario)


def test_more_backends_than_can_be_left_out_are_not_asked_about() -> None:
    async def scenario() -> None:
        async with console_on(proxy()) as (app, pilot, client):
            ask_which(app, "game", "192.0.2.1:5")
            await until(pilot, has(app, "Client 192.0.2.1:5"))
            app.screen.query_one("#which-without", Input).value = "b " * (WITHOUT_MAX + 1)
            await until(pilot, has(app, f"at most {WITHOUT_MAX} backends can be left out"))
            assert all(len(each.without) <= WITHOUT_MAX for each in asked(client))

    run(scenario)
