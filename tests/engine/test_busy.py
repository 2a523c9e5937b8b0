"""Busy polling, on a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from tests.harness import Servers, Udp, configuration, proxy, with_engine
from udplb.engine.busy import BusyPolling


class Loop:
    """A loop that turns when it is told to, and a clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.soon: list[Callable[[], None]] = []

    def call_soon(self, call: Callable[[], None]) -> None:
        self.soon.append(call)

    def turn(self, takes_s: float = 0.0) -> None:
        self.now += takes_s
        called, self.soon = self.soon, []
        for call in called:
            call()


def polling(loop: Loop, for_s: float) -> BusyPolling:
    made = BusyPolling(cast("asyncio.AbstractEventLoop", loop), lambda: loop.now)
    made.for_s = for_s
    return made


def test_switched_off_it_asks_for_nothing() -> None:
    loop = Loop()
    polling(loop, 0.0).round_ended()
    assert loop.soon == []


def test_the_loop_turns_until_the_time_is_over() -> None:
    loop = Loop()
    polling(loop, 1.0).round_ended()
    for _ in range(3):
        loop.turn(0.3)
        assert len(loop.soon) == 1
    loop.turn(0.3)
    assert loop.soon == []


def test_each_round_begins_the_time_anew_and_there_is_one_turn_at_a_time() -> None:
    loop = Loop()
    busy = polling(loop, 1.0)
    for _ in range(5):
        busy.round_ended()
        loop.turn(0.9)
        assert len(loop.soon) == 1
    loop.turn(0.2)
    assert loop.soon == []
    busy.round_ended()
    assert len(loop.soon) == 1


def test_switched_off_meanwhile_it_ends() -> None:
    loop = Loop()
    busy = polling(loop, 1.0)
    busy.round_ended()
    busy.for_s = 0.0
    busy.round_ended()
    loop.turn(1.0)
    assert loop.soon == []


@pytest.mark.parametrize("later", [0.001, 0.0])
def test_a_proxy_forwards_with_it_and_rests_afterwards(later: float) -> None:
    with Servers() as servers:
        settings = configuration(*servers.names)
        with proxy(with_engine(settings, busy_poll=0.001 - later)) as p:
            busy = p.engine.forwarding.datapath.busy_polling
            assert busy.for_s == 0.001 - later
            client = Udp()
            assert client.ask(b"x", p.at) == b"x"
            p.change(with_engine(settings, busy_poll=later))
            assert busy.for_s == later
            for _ in range(20):
                assert client.ask(b"x", p.at) == b"x"
            p.until(lambda p: not busy._turning)
