"""When each backend is probed: pure, under a clock and a chance of the test's own."""

from __future__ import annotations

import random
from itertools import cycle, pairwise
from math import inf

import pytest

from udplb.engine.probes.schedule import (
    FIRST_WITHIN_S,
    JITTER_MAX,
    STALE_MIN,
    Place,
    Schedule,
)

MANY = 1_000_000


def never() -> float:
    """A chance that takes nothing away."""
    return 0.0


def most() -> float:
    """A chance that takes as much away as there is."""
    return 1.0 - 2**-53


def start_all(schedule: Schedule[Place], now: float) -> list[Place]:
    """Whoever starts at this moment."""
    assert schedule.advance(now, MANY) == []
    started = []
    while (place := schedule.start_next(now)) is not None:
        started.append(place)
    return started


def run(schedule: Schedule[Place], until: float, takes: float) -> list[float]:
    """When the probes of one place start, each of which takes so long."""
    starts: list[float] = []
    ends: list[tuple[float, Place]] = []
    now = 0.0
    while now < until:
        if ends and ends[0][0] <= now:
            _, place = ends.pop(0)
            if place.running:
                schedule.ended(now, place)
        for place in schedule.advance(now, MANY):
            schedule.ended(now, place)
            ends.clear()
        while (started := schedule.start_next(now)) is not None:
            starts.append(now)
            ends.append((now + takes, started))
        coming = [schedule.next_time(now), *(at for at, _ in ends)]
        now = max(min(coming), now)
    return starts


@pytest.mark.parametrize(("interval", "within"), [(5.0, FIRST_WITHIN_S), (0.25, 0.25)])
def test_first_probes_are_spread(interval: float, within: float) -> None:
    schedule: Schedule[Place] = Schedule(random.Random(1).random)
    for _ in range(200):
        schedule.enter(10.0, Place(interval, 1.0))
    assert 10.0 <= schedule.next_time(10.0) < 10.0 + within / 20
    assert 80 <= len(start_all(schedule, 10.0 + within / 2)) <= 120
    assert 80 <= len(start_all(schedule, 10.0 + within)) <= 120


@pytest.mark.parametrize("seed", range(5))
def test_chance_only_shortens_an_interval(seed: int) -> None:
    schedule: Schedule[Place] = Schedule(random.Random(seed).random)
    schedule.enter(0.0, Place(10.0, 2.0))
    starts = run(schedule, 5_000.0, takes=0.1)
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert len(gaps) > 500
    assert max(gaps) <= 10.0
    assert min(gaps) >= 10.0 * (1 - JITTER_MAX)
    assert 8.9 < sum(gaps) / len(gaps) < 9.1


@pytest.mark.parametrize(("chance", "gap"), [(never, 10.0), (most, 8.0)])
def test_the_whole_jitter(chance: object, gap: float) -> None:
    assert callable(chance)
    schedule: Schedule[Place] = Schedule(chance)
    schedule.enter(0.0, Place(10.0, 2.0))
    starts = run(schedule, 50.0, takes=0.1)
    assert starts[1] - starts[0] == pytest.approx(gap)


@pytest.mark.parametrize(
    ("timeout", "takes", "gap"),
    [
        (2.0, 0.1, 10.0),
        (2.0, MANY, 10.0),
        (10.0, MANY, 10.0),
        (30.0, 0.1, 10.0),
        (30.0, 10.0, 10.0),
        (30.0, 15.0, 15.0),
        (30.0, MANY, 30.0),
    ],
)
def test_the_next_starts_an_interval_later_or_when_the_last_ends(
    timeout: float, takes: float, gap: float
) -> None:
    schedule: Schedule[Place] = Schedule(never)
    schedule.enter(0.0, Place(10.0, timeout))
    starts = run(schedule, 100.0, takes)
    assert starts == pytest.approx([gap * number for number in range(len(starts))])
    assert len(starts) == pytest.approx(100 / gap, abs=1)


def test_a_probe_has_its_time_and_no_more() -> None:
    schedule: Schedule[Place] = Schedule(never)
    place = Place(10.0, 2.0)
    schedule.enter(0.0, place)
    assert start_all(schedule, 0.0) == [place]
    assert schedule.next_time(0.0) == 2.0
    assert schedule.advance(1.999, MANY) == []
    assert schedule.advance(2.0, MANY) == [place]
    schedule.ended(2.0, place)
    assert schedule.next_time(2.0) == 10.0
    assert schedule.advance(9.0, MANY) == []
    assert schedule.start_next(9.0) is None


