"""Rankings for many: one share of the time for all, taken in turns, and nothing for nobody."""

from __future__ import annotations

import asyncio
import gc
import heapq
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

import pytest

from tests.engine.test_ranking import NOW, flow, listener
from udplb.core.flow import Flow, State
from udplb.engine.ranking import GOOD_FOR_S, FlowQuery
from udplb.engine.rankings import Rankings
from udplb.engine.snapshot import FlowWindow
from udplb.engine.walk import LOOP_SHARE, SAVED_MAX_S, SLICE_S

LOOK_S = 0.000_1
"""What a look at the clock costs: time passes with the work."""


class Timer:
    """What `call_later` gives."""

    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None

    def __lt__(self, other: Timer) -> bool:
        return self.at < other.at


class Ground:
    """Rankings on a loop whose time is the test's."""

    def __init__(self, *listeners: Any) -> None:
        self.now = NOW
        self.worked = 0.0
        self.longest = 0.0
        self.turns = 0
        self.timers: list[Timer] = []
        self.listeners = list(listeners)
        self.rankings = Rankings(cast("Any", self), self.clock, self.these)

    def clock(self) -> float:
        self.now += LOOK_S
        return self.now

    def these(self) -> Sequence[Any]:
        self.turns += 1
        return self.listeners

    # What rankings need of a loop

    def call_later(self, delay: float, call: Callable[[], None]) -> Timer:
        timer = Timer(self.now + delay, call)
        heapq.heappush(self.timers, timer)
        return timer

    def create_future(self) -> asyncio.Future[FlowWindow]:
        return asyncio.get_running_loop().create_future()

    # Time

    @property
    def idle(self) -> bool:
        return not any(timer.call for timer in self.timers)

    def fire(self) -> None:
        """Let time pass until the next timer."""
        timer = heapq.heappop(self.timers)
        if timer.call is None:
            return
        self.now = max(self.now, timer.at)
        began = self.now
        timer.call()
        self.worked += self.now - began
        self.longest = max(self.longest, self.now - began)

    def until(self, reached: Callable[[], bool], most: int = 100_000) -> None:
        for _ in range(most):
            if reached():
                return
            self.fire()
        raise AssertionError("it does not come")

    async def answer(self, asking: Coroutine[Any, Any, FlowWindow]) -> FlowWindow:
        task = asyncio.ensure_future(asking)
        await asyncio.sleep(0)
        while not task.done():
            self.fire()
            await asyncio.sleep(0)
        return task.result()


def flows(count: int, first: int = 1) -> list[Flow]:
    return [flow(serial) for serial in range(first, first + count)]


def test_nothing_runs_while_nobody_asks() -> None:
    ground = Ground(listener("l", flows(500)))
    assert ground.idle
    watch = ground.rankings.watch(FlowQuery())
    assert not ground.idle
    assert len(ground.rankings) == 1
    ground.until(lambda: watch.window is not None)
    watch.close()
    assert ground.idle
    assert len(ground.rankings) == 0
    watch.close()
    assert watch.window is not None, "the last one stays with whoever has it"


def test_a_watch_is_renewed_every_two_seconds() -> None:
    ground = Ground(listener("l", flows(500)))
    watch = ground.rankings.watch(FlowQuery())
    assert watch.window is None
    assert watch.query == FlowQuery()
    ages: list[float] = []
    for _ in range(5):
        before = watch.window
        ground.until(lambda: watch.window is not before)
        assert watch.window is not None
        assert watch.window.matched == 500
        if before is not None:
            ages.append(watch.window.at - before.at)
    assert all(GOOD_FOR_S <= age < GOOD_FOR_S + 0.5 for age in ages)


def test_who_asks_the_same_shares_one_ranking() -> None:
    ground = Ground(listener("l", flows(500)))
    first = ground.rankings.watch(FlowQuery(sort="age"))
    second = ground.rankings.watch(FlowQuery(sort="age"))
    other = ground.rankings.watch(FlowQuery(sort="age", limit=3))
    assert len(ground.rankings) == 2
    ground.until(lambda: first.window is not None and other.window is not None)
    assert second.window is first.window
    first.close()
    first.close()
    assert len(ground.rankings) == 2
    before = second.window
    ground.until(lambda: second.window is not before)
    second.close()
    assert len(ground.rankings) == 1


def test_all_together_take_their_share_of_the_time_in_short_slices() -> None:
    ground = Ground(listener("l", flows(2_000)))
    watches = [ground.rankings.watch(FlowQuery(limit=n)) for n in range(1, 33)]
    began = ground.now
    ground.until(lambda: all(watch.window is not None for watch in watches))
    # A turn looks at the clock around its slice, too, and so does the timer.
    assert ground.worked <= LOOP_SHARE * 1.5 * (ground.now - began) + 1.5 * SAVED_MAX_S
    assert ground.longest <= SLICE_S * 1.5


