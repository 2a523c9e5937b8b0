"""Above and below the flows."""

from __future__ import annotations

import msgspec
import pytest

from tests.tui import scenes
from udplb.engine.ranking import FlowQuery
from udplb.tui.panes.flow_summary import View, empty_of, more_of, summary_of


def view(**how: object) -> View:
    usual: dict[str, object] = {
        "query": FlowQuery(sort="rate", filter="idle<5s"), "matched": 212, "live": 18_402,
        "ranked_s": 0.84,
    }  # fmt: skip
    return View(**{**usual, **how})  # type: ignore[arg-type]


def text(of: View) -> str:
    return "".join(piece.text for piece in summary_of(of))


def test_the_summary() -> None:
    expected = "filter: idle<5s   212 of 18,402 flows   sort rate ↓   ranked 0.8 s ago"
    assert text(view()) == expected
    assert text(view(marked=3, held=True)) == f"{expected}   3 marked   order held"


def test_without_a_filter_or_a_window() -> None:
    query = FlowQuery(sort="age", ascending=True)
    assert text(view(query=query, matched=18_402, ranked_s=75.0)) == (
        "no filter   18,402 flows   sort age ↑   ranked 1:15 ago"
    )
    assert text(view(query=query, matched=None, ranked_s=None)) == "no filter   sort age ↑"


def test_where_there_is_nothing() -> None:
    snapshot = scenes.busy()
    bare = FlowQuery()
    assert empty_of(view(matched=0), snapshot) == "0 of 18,402; Esc clears the filter"
    assert empty_of(view(matched=None), snapshot) == "waiting for the first rows…"
    assert empty_of(view(matched=0), None) == "waiting for the first rows…"
    many = msgspec.structs.replace(snapshot, listeners=snapshot.listeners * 5)
    assert empty_of(view(query=bare, matched=0), many).endswith(" and 2 more; try udplb demo")
    none = msgspec.structs.replace(snapshot, listeners=())
    assert "There is no listener;" in empty_of(view(query=bare, matched=0), none)


@pytest.mark.parametrize(
    ("matched", "more"),
    [(1_999, ""), (2_000, ""), (2_001, "2,000 of 2,001: filter to see the others"), (None, "")],
)
def test_what_cannot_be_scrolled_to(matched: int | None, more: str) -> None:
    assert more_of(view(matched=matched)) == more
