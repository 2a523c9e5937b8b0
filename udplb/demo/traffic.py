"""The process of the demo's backends and clients: console and engine share another one.

It is run as `python -m udplb.demo.traffic`, takes orders from its standard input and reports on its
standard output, both as `messages.py` says. The end of its input is its own end, at once: so it
never outlives the demo, however that ended.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import msgspec

from udplb import __version__
from udplb.demo.acts import Timeline
from udplb.demo.cast import has_many_hosts
from udplb.demo.messages import Bound, Counted, Finish, Order, Report, line_of, read_order
from udplb.demo.operator import Operator
from udplb.demo.play import REPLY_TIME_S, Answer, Play, open_servers
from udplb.demo.zone import Zone

REPORT_EVERY_S = 0.25
LOOK_EVERY_S = 0.01
"""At the end: whether all replies are in."""


def main(
    source: BinaryIO, sink: BinaryIO, spoil: Callable[[Answer], Answer] = lambda answer: answer
) -> NoReturn:
    """Play until an order or the end of `source` ends it. `spoil` makes bad backends."""
    # Who presses ^C means the demo, which ends this process when it does not need it any more.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_Traffic(source, sink, spoil).run())
        # A thread still reads the orders, another may still ask the proxy: wait for neither.
        os._exit(0)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where the platform has it: it costs less."""
    try:
        from uvloop import new_event_loop  # noqa: PLC0415 - optional
    except ImportError:
        return None
    return new_event_loop


class _Traffic:
    """Orders come in from a thread, which is the one that waits for them."""

    def __init__(self, source: BinaryIO, sink: BinaryIO, spoil: Callable[[Answer], Answer]) -> None:
        self._source = source
        self._sink = sink
        self._spoil = spoil

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(_fail)
        orders: asyncio.Queue[Order] = asyncio.Queue()
        chance, zone = random.Random(), Zone()
        servers = open_servers(self._loop, zone, chance, self._spoil)
        threading.Thread(target=self._listen, args=(orders,), daemon=True).start()
        ports = {name: server.port for name, server in servers.items()}
        self._tell(Bound(ports=ports, many_hosts=has_many_hosts()))
        order = await orders.get()
        if isinstance(order, Finish):
            return
        timeline = Timeline(self._loop.time(), speed=order.speed) if order.acts else None
        operator = Operator(Path(order.control_socket), order.speed)
        play = Play(
            self._loop,
            servers,
            order.listeners,
            zone,
            chance,
            timeline=timeline,
            operator=operator,
            speed=order.speed,
        )
        play.begin()
        while not isinstance(await self._next(orders), Finish):
            self._tell(Counted(tally=play.tally))
        play.stop_sending()
        deadline = self._loop.time() + REPLY_TIME_S
        while not play.satisfied and self._loop.time() < deadline:
            await asyncio.sleep(LOOK_EVERY_S)
        self._tell(Counted(tally=play.tally, final=True))
        play.close()

    async def _next(self, orders: asyncio.Queue[Order]) -> Order | None:
        """The next order; None if there is none for a while."""
        try:
            return await asyncio.wait_for(orders.get(), REPORT_EVERY_S)
        except TimeoutError:
            return None

    def _listen(self, orders: asyncio.Queue[Order]) -> None:
        """In a thread: wait for orders, and for the end."""
        try:
            for line in self._source:
                self._loop.call_soon_threadsafe(orders.put_nowait, read_order(line))
        except (msgspec.DecodeError, RuntimeError) as error:
            print(f"cannot go on: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(0)  # nobody is there any more; the system closes what is open

    def _tell(self, report: Report) -> None:
        try:
            self._sink.write(line_of(report))
            self._sink.flush()
        except OSError:
            os._exit(0)


def _fail(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Something raised that must not: end loudly, or the play would go on without it."""
    loop.default_exception_handler(context)
    sys.stderr.flush()
    os._exit(1)


if __name__ == "__main__":
    if sys.argv[1:] not in ([], [__version__]):
        sys.exit(f"udplb {__version__} is installed by now, and another one runs; start it again")
    main(sys.stdin.buffer, sys.stdout.buffer)
