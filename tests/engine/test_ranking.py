"""Rankings: the right rows, in slices, while flows come and go."""

from __future__ import annotations

import random
import sys
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
from udplb.engine.samples import Samples
from udplb.engine.snapshot import FlowWindow
from udplb.engine.walk import SLICE_FLOWS, SLICE_S

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
    cluster = SimpleNamespace(name=f"cluster-of-{name}")
    return SimpleNamespace(name=name, manager=SimpleNamespace(slab=slab, cluster=cluster))


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


def test_walks_go_in_short_slices() -> None:
    at = [0.0]

    def clock() -> float:
        at[0] += 0.0005  # every look at the clock costs
        return at[0]

    ranking = Ranking(FlowQuery())
    one = listener("l", [flow(n) for n in range(1, 3_000)])
    slices = 0
    while ranking.window is None:
        before = at[0]
        assert ranking.slice([one], clock) == 0.0
        assert at[0] - before <= 2.5 * SLICE_S, "with the looks at the clock around it"
        slices += 1
    assert slices > 10


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


def test_conditions_of_all_kinds_hold_together() -> None:
    listeners = [
        listener("a", [flow(n) for n in range(1, 31)]),
        listener("b", [flow(n) for n in range(31, 91)]),
    ]
    query = FlowQuery(listener="b", backend="b1", filter="idle>40s !age<60s", limit=99)
    query.check()
    window = ranked(query, *listeners)
    wanted = [
        n for n in range(31, 91)
        if n % 3 == 1 and n * 3 % 89 > 40 and n >= 60
    ]  # fmt: skip
    assert sorted(row.id for row in window.rows) == wanted
    assert window.matched == len(wanted) > 0
    by_cluster = FlowQuery(filter="cluster=cluster-of-a", limit=99)
    assert ranked(by_cluster, *listeners).matched == 30


@pytest.mark.parametrize(
    "query",
    [FlowQuery(filter="idle<5x"), FlowQuery(sort="size"), FlowQuery(filter="a" * 257)],  # type: ignore[arg-type]
)
def test_a_query_that_makes_no_sense_is_refused(query: FlowQuery) -> None:
    with pytest.raises(ValueError, match=r"sorted by|filter"):
        query.check()


def test_equal_scores_are_ordered_by_age_in_both_directions() -> None:
    flows = [flow(n) for n in range(1, 200)]
    for each in flows:
        each.requests = 5
    listeners = [listener("a", flows[::2]), listener("b", flows[1::2])]
    for ascending in (False, True):
        window = ranked(FlowQuery(ascending=ascending, limit=30), *listeners)
        assert [row.id for row in window.rows] == list(range(1, 31))


def test_flows_that_end_before_their_rows_are_made_have_none() -> None:
    flows = [flow(n) for n in range(1, WINDOW_MAX)]
    one = listener("l", flows)
    ranking = Ranking(FlowQuery(limit=WINDOW_MAX))
    at = [NOW]

    def clock() -> float:
        at[0] += 0.000_1  # five looks at it are a slice
        return at[0]

    slices = 0
    while ranking.window is None:
        ranking.slice([one], clock)
        slices += 1
        if slices == 20:
            for each in flows[::2]:
                each.state = State.CLOSED
    assert slices > 25, "rows are made in slices, too"
    assert ranking.window.matched == len(flows)
    ids = [row.id for row in ranking.window.rows]
    assert set(ids) >= {each.id for each in flows[1::2]}
    assert len(set(ids)) == len(ids)


def test_a_listener_that_goes_while_the_walk_is_under_way_harms_nothing() -> None:
    going = listener("going", [flow(n) for n in range(1, 3_000)])
    staying = listener("staying", [flow(n) for n in range(3_000, 6_000)])
    there, at = [going, staying], [NOW]
    ranking = Ranking(FlowQuery(limit=WINDOW_MAX))
    ranking.slice(there, lambda: at[0])
    there.remove(going)
    for each in list(going.manager.slab.places):
        going.manager.slab.remove(each)
        each.state = State.CLOSED
    there.append(listener("new", [flow(10_000)]))
    while ranking.window is None:
        ranking.slice(there, lambda: at[0])
    first = ranking.window
    assert {row.listener for row in first.rows} == {"staying"}
    at[0] += GOOD_FOR_S
    while ranking.window is first:
        ranking.slice(there, lambda: at[0])
    assert ranking.window.matched == 3_001


# Rates


