"""The line of deadlines against a list that is sorted anew each time."""

from __future__ import annotations

from math import ceil, inf

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.playbook import backend, running
from udplb.core.address import parse_address
from udplb.core.deadlines import TICKS_PER_SECOND, Deadlines
from udplb.core.flow import Flow
from udplb.core.settings import FlowTerms

TICK = 1 / TICKS_PER_SECOND
SOMEWHERE = running(backend(0), b"seed")


def flow_due(serial: int, now: float, due: float) -> Flow:
    """A flow whose front timeout ends at about `due`."""
    return Flow(
        serial=serial,
        key=("198.18.0.1", serial),
        client=parse_address("198.18.0.1:1"),
        client_address=("198.18.0.1", serial),
        local=None,
        backend=SOMEWHERE,
        terms=FlowTerms(front_timeout=due - now),
        now=now,
    )


def test_an_empty_line() -> None:
    line = Deadlines()
    assert line.next() == inf
    assert line.pop(1e9) is None


def test_near_deadlines_are_met_in_their_tick() -> None:
    line = Deadlines()
    for serial, due in enumerate((10.0, 10.0 + TICK / 2, 10.0 + TICK, 13.99)):
        flow = flow_due(serial, 10.0, due)
        line.put(flow, due, 10.0)
        assert line.next() <= due + TICK
        assert line.pop(line.next()) is flow
        assert flow.tick == ceil(due * TICKS_PER_SECOND)


def test_pop_gives_nothing_before_its_time() -> None:
    line = Deadlines()
    flow = flow_due(1, 10.0, 11.0)
    line.put(flow, 11.0, 10.0)
    assert flow in line
    assert line.pop(11.0 - TICK / 2) is None
    assert line.pop(11.0) is flow
    assert flow not in line
    assert line.pop(12.0) is None


def test_hasten_moves_nearer_and_never_away() -> None:
    line = Deadlines()
    flow = flow_due(1, 10.0, 100.0)
    line.put(flow, 12.0, 10.0)
    line.hasten(flow, 10.0)
    assert line.next() == 12.0
    flow.last_request_at -= 89.0
    line.hasten(flow, 10.0)
    assert line.next() == 11.0
    line.remove(flow)
    assert line.next() == inf


class Naive:
    """The obviously right line: all flows with their due times."""

    def __init__(self) -> None:
        self.due: dict[Flow, float] = {}

    def earliest(self) -> float:
        return min(self.due.values(), default=inf)


DISTANCES = st.one_of(
    st.floats(0.0, 5.0), st.floats(0.0, 400.0), st.floats(0.0, 1e6), st.sampled_from([0.0, TICK])
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), DISTANCES),
        st.tuples(st.just("remove"), st.integers(0, 99)),
        st.tuples(st.just("hasten"), DISTANCES),
        st.tuples(st.just("advance"), DISTANCES),
        st.tuples(st.just("traffic"), DISTANCES),
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(STEPS, st.floats(0.0, 1e6))
def test_no_deadline_is_missed_or_late(steps: list[tuple[str, float]], start: float) -> None:
    line, naive, now, serial = Deadlines(), Naive(), start, 0
    for step, number in steps:
        chosen = list(naive.due)[int(number) % len(naive.due)] if naive.due else None
        if step == "put":
            serial += 1
            flow = flow_due(serial, now, now + number)
            naive.due[flow] = flow.due()
            line.put(flow, flow.due(), now)
        elif step == "advance":
            now = advance(line, naive, now, now + number)
        elif chosen is None:
            continue
        elif step == "remove":
            line.remove(chosen)
            del naive.due[chosen]
        elif step == "hasten" and now + number < chosen.due():
            chosen.last_request_at -= chosen.due() - (now + number)
            line.hasten(chosen, now)
            naive.due[chosen] = chosen.due()
        elif step == "traffic":  # its deadline moves away, and nobody tells the line
            chosen.last_request_at += number
            naive.due[chosen] = chosen.due()
        assert line.next() <= naive.earliest() + TICK
        assert all(each in line for each in naive.due)
    advance(line, naive, now, inf)
    assert not naive.due
    assert line.next() == inf


def advance(line: Deadlines, naive: Naive, now: float, until: float) -> float:
    """Let the timer fire at each deadline; whatever is due is due on time, and once."""
    while (at := line.next()) <= until and at < inf:
        fired = max(now, at)
        while (flow := line.pop(fired)) is not None:
            assert flow not in line
            due = naive.due[flow]
            if due > fired:
                line.put(flow, due, fired)
                assert flow.tick * TICK > fired, "put back for later, not for now"
            else:
                del naive.due[flow]
                assert fired <= max(due, now) + TICK
        assert line.next() > fired
        now = fired
    return now if until == inf else max(now, until)


def test_a_hundred_thousand_flows_stand_in_few_buckets() -> None:
    line = Deadlines()
    flows = []
    for serial in range(100_000):
        now = serial / 1_000
        flow = flow_due(serial, now, now + 180.0)
        line.put(flow, flow.due(), now)
        flows.append(flow)
    # 256 buckets for each doubling of the distance, however many flows stand in them.
    assert len({flow.tick for flow in flows}) <= 2 * 256
    looks = 0
    while (flow_or_none := line.pop(100.0 + 180.0)) is not None:
        looks += 1
        if flow_or_none.due() > 280.0:
            line.put(flow_or_none, flow_or_none.due(), 280.0)
    assert looks == 100_000


def test_a_far_deadline_is_looked_at_a_few_times_only() -> None:
    line = Deadlines()
    flow = flow_due(1, 0.0, 1_000_000.0)
    line.put(flow, flow.due(), 0.0)
    looks = 0
    while True:
        now = line.next()
        assert line.pop(now) is flow
        looks += 1
        if flow.due() <= now:
            break
        line.put(flow, flow.due(), now)
    assert now == 1_000_000.0
    assert looks <= 5