def test_they_take_turns() -> None:
    """A small question is answered before a large one, though it came second."""
    ground = Ground(listener("l", flows(5_000)))
    watches = [ground.rankings.watch(FlowQuery(limit=n)) for n in range(1, 11)]
    ended: list[int] = []
    for _ in range(100_000):
        ground.fire()
        ended += [n for n, each in enumerate(watches) if each.window is not None and n not in ended]
        if len(ended) == len(watches):
            break
    finished = [watch.window.at for watch in watches if watch.window is not None]
    assert max(finished) - NOW < 1.2 * (min(finished) - NOW), "all end at about the same time"
    small = Ground(listener("l", flows(20_000)), listener("few", flows(40, 50_000)))
    large = small.rankings.watch(FlowQuery())
    few = small.rankings.watch(FlowQuery(listener="few"))
    small.until(lambda: few.window is not None)
    assert large.window is None
    assert few.window is not None
    assert few.window.matched == 40


def test_one_that_rests_takes_no_turns() -> None:
    ground = Ground(listener("few", flows(10)), listener("l", flows(20_000, 100)))
    few = ground.rankings.watch(FlowQuery(listener="few"))
    ground.until(lambda: few.window is not None)
    ground.turns, before = 0, few.window
    ground.until(lambda: few.window is not before)
    assert ground.turns <= 5, "in two seconds"
    large = ground.rankings.watch(FlowQuery(limit=3))
    ground.turns = 0
    ground.until(lambda: large.window is not None)
    # Each looks at the clock once a step, and so a slice has a known length.
    with_another, alone = ground.turns, Ground(*ground.listeners)
    large = alone.rankings.watch(FlowQuery(limit=3))
    alone.until(lambda: large.window is not None)
    assert with_another <= alone.turns + 10


def test_a_new_one_does_not_wait_for_the_rest_of_the_others() -> None:
    ground = Ground(listener("l", flows(100)))
    first = ground.rankings.watch(FlowQuery())
    ground.until(lambda: first.window is not None)
    began = ground.now
    second = ground.rankings.watch(FlowQuery(limit=3))
    ground.until(lambda: second.window is not None)
    assert ground.now - began < GOOD_FOR_S / 2


def test_asking_again_and_again_wins_no_more_of_the_time() -> None:
    ground = Ground(listener("l", flows(300)))
    began = ground.now
    for number in range(200):
        watch = ground.rankings.watch(FlowQuery(limit=number))
        ground.fire()
        watch.close()
    assert ground.worked <= LOOP_SHARE * 1.5 * (ground.now - began) + 1.5 * SAVED_MAX_S


async def answered(ground: Ground, query: FlowQuery) -> FlowWindow:
    return await ground.answer(ground.rankings.once(query))


def test_a_request_gets_a_window_of_its_own_time() -> None:
    async def main() -> None:
        ground = Ground(listener("l", flows(500)))
        window = await answered(ground, FlowQuery(limit=7))
        assert (len(window.rows), window.matched) == (7, 500)
        assert ground.idle
        assert len(ground.rankings) == 0
        ground.listeners.append(listener("new", flows(10, 1_000)))
        assert (await answered(ground, FlowQuery(limit=7))).matched == 510

    asyncio.run(main())


def test_a_request_takes_the_window_of_a_watch_while_it_is_fresh() -> None:
    async def main() -> None:
        ground = Ground(listener("l", flows(500)))
        watch = ground.rankings.watch(FlowQuery())
        ground.until(lambda: watch.window is not None)
        assert await ground.rankings.once(FlowQuery()) is watch.window
        before = watch.window
        assert before is not None
        ground.now = before.at + GOOD_FOR_S
        assert await answered(ground, FlowQuery()) is watch.window is not before
        assert len(ground.rankings) == 1

    asyncio.run(main())


def test_requests_for_the_same_share_one_walk_and_one_may_give_up() -> None:
    async def main() -> None:
        ground = Ground(listener("l", flows(3_000)))
        tasks = [asyncio.ensure_future(ground.rankings.once(FlowQuery())) for _ in range(3)]
        await asyncio.sleep(0)
        assert len(ground.rankings) == 1
        ground.fire()
        tasks[0].cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        while not tasks[1].done():
            ground.fire()
            await asyncio.sleep(0)
        assert tasks[0].cancelled()
        assert await tasks[1] is await tasks[2]
        assert ground.idle

    asyncio.run(main())