class Time:
    """A clock, and flows that go on while it does: `datagrams` a second each."""

    def __init__(self, flows: Sequence[Flow]) -> None:
        self.now = NOW
        self.rates = dict.fromkeys(flows, 0.0)

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        for each, rate in self.rates.items():
            each.requests += round(rate * seconds)

    def until_ranked(self, ranking: Ranking, *listeners: Any) -> FlowWindow:
        before = ranking.window
        for _ in range(10_000):
            self.pass_(ranking.slice(listeners, self))
            if ranking.window is not None and ranking.window is not before:
                return ranking.window
        raise AssertionError("no end")


def aged(count: int) -> tuple[list[Flow], Time]:
    """Flows with a long and busy past, of which every tenth does something now."""
    flows = [flow(n) for n in range(1, count + 1)]
    time = Time(flows)
    for each in flows:
        each.admitted_at = each._sampled_at = NOW - 10_000
        each.requests = 10_000_000 + each.id
    for each in flows[::10]:
        time.rates[each] = 1_000 + each.id
    return flows, time


@pytest.mark.parametrize("query", [FlowQuery(sort="rate"), FlowQuery(filter="rate>500", limit=99)])
def test_rates_are_of_now_and_not_of_a_whole_life(query: FlowQuery) -> None:
    flows, time = aged(300)
    window = time.until_ranked(Ranking(query), listener("l", flows))
    busy = {each.id for each in flows[::10]}
    assert {row.id for row in window.rows} <= busy
    for row in window.rows:
        assert row.rate == pytest.approx(1_000 + row.id, rel=0.05)
    if query.filter:
        assert window.matched == len(busy)
    else:
        assert [row.id for row in window.rows] == sorted(busy, reverse=True)[:20]


def test_the_first_rates_take_two_walks_a_second_apart_and_the_next_ones_one() -> None:
    flows, time = aged(300)
    one, samples = listener("l", flows), Samples()
    began = time.now
    time.until_ranked(Ranking(FlowQuery(sort="rate"), samples), one)
    assert 1.0 <= time.now - began < 1.5
    time.pass_(1.0)
    again = time.now
    window = time.until_ranked(Ranking(FlowQuery(sort="rate", limit=3), samples), one)
    assert time.now - again < 0.5
    assert [row.id for row in window.rows] == [291, 281, 271]
    time.pass_(60.0)
    later = time.now
    time.until_ranked(Ranking(FlowQuery(sort="rate", limit=3), samples), one)
    assert 1.0 <= time.now - later < 1.5


def test_rates_of_a_standing_query_follow_the_flows() -> None:
    flows, time = aged(100)
    ranking, one = Ranking(FlowQuery(sort="rate", limit=1)), listener("l", flows)
    time.until_ranked(ranking, one)
    for busiest in (flows[3], flows[7], flows[5]):
        time.rates = dict.fromkeys(flows, 0.0)
        time.rates[busiest] = 2_000.0
        time.until_ranked(ranking, one)
        window = time.until_ranked(ranking, one)
        assert [row.id for row in window.rows] == [busiest.id]
        assert window.rows[0].rate == pytest.approx(2_000, rel=0.05)


def test_all_flows_are_sampled_whatever_the_filter_leaves_out() -> None:
    """What is not looked at for one asker is looked at for the next."""
    flows, time = aged(300)
    samples, listeners = Samples(), [listener("a", flows[:150]), listener("b", flows[150:])]
    time.rates.update(dict.fromkeys(flows[5::10], 50_000.0))
    narrow = FlowQuery(sort="rate", listener="a", filter="backend=nobody rate>7")
    time.until_ranked(Ranking(narrow, samples), *listeners)
    time.rates.update(dict.fromkeys(flows[5::10], 0.0))
    for _ in range(5):  # the walk that was first is forgotten, and not the later ones
        time.pass_(1.5)
        time.until_ranked(Ranking(narrow, samples), *listeners)
    time.pass_(1.0)
    window = time.until_ranked(Ranking(FlowQuery(sort="rate", limit=30), samples), *listeners)
    assert [row.id for row in window.rows] == sorted((f.id for f in flows[::10]), reverse=True)


def test_a_standing_query_for_rates_walks_once_for_each_window() -> None:
    flows, time = aged(100)
    ranking, one = Ranking(FlowQuery(sort="rate")), listener("l", flows)
    window = time.until_ranked(ranking, one)
    for _ in range(5):
        before, window = window, time.until_ranked(ranking, one)
        assert GOOD_FOR_S <= window.at - before.at < GOOD_FOR_S + 0.5


def test_a_finished_ranking_holds_no_flow() -> None:
    flows = [flow(n) for n in range(1, 200)]
    one = listener("l", flows)
    ranking = Ranking(FlowQuery())
    while ranking.window is None:
        ranking.slice([one], lambda: NOW)
    assert all(sys.getrefcount(each) == 4 for each in flows), "the list's, the slab's, and ours"
