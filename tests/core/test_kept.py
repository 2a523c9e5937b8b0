"""Kept trains: what is kept, what is not, and what comes out again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.core.test_flow import new_flow
from udplb.core.flow import Flow
from udplb.core.kept import (
    KEPT_BYTES_MAX,
    KEPT_DATAGRAMS_MAX,
    KEPT_FLOW_BYTES_MAX,
    RESEND_WITHIN_S,
    KeptTrains,
)
from udplb.core.limits import Capacity
from udplb.core.train import Train

NOW = 100.0


class Desk:
    """Kept trains of one flow."""

    def __init__(self) -> None:
        self.capacity = Capacity(10)
        self.trains = KeptTrains(self.capacity, switched_on=True)
        self.flow = new_flow(NOW)

    def keep(self, *datagrams: bytes) -> Train:
        train = Train.of(datagrams)
        self.trains.keep(self.flow, train)
        self.trains.check_invariants([self.flow])
        return train

    def kept(self) -> list[bytes]:
        return [datagram for train in self.flow.kept for datagram in train.datagrams()]

    @property
    def sizes(self) -> tuple[int, int]:
        return self.flow.kept_bytes, self.capacity.kept_bytes


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_the_last_train_is_kept_and_replaced(desk: Desk) -> None:
    desk.keep(b"one", b"more")
    assert (desk.kept(), desk.sizes) == ([b"one", b"more"], (7, 7))
    desk.keep(b"two")
    assert (desk.kept(), desk.sizes) == ([b"two"], (3, 3))
    desk.keep(b"")
    assert (desk.kept(), desk.sizes) == ([b""], (0, 0))
    desk.trains.forget(desk.flow)
    assert (desk.kept(), desk.sizes) == ([], (0, 0))


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_a_flow_keeps_so_many_bytes(desk: Desk, beyond: int) -> None:
    desk.keep(b"before")
    size = KEPT_FLOW_BYTES_MAX + beyond
    desk.keep(bytes(size - 100), bytes(100))
    assert desk.sizes == ((0, 0) if beyond > 0 else (size, size))
    assert len(desk.kept()) == (0 if beyond > 0 else 2), "what was before is gone in any case"


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_a_flow_keeps_so_many_datagrams(desk: Desk, beyond: int) -> None:
    desk.keep(b"before")
    desk.keep(*[b"x"] * (KEPT_DATAGRAMS_MAX + beyond))
    assert len(desk.kept()) == (0 if beyond > 0 else KEPT_DATAGRAMS_MAX + beyond)


@pytest.mark.parametrize("beyond", [-1, 0, 1])
@pytest.mark.parametrize("refused", [False, True])
def test_an_engine_keeps_so_many_bytes(desk: Desk, refused: bool, beyond: int) -> None:
    desk.flow.refused = refused
    desk.capacity.kept_bytes = others = KEPT_BYTES_MAX - 100 + beyond
    desk.keep(bytes(100))
    assert desk.capacity.kept_bytes - others == desk.flow.kept_bytes == (0 if beyond > 0 else 100)


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_what_is_replaced_makes_room(desk: Desk, beyond: int) -> None:
    desk.keep(bytes(40))
    desk.capacity.kept_bytes = total = KEPT_BYTES_MAX - 60 + beyond
    desk.keep(bytes(100))
    assert desk.sizes == ((0, total - 40) if beyond > 0 else (100, total + 60))


def test_after_a_refusal_trains_accumulate(desk: Desk) -> None:
    desk.keep(b"one")
    desk.flow.refused = True
    desk.keep(b"two", b"three")
    desk.keep(b"four")
    assert desk.kept() == [b"one", b"two", b"three", b"four"]
    assert desk.sizes == (15, 15)
    taken = desk.trains.take(desk.flow)
    assert taken == Train.of([b"one", b"two", b"three", b"four"])
    assert taken is not None
    assert (taken.count, taken.size) == (4, 15)
    assert (desk.kept(), desk.sizes, desk.flow.refused) == ([], (0, 0), False)


@pytest.mark.parametrize("beyond", [-1, 0, 1])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([bytes(4_000)], lambda beyond: [bytes(KEPT_FLOW_BYTES_MAX - 4_000 + beyond)]),
        ([b"x"] * 60, lambda beyond: [b"y"] * (KEPT_DATAGRAMS_MAX - 60 + beyond)),
    ],
)
def test_what_accumulates_is_bounded_and_the_older_stay(
    desk: Desk, first: list[bytes], second: Callable[[int], list[bytes]], beyond: int
) -> None:
    desk.keep(*first)
    desk.flow.refused = True
    more = second(beyond)
    desk.keep(*more)
    assert desk.kept() == (first if beyond > 0 else first + more)


def test_the_oldest_runs_stay_runs(desk: Desk) -> None:
    desk.keep(b"aaaa", b"bbbb", b"cc")
    desk.flow.refused = True
    desk.keep(b"")
    desk.keep(b"dddd", b"eeee")
    taken = desk.trains.take(desk.flow)
    assert taken is not None
    assert [(run.segment, run.count) for run in taken.runs] == [(4, 3), (0, 1), (4, 2)]


def test_nothing_to_take(desk: Desk) -> None:
    desk.flow.refused = True
    assert desk.trains.take(desk.flow) is None
    assert not desk.flow.refused


@pytest.mark.parametrize(("after", "again"), [(0.0, True), (1.0, True), (1.01, False)])
def test_a_refusal_soon_after_the_last_train_sends_it_once_more(
    desk: Desk, after: float, again: bool
) -> None:
    assert RESEND_WITHIN_S == 1.0
    train = desk.keep(b"x")
    found = desk.trains.to_resend(NOW + after, desk.flow)
    assert found is (train if again else None)
    assert desk.trains.to_resend(NOW + after, desk.flow) is None, "once"
    assert desk.kept() == [b"x"], "it may yet follow the flow elsewhere"


def test_the_next_train_may_be_sent_once_more_in_its_turn(desk: Desk) -> None:
    for refused in (False, True):
        desk.flow.refused = refused
        train = desk.keep(b"x")
        assert desk.trains.to_resend(NOW, desk.flow) is train
        assert desk.trains.to_resend(NOW, desk.flow) is None


def test_so_may_the_first_after_a_reply(desk: Desk) -> None:
    desk.keep(b"x")
    assert desk.trains.to_resend(NOW, desk.flow)
    desk.trains.forget(desk.flow)
    desk.keep(b"y")
    assert desk.trains.to_resend(NOW, desk.flow) == Train.of([b"y"])


def test_where_nothing_is_kept_nothing_is_sent_again(desk: Desk) -> None:
    assert desk.trains.to_resend(NOW, desk.flow) is None
    desk.keep(b"x")
    desk.keep(bytes(KEPT_FLOW_BYTES_MAX + 1))
    assert desk.trains.to_resend(NOW, desk.flow) is None


def spoil_size(flow: Flow, capacity: Capacity) -> None:
    flow.kept_bytes += 1


def spoil_total(flow: Flow, capacity: Capacity) -> None:
    capacity.kept_bytes -= 1


def spoil_bound(flow: Flow, capacity: Capacity) -> None:
    capacity.kept_bytes = KEPT_BYTES_MAX + 1


def spoil_count(flow: Flow, capacity: Capacity) -> None:
    flow.kept = (Train.of([b""] * (KEPT_DATAGRAMS_MAX + 1)),)
    flow.kept_bytes = 0


@pytest.mark.parametrize("spoil", [spoil_size, spoil_total, spoil_bound, spoil_count])
def test_invariants_notice(desk: Desk, spoil: Callable[[Flow, Capacity], None]) -> None:
    desk.keep(b"x")
    spoil(desk.flow, desk.capacity)
    with pytest.raises(AssertionError):
        desk.trains.check_invariants([desk.flow])


def test_what_is_older_than_a_second_is_not_kept_beside_new_trains(desk: Desk) -> None:
    """A service that never replies keeps no datagrams of an hour ago."""
    desk.keep(b"old")
    desk.flow.refused = True
    desk.flow.last_request_at = NOW + RESEND_WITHIN_S
    desk.keep(b"at the limit")
    assert desk.kept() == [b"old", b"at the limit"]
    desk.flow.last_request_at += 0.01
    desk.keep(b"new")
    assert (desk.kept(), desk.flow.refused) == ([b"new"], False)


def test_while_the_backend_is_suspected_nothing_is_replaced(desk: Desk) -> None:
    """Its refusal of the first may come out only when the second is sent."""
    desk.flow.backend.suspect = True
    desk.keep(b"first")
    desk.keep(b"second")
    assert desk.kept() == [b"first", b"second"]


def test_where_the_last_train_did_not_fit_nothing_is_sent_in_its_place(desk: Desk) -> None:
    desk.flow.backend.suspect = True
    desk.keep(b"x")
    desk.keep(bytes(KEPT_FLOW_BYTES_MAX))
    assert desk.trains.to_resend(NOW, desk.flow) is None
    assert desk.kept() == [b"x"]


def test_a_train_that_was_not_sent_is_forgotten_alone(desk: Desk) -> None:
    desk.flow.backend.suspect = True
    desk.keep(b"refused")
    desk.keep(b"too large")
    desk.trains.forget_last(desk.flow)
    assert (desk.kept(), desk.sizes) == ([b"refused"], (7, 7))
    desk.trains.forget_last(desk.flow)
    desk.trains.forget_last(desk.flow)
    assert (desk.kept(), desk.sizes) == ([], (0, 0))


def test_switched_off_nothing_comes_out_again(desk: Desk) -> None:
    desk.keep(b"x")
    assert desk.trains.has(desk.flow)
    desk.trains.switched_on = False
    assert not desk.trains.has(desk.flow)
    assert desk.trains.to_resend(NOW, desk.flow) is None
    assert desk.trains.take(desk.flow) is None
    assert desk.sizes == (0, 0)
