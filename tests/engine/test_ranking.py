"""Rankings: the right rows, in slices, while flows come and go."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any

import pytest

from udplb.core.address import Address
from udplb.core.backend import Backend
from udplb.core.flow import Flow, State
from udplb.core.settings import BackendSettings, FlowTerms, HealthSettings
from udplb.core.slab import Slab
from udplb.engine.ranking import GOOD_FOR_S, WINDOW_MAX, FlowQuery, Ranking
from udplb.engine.snapshot import FlowWindow
from udplb.engine.walk import LOOP_SHARE, SLICE_FLOWS

NOW = 1_000.0
BACKENDS = [
    Backend(
        BackendSettings(address=Address(IPv4Address("10.0.0.1"), 53 + n), name=f"b{n}"),
        HealthSettings(),
        b"0",
    )
    for n in range(3)
]


def flow(serial: int) -> Flow:
    client = ("192.0.2.1", serial % 60_000 + 1)
    made = Flow(
        serial=serial,
        key=client,
        client=Address(IPv4Address(client[0]), client[1]),
        client_address=client,
        local=None,
        backend=BACKENDS[serial % 3],
        terms=FlowTerms(),
        now=NOW - serial,
    )
    made.requests = serial * 7 % 101
    made.request_bytes = serial * 13 % 1_009
    made.last_request_at = NOW - serial * 3 % 89
    return made


def listener(name: str, flows: Sequence[Flow]) -> Any:
    slab = Slab()
    for each in flows:
        slab.add(each)
    return SimpleNamespace(name=name, manager=SimpleNamespace(slab=slab))


def ranked(query: FlowQuery, *listeners: Any) -> FlowWindow:
    ranking = Ranking(query)
    for _ in range(10_000):
        ranking.slice(listeners, lambda: NOW)
        if ranking.window is not None:
            return ranking.window
    raise AssertionError("no end")


KEYS: dict[str, Callable[[Flow], float]] = {
    "bytes": lambda flow: flow.request_bytes + flow.reply_bytes,
    "datagrams": lambda flow: flow.requests + flow.replies,
    "age": lambda flow: NOW - flow.admitted_at,
    "idle": lambda flow: NOW - max(flow.last_request_at, flow.last_reply_at),
}


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("sort", ["bytes", "datagrams", "age", "idle"])
def test_sorts_by_every_key_both_ways(sort: Any, ascending: bool) -> None:
    flows = [flow(serial) for serial in range(1, 2_000)]
    window = ranked(FlowQuery(sort=sort, ascending=ascending, limit=50), listener("l", flows))
    key = KEYS[sort]
    by_id = {each.id: each for each in flows}
    values = [key(by_id[row.id]) for row in window.rows]
    assert values == sorted(map(key, flows), reverse=not ascending)[:50]
    assert window.matched == 1_999


def test_pages_are_disjoint_and_complete() -> None:
    listeners = [
        listener("a", [flow(n) for n in range(1, 300)]),
        listener("b", [flow(n) for n in range(300, 700)]),
    ]
    seen: list[int] = []
    for offset in range(0, 750, 50):
        window = ranked(FlowQuery(offset=offset, limit=50), *listeners)
        seen += [row.id for row in window.rows]
        assert window.matched == 699
    assert sorted(seen) == list(range(1, 700))


def test_filters_by_listener_and_backend() -> None:
    listeners = [
        listener("a", [flow(n) for n in range(1, 31)]),
        listener("b", [flow(n) for n in range(31, 91)]),
    ]
    assert ranked(FlowQuery(listener="a", limit=99), *listeners).matched == 30
    window = ranked(FlowQuery(backend="b1", limit=99), *listeners)
    assert {row.backend for row in window.rows} == {"b1"}
    assert window.matched == len(window.rows) == 30
    assert ranked(FlowQuery(backend="10.0.0.1:54", limit=99), *listeners).matched == 30
    assert ranked(FlowQuery(listener="c"), *listeners).matched == 0


@pytest.mark.parametrize(
    ("limit", "rows"),
    [(0, 0), (1, 1), (WINDOW_MAX, WINDOW_MAX), (WINDOW_MAX + 1, WINDOW_MAX), (-1, 0)],
)
def test_the_window_is_bounded(limit: int, rows: int) -> None:
    flows = [flow(n) for n in range(1, WINDOW_MAX + 100)]
    assert len(ranked(FlowQuery(limit=limit), listener("l", flows)).rows) == rows


@pytest.mark.parametrize("offset", [-1, -1_000, 10**9])
def test_odd_offsets_harm_nothing(offset: int) -> None:
    assert ranked(FlowQuery(offset=offset), listener("l", [flow(1)])).matched == 1


def test_a_slice_visits_a_bounded_number() -> None:
    class Counted(list[Any]):
        visited = 0

        def __getitem__(self, place: Any) -> Any:
            found = super().__getitem__(place)
            Counted.visited += len(found)
            return found

    one = listener("l", [flow(n) for n in range(1, 5_000)])
    one.manager.slab.places = Counted(one.manager.slab.places)
    ranking = Ranking(FlowQuery())
    for slices in range(1, 10):
        ranking.slice([one], lambda: NOW)
        assert Counted.visited <= slices * SLICE_FLOWS


def test_walks_take_a_small_share_of_the_time() -> None:
    at = [0.0]

    def clock() -> float:
        at[0] += 0.0005  # every look at the clock costs
        return at[0]

    ranking = Ranking(FlowQuery())
    one = listener("l", [flow(n) for n in range(1, 3_000)])
    while ranking.window is None:
        before = at[0]
        pause = ranking.slice([one], clock)
        assert pause * LOOP_SHARE >= (at[0] - before) * 0.3
        at[0] += pause


def test_a_finished_ranking_is_good_for_a_while() -> None:
    at = [0.0]
    ranking = Ranking(FlowQuery())
    flows = [flow(1)]
    one = listener("l", flows)
    while ranking.window is None:
        ranking.slice([one], lambda: at[0])
    first = ranking.window
    one.manager.slab.add(flow(2))
    at[0] = GOOD_FOR_S / 2
    assert ranking.slice([one], lambda: at[0]) == pytest.approx(GOOD_FOR_S / 2)
    assert ranking.window is first
    at[0] = GOOD_FOR_S
    while ranking.window is first:
        ranking.slice([one], lambda: at[0])
    assert ranking.window is not None
    assert ranking.window.matched == 2


@pytest.mark.parametrize("seed", range(20))
def test_flows_that_come_and_go_under_the_walk(seed: int) -> None:
    """Those that live through the walk are all counted; the dead show up nowhere."""
    chance = random.Random(seed)
    flows = [flow(n) for n in range(1, 3_000)]
    one = listener("l", flows)
    slab, live, staying = one.manager.slab, set(flows), set(chance.sample(flows, 1_000))
    ranking = Ranking(FlowQuery(sort="bytes", limit=1_000))
    serial = 10_000
    while ranking.window is None:
        ranking.slice([one], lambda: NOW)
        for gone in chance.sample(
            sorted(live - staying, key=lambda f: f.id), k=min(300, len(live - staying))
        ):
            slab.remove(gone)
            gone.state = State.CLOSED
            live.remove(gone)
        for _ in range(chance.randrange(200)):
            serial += 1
            new = flow(serial)
            slab.add(new)
            live.add(new)
    assert ranking.window.matched >= 1_000
    assert len({row.id for row in ranking.window.rows}) == len(ranking.window.rows)
    alive = {each.id for each in live}
    gone_at_the_end = [row.id for row in ranking.window.rows if row.id not in alive]
    assert len(gone_at_the_end) <= 300, "at most those of the last pause"


def test_an_emptied_slab_ends_the_walk() -> None:
    flows = [flow(n) for n in range(1, 3_000)]
    one = listener("l", flows)
    ranking = Ranking(FlowQuery())
    ranking.slice([one], lambda: NOW)
    for each in flows:
        one.manager.slab.remove(each)
        each.state = State.CLOSED
    while ranking.window is None:
        ranking.slice([one], lambda: NOW)
    assert ranking.window.rows == ()
