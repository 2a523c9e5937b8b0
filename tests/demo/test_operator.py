"""The operator goes through the control socket, as anybody does."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.demo.ground import run, until
from tests.harness import configuration, proxy
from udplb.demo.acts import PutBack, TakeOut
from udplb.demo.operator import Operator


def test_it_drains_and_puts_back(tmp_path: Path) -> None:
    place = tmp_path / "s"
    settings = configuration(("127.0.0.1", 9), ("127.0.0.1", 19))
    with proxy(settings, control_socket=place) as running:

        async def play() -> None:
            operator = Operator(place, speed=10.0)
            operator.order(TakeOut("c/b0", 600.0))
            await until(lambda: running.backends[0].draining)
            drain = running.backends[0].drain
            assert drain is not None
            assert drain.way == "move"
            assert drain.deadline_s is not None
            assert 30 < drain.deadline_s <= 60
            operator.order(PutBack("c/b0"))
            await until(lambda: not running.backends[0].draining)

        run(play())


def test_what_cannot_be_done_harms_nobody(tmp_path: Path) -> None:
    """No proxy, or one whose backend is gone by now."""

    async def play(place: Path) -> None:
        operator = Operator(place)
        operator.order(TakeOut("c/gone", 1.0))
        operator.order(PutBack("c/gone"))
        tasks = tuple(operator._tasks)
        assert len(tasks) == 2
        await asyncio.gather(*tasks)  # raises what they raised
        await until(lambda: not operator._tasks)

    run(play(tmp_path / "nobody"))
    settings = configuration(("127.0.0.1", 9))
    with proxy(settings, control_socket=tmp_path / "s") as running:
        run(play(tmp_path / "s"))
        assert not running.backends[0].draining
