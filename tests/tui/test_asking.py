"""Asking: answers come back where they belong, and nobody waits for one that does not come."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from tests.harness import until
from tests.tui import scenes
from tests.tui.fake_proxy import FakeClient
from udplb.client import Refused
from udplb.engine.control.requests import Done, Save, Status
from udplb.tui.asking import Asker


def test_answers_and_refusals_are_delivered() -> None:
    calls: queue.Queue[Callable[[], None]] = queue.Queue()
    asker = Asker(FakeClient(scenes.busy()), calls.put)
    answers: list[object] = []
    errors: list[Exception] = []
    asker.ask(Save(), answers.append, errors.append)
    asker.ask(Status(), answers.append, errors.append)
    assert asker.under_way == 2
    for _ in range(2):
        calls.get(timeout=10)()
    assert asker.under_way == 0
    assert [type(each) for each in answers] == [Done]
    assert [type(each) for each in errors] == [Refused]


def test_a_proxy_that_hangs_keeps_nobody_from_leaving() -> None:
    release = threading.Event()
    client = FakeClient(scenes.busy())

    def hang(request: Save) -> object:
        release.wait(30)
        return Done(sentences=(), generation=1)

    client.answers[Save] = hang
    asker = Asker(client, lambda call: None)
    asker.ask(Save(), lambda answer: None, lambda error: None)
    asking = [each for each in threading.enumerate() if each.name == "udplb-asking"]
    assert asking
    assert all(each.daemon for each in asking), "the process does not wait for it"
    release.set()
    until(lambda: not any(each.is_alive() for each in asking))