def test_times_are_looked_at_in_slices() -> None:
    schedule: Schedule[Place] = Schedule(never)
    for _ in range(10):
        schedule.enter(0.0, Place(10.0, 2.0))
    assert schedule.advance(0.0, 4) == []
    assert [schedule.start_next(0.0) is not None for _ in range(5)] == [True] * 4 + [False]
    assert schedule.next_time(0.0) == 0.0, "six more are due"
    assert len(start_all(schedule, 0.0)) == 6
    assert len(schedule.advance(2.0, 4)) == 4
    assert len(schedule.advance(2.0, MANY)) == 6


@pytest.mark.parametrize("places", [2, 3, 4])
def test_only_so_many_run_and_the_others_wait_in_line(places: int) -> None:
    schedule: Schedule[Place] = Schedule(never, running_max=3)
    all_places = [Place(10.0, 2.0) for _ in range(places)]
    for place in all_places:
        schedule.enter(0.0, place)
    assert start_all(schedule, 0.0) == all_places[:3]
    assert schedule.running == min(3, places)
    assert schedule.start_next(0.0) is None
    if places == 4:
        assert schedule.next_time(0.0) == 2.0, "no busy waiting while enough run"
        schedule.ended(1.0, all_places[1])
        assert schedule.next_time(1.0) == 1.0
        assert start_all(schedule, 1.0) == all_places[3:]


def test_the_longest_waiting_is_first() -> None:
    schedule: Schedule[Place] = Schedule(never, running_max=1)
    first, second, third = (Place(0.1, 60.0) for _ in range(3))
    for place in (first, second, third):
        schedule.enter(0.0, place)
    order, now = [], 0.0
    for _ in range(9):
        (started,) = start_all(schedule, now)
        order.append(started)
        now += 1.0
        schedule.ended(now, started)
    assert order == [first, second, third] * 3


def test_whoever_left_has_no_turn() -> None:
    schedule: Schedule[Place] = Schedule(never, running_max=1)
    running, in_line, to_come = (Place(10.0, 2.0) for _ in range(3))
    schedule.enter(0.0, running)
    schedule.enter(0.0, in_line)
    assert start_all(schedule, 0.0) == [running]
    schedule.enter(1.0, to_come)
    for place in (running, in_line, to_come):
        schedule.leave(place)
    assert schedule.running == 0
    assert schedule.next_time(1.0) == inf
    assert start_all(schedule, 100.0) == []


def test_entries_that_are_not_valid_do_not_pile_up() -> None:
    """A timeout far above the interval leaves one behind with each reply."""
    schedule: Schedule[Place] = Schedule(never)
    place = Place(0.1, 60.0)
    schedule.enter(0.0, place)
    now = 0.0
    for _ in range(1_000):
        assert start_all(schedule, now) == [place]
        schedule.advance(now + 0.1, MANY)
        now += 0.15
        schedule.ended(now, place)
    assert len(schedule._times) <= 2 + STALE_MIN + 1


def test_any_course_of_things_keeps_the_books() -> None:
    """Random inputs: whoever is in is started in the end, and never twice at a time."""
    chance = random.Random(7)
    schedule: Schedule[Place] = Schedule(chance.random, running_max=5)
    inside: list[Place] = []
    now = 0.0
    started_at: dict[Place, float] = {}
    for step in cycle(range(7)):
        now += chance.random() / 4
        match step if chance.random() < 0.7 else chance.randrange(7):
            case 0 if len(inside) < 20:
                inside.append(Place(chance.choice([0.5, 2.0]), chance.choice([0.2, 1.0, 3.0])))
                schedule.enter(now, inside[-1])
            case 1 if len(inside) > 10:
                place = inside.pop(chance.randrange(len(inside)))
                schedule.leave(place)
                started_at.pop(place, None)
            case 2 | 3:
                while (place := schedule.start_next(now)) is not None:  # type: ignore[assignment]
                    assert place in inside
                    started_at[place] = now
            case 4:
                running = [place for place in inside if place.running]
                if running:
                    schedule.ended(now, chance.choice(running))
            case _:
                for place in schedule.advance(now, chance.choice([1, 100])):
                    assert place.running
                    assert now >= started_at[place] + place.timeout
                    schedule.ended(now, place)
        assert schedule.running == sum(place.running for place in inside) <= 5
        assert schedule.next_time(now) < inf or not inside or schedule.running == 5
        if now > 300:
            break
    assert all(now - started_at[place] < 10 for place in inside if place in started_at)
    assert len(started_at) >= len(inside) - 3
