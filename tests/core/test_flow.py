"""A flow's states and its deadline."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.playbook import backend, running
from udplb.core.address import Address, parse_address
from udplb.core.flow import TRANSITIONS, UNLIMITED, Flow, State, Step, client_of
from udplb.core.reasons import CloseReason
from udplb.core.settings import FlowTerms


def new_flow(now: float = 100.0, **terms: Any) -> Flow:
    return Flow(
        serial=7,
        key=("198.18.0.1", 1),
        client=parse_address("198.18.0.1:1"),
        client_address=("198.18.0.1", 1),
        local=None,
        backend=running(backend(0), b""),
        terms=FlowTerms(**terms),
        now=now,
    )


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("step", Step)
def test_steps_are_those_of_the_table(state: State, step: Step) -> None:
    flow = new_flow()
    flow.state = state
    if (state, step) in TRANSITIONS:
        flow.turn(step)
        assert flow.state is TRANSITIONS[state, step]
    else:
        with pytest.raises(KeyError):
            flow.turn(step)
        assert flow.state is state


def test_a_life_begins_current_and_ends_for_good() -> None:
    assert new_flow().state is State.CURRENT
    reached = {new_flow().state} | set(TRANSITIONS.values())
    assert reached == set(State)
    for end in (State.CLOSED, State.UNDONE):
        assert not [step for state, step in TRANSITIONS if state is end]
    assert (State.LEAVING, Step.FAILED) not in TRANSITIONS, "a flow that was open cannot fail"


def test_live() -> None:
    flow = new_flow()
    lives = {}
    for state in State:
        flow.state = state
        lives[state] = flow.live
    assert lives == {
        State.CURRENT: True,
        State.LEAVING: True,
        State.CLOSED: False,
        State.UNDONE: False,
    }


@pytest.mark.parametrize(
    ("responses", "requests", "replies", "answered"),
    [
        (0, 5, 100, False),
        (1, 0, 0, False),
        (1, 0, 3, False),
        (1, 1, 0, False),
        (1, 1, 1, True),
        (1, 1, 2, True),
        (1, 50, 49, False),
        (1, 50, 50, True),
        (3, 2, 5, False),
        (3, 2, 6, True),
    ],
)
def test_answered(responses: int, requests: int, replies: int, answered: bool) -> None:
    flow = new_flow(responses=responses)
    flow.requests, flow.replies = requests, replies
    assert flow.answered is answered


def test_requests_0_are_unlimited() -> None:
    assert new_flow(requests=0).left == UNLIMITED
    assert new_flow(requests=3).left == 3


TIMES = st.integers(0, 64 * 500).map(lambda ticks: ticks / 64)


@given(front=TIMES, back=TIMES, request=TIMES, reply=TIMES, replies=st.integers(0, 2))
def test_due_of_a_current_flow(
    front: float, back: float, request: float, reply: float, replies: int
) -> None:
    flow = new_flow(front_timeout=front, back_timeout=back)
    flow.last_request_at, flow.last_reply_at, flow.replies = request, reply, replies
    expected = max(request + front, reply + back) if replies else request + front
    assert flow.due() == expected


@given(max_age=TIMES, request=TIMES)
def test_max_age_is_looked_at_too(max_age: float, request: float) -> None:
    flow = new_flow(front_timeout=10.0, max_age=max_age)
    flow.last_request_at = 100.0 + request
    idle = flow.last_request_at + 10.0
    assert flow.due() == (min(idle, 100.0 + max_age) if max_age else idle)
    assert flow.outlived(100.0 + max_age) is bool(max_age)
    assert not flow.outlived(100.0 + max_age - 1 / 64)


@given(back=TIMES, request=TIMES, reply=TIMES, end_by=st.one_of(st.just(inf), TIMES))
def test_due_of_a_leaving_flow(back: float, request: float, reply: float, end_by: float) -> None:
    flow = new_flow(front_timeout=1_000.0, back_timeout=back, max_age=1.0)
    flow.state, flow.leave_reason, flow.end_by = State.LEAVING, CloseReason.MAX_AGE, end_by
    flow.last_request_at, flow.last_reply_at = request, reply
    assert flow.due() == min(max(request, reply) + back, end_by)


def test_client_of() -> None:
    assert client_of(("192.0.2.1", 5)) == parse_address("192.0.2.1:5")
    assert client_of(("::ffff:192.0.2.1", 5, 0, 0)) == parse_address("192.0.2.1:5")
    assert client_of(("2001:db8::1", 0, 0, 0)) == Address(parse_address("[2001:db8::1]:1").ip, 0)


def test_a_flow_can_be_read() -> None:
    assert repr(new_flow()) == "Flow(7 198.18.0.1:1 -> b0, current)"


# Its rate


def test_the_first_rate_is_the_mean_since_admission() -> None:
    flow = new_flow(100.0)
    assert flow.sampled(100.0) == 0.0
    flow.requests, flow.replies = 6, 4
    assert flow.sampled(100.01) == 10.0, "of a young flow as if it were a second old"
    assert flow.sampled(104.0) == 2.5


def test_later_ones_are_of_the_time_since_the_last() -> None:
    flow = new_flow(100.0)
    flow.requests = 50
    assert flow.sampled(110.0) == 5.0
    flow.replies = 8
    assert flow.sampled(110.5) == 5.0, "too soon for another"
    assert flow.sampled(110.99) == 5.0
    assert flow.sampled(111.0) == 8.0
    assert flow.sampled(112.0) == 0.0
    flow.requests += 3
    assert flow.sampled(114.0) == 1.5


def test_a_rate_is_never_negative() -> None:
    flow = new_flow(100.0)
    flow.requests = 50
    flow.sampled(110.0)
    flow.requests = 40
    assert flow.sampled(120.0) == 0.0
    flow.requests = 60
    assert flow.sampled(130.0) == 2.0
