"""The books: each entry in all of them, and a mistake in one is noticed."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import pytest

from tests.core.test_admission import admission
from tests.core.test_flow import new_flow
from udplb.core.books import Books
from udplb.core.flow import Flow, State
from udplb.core.kept import KeptTrains
from udplb.core.limits import Capacity
from udplb.core.reasons import CloseReason

NOW = 100.0


def books_with(*flows: Flow) -> Books:
    books = Books(admission(), KeptTrains(Capacity(1 << 20), switched_on=True))
    for flow in flows:
        books.admit(NOW, flow)
    books.check_invariants()
    return books


def test_a_life_in_the_books() -> None:
    flow = new_flow(NOW)
    books = books_with(flow)
    assert books.current == {flow.key: flow}
    assert flow in books.deadlines
    assert (flow.backend.flows, flow.backend.admitted, len(books.slab)) == (1, 1, 1)
    books.leave(NOW, flow, CloseReason.MAX_AGE)
    books.check_invariants()
    assert (books.current, books.leaving) == ({}, {flow.key: flow})
    assert (flow.left, flow.leave_reason, flow.end_by) == (0, CloseReason.MAX_AGE, inf)
    books.close(flow, CloseReason.MAX_AGE)
    books.check_invariants()
    assert (books.current, books.leaving, len(books.slab)) == ({}, {}, 0)
    assert flow not in books.deadlines
    assert (flow.backend.flows, flow.backend.admitted, flow.state) == (0, 1, State.CLOSED)
    assert books.counters.closed[CloseReason.MAX_AGE] == 1


def test_nobody_closes_twice() -> None:
    flow = new_flow(NOW)
    books = books_with(flow)
    books.close(flow, CloseReason.IDLE)
    with pytest.raises(KeyError):
        books.close(flow, CloseReason.IDLE)
    assert sum(books.counters.closed.values()) == 1


def test_closing_an_older_leaving_flow_leaves_the_younger_in_its_place() -> None:
    older, younger = new_flow(NOW), new_flow(NOW)
    books = books_with(older)
    books.leave(NOW, older, CloseReason.REQUESTS)
    books.admit(NOW, younger)
    assert younger.predecessor is older
    assert books.leaving == {}
    books.leave(NOW, younger, CloseReason.REQUESTS)
    books.close(older, CloseReason.ANSWERED)
    assert books.leaving == {younger.key: younger}
    books.check_invariants()


def test_undoing_gives_the_predecessor_its_place_back() -> None:
    predecessor, successor = new_flow(NOW), new_flow(NOW)
    books = books_with(predecessor)
    books.leave(NOW, predecessor, CloseReason.REQUESTS)
    books.admit(NOW, successor)
    books.undo(successor)
    books.check_invariants()
    assert books.leaving == {predecessor.key: predecessor}
    assert (successor.state, successor.predecessor) == (State.UNDONE, None)
    assert (books.counters.admitted, successor.backend.flows) == (1, 0)


def spoil_deadline(books: Books, flow: Flow) -> None:
    books.deadlines.remove(flow)


def spoil_table(books: Books, flow: Flow) -> None:
    del books.current[flow.key]


def spoil_state(books: Books, flow: Flow) -> None:
    flow.state = State.LEAVING


def spoil_count(books: Books, flow: Flow) -> None:
    books.counters.admitted += 1


def spoil_backend(books: Books, flow: Flow) -> None:
    flow.backend.flows -= 1


def spoil_slab(books: Books, flow: Flow) -> None:
    books.slab.remove(flow)


def spoil_left(books: Books, flow: Flow) -> None:
    flow.left = 0


def spoil_counter(books: Books, flow: Flow) -> None:
    flow.requests = -1


def spoil_both(books: Books, flow: Flow) -> None:
    books.leaving[flow.key] = flow


@pytest.mark.parametrize(
    "spoil",
    [
        spoil_deadline,
        spoil_table,
        spoil_state,
        spoil_count,
        spoil_backend,
        spoil_slab,
        spoil_left,
        spoil_counter,
        spoil_both,
    ],
)
def test_invariants_notice(spoil: Callable[[Books, Flow], None]) -> None:
    flow = new_flow(NOW)
    books = books_with(flow)
    spoil(books, flow)
    with pytest.raises(AssertionError):
        books.check_invariants()