def test_nothing_runs_for_requests_that_were_given_up() -> None:
    async def main() -> None:
        ground = Ground(listener("l", flows(3_000)))
        task = asyncio.ensure_future(ground.rankings.once(FlowQuery(sort="rate")))
        await asyncio.sleep(0)
        ground.fire()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ground.idle
        assert len(ground.rankings) == 0
        window = await answered(ground, FlowQuery(sort="rate"))
        assert window.matched == 3_000, "nor does what it left undone hold up the next one"

    asyncio.run(main())


def test_the_end_of_all_cancels_who_waits() -> None:
    async def main() -> None:
        ground = Ground(listener("l", flows(3_000)))
        ground.rankings.watch(FlowQuery(limit=5))
        task = asyncio.ensure_future(ground.rankings.once(FlowQuery()))
        await asyncio.sleep(0)
        ground.rankings.stop()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ground.idle
        assert len(ground.rankings) == 0

    asyncio.run(main())


def test_a_watch_that_is_closed_after_the_end_does_nothing() -> None:
    ground = Ground(listener("l", flows(10)))
    watch = ground.rankings.watch(FlowQuery())
    ground.rankings.stop()
    again = ground.rankings.watch(FlowQuery())
    watch.close()
    assert len(ground.rankings) == 1
    again.close()
    assert ground.idle


@pytest.mark.parametrize("query", [FlowQuery(filter="idle<5x"), FlowQuery(filter="x" * 300)])
def test_what_makes_no_sense_is_refused_and_leaves_nothing(query: FlowQuery) -> None:
    ground = Ground(listener("l", flows(10)))
    with pytest.raises(ValueError, match="filter"):
        ground.rankings.watch(query)
    with pytest.raises(ValueError, match="filter"):
        asyncio.run(ground.rankings.once(query))
    assert ground.idle
    assert len(ground.rankings) == 0


def test_rates_take_two_walks_once_for_all_who_ask() -> None:
    async def main() -> None:
        there = flows(300)
        for each in there:
            each.admitted_at = each._sampled_at = NOW - 10_000
            each.requests = 1_000_000 + each.id
        ground = Ground(listener("l", there))
        began = ground.now
        window = await answered(ground, FlowQuery(sort="rate"))
        assert ground.now - began >= 1.0
        assert all(row.rate == 0.0 for row in window.rows), "nothing came in this second"
        ground.now += 1.0
        began = ground.now
        await answered(ground, FlowQuery(filter="rate>3"))
        assert ground.now - began < 0.5

    asyncio.run(main())


def test_listeners_and_flows_come_and_go_between_slices() -> None:
    ground = Ground(listener("a", flows(3_000)))
    watch = ground.rankings.watch(FlowQuery(limit=1_000))
    for turn in range(400):
        ground.fire()
        if turn % 5 == 0:
            for each in [each for each in ground.listeners[0].manager.slab.places if each][::3]:
                ground.listeners[0].manager.slab.remove(each)
                each.state = State.CLOSED
        if turn % 20 == 0:
            ground.listeners.insert(0, listener(f"l{turn}", flows(1_000, 10_000 * (turn + 1))))
            del ground.listeners[3:]
        if turn % 90 == 0:
            ground.listeners.clear()
            ground.listeners.append(listener("last", flows(100, turn)))
    before = watch.window
    ground.until(lambda: watch.window is not before)
    assert watch.window is not None
    there = {each.name for each in ground.listeners}
    before = watch.window
    ground.until(lambda: watch.window is not before)
    assert {row.listener for row in watch.window.rows} <= there


def test_no_circle_is_left_behind() -> None:
    async def main() -> None:
        ground = Ground(listener("l", flows(3_000)))
        for query in (FlowQuery(), FlowQuery(sort="rate", filter='!edge idle<3 "b"')):
            ended = ground.rankings.watch(query)
            before = ended.window
            while ended.window is before:
                ground.fire()
            ended.close()
            begun = ground.rankings.watch(query)
            ground.fire()
            ground.fire()
            begun.close()
            await answered(ground, query)
        ground.timers.clear()

    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        asyncio.run(main())
        gc.collect()
        left = [type(each) for each in gc.garbage]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    # The ground refers to its rankings, and they to the ground's clock: that is the test's.
    ours = {each.__name__ for each in left if each.__module__.startswith("udplb")}
    assert not ours & {"_Asked", "Ranking", "Walk", "Watch", "FlowWindow", "Term", "Filter"}, ours
    assert not [each for each in left if each.__name__ == "generator"]
