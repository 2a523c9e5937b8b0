"""The order of the flows: the ranking's, unless it is held."""

from __future__ import annotations

import msgspec

from tests.tui import scenes
from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import FlowWindow
from udplb.tui.panes.flow_order import FlowOrder

ROWS = {row.id - 7_000: row for row in scenes.flow_rows(6)}
QUERY = FlowQuery()


def window(*numbers: int, at: float = 1.0, requests: int | None = None) -> FlowWindow:
    rows = tuple(ROWS[number] for number in numbers)
    if requests is not None:
        rows = tuple(msgspec.structs.replace(row, requests=requests) for row in rows)
    return FlowWindow(rows=rows, matched=len(rows), at=at)


def numbers(order: FlowOrder) -> list[int]:
    return [row.id - 7_000 for row in order.rows]


def test_the_newest_ranking_is_shown() -> None:
    order = FlowOrder()
    assert order.take(window(0, 1, 2), QUERY, held=False)
    assert order.take(window(2, 0, 3), QUERY, held=False)
    assert numbers(order) == [2, 0, 3]
    assert order.gone == frozenset()


def test_the_same_window_is_nothing_new() -> None:
    order, same = FlowOrder(), window(0, 1)
    assert order.take(same, QUERY, held=False)
    assert not order.take(same, QUERY, held=False)
    assert not order.take(same, QUERY, held=True)
    assert not order.take(same, QUERY, held=False)


def test_while_it_is_held_rows_keep_their_places_and_get_new_values() -> None:
    order = FlowOrder()
    order.take(window(0, 1, 2), QUERY, held=False)
    assert order.take(window(3, 2, 0, requests=5), QUERY, held=True)
    assert numbers(order) == [0, 1, 2]
    assert [row.requests for row in order.rows] == [5, ROWS[1].requests, 5]
    assert order.gone == {7_001}


def test_who_comes_back_while_it_is_held_is_no_longer_gone() -> None:
    order = FlowOrder()
    order.take(window(0, 1), QUERY, held=False)
    order.take(window(0), QUERY, held=True)
    order.take(window(1, 0), QUERY, held=True)
    assert numbers(order) == [0, 1]
    assert order.gone == frozenset()


def test_when_it_is_let_go_the_order_is_that_of_the_window_that_is_there() -> None:
    order, last = FlowOrder(), window(2, 1, 0)
    order.take(window(0, 1, 2), QUERY, held=False)
    order.take(last, QUERY, held=True)
    assert order.take(last, QUERY, held=False)
    assert numbers(order) == [2, 1, 0]


def test_another_query_is_never_held_back() -> None:
    order = FlowOrder()
    order.take(window(0, 1, 2), QUERY, held=False)
    assert order.take(window(4, 5), FlowQuery(sort="age"), held=True)
    assert numbers(order) == [4, 5]


def test_the_first_window_is_shown_even_where_the_order_is_held() -> None:
    order = FlowOrder()
    assert order.take(window(1, 0), QUERY, held=True)
    assert numbers(order) == [1, 0]
