from __future__ import annotations

from msgspec.structs import replace

from tests.show.pictures import QUERY, row, window
from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import FlowWindow
from udplb.show.flows import page_of_flows, summary_of
from udplb.show.page import Table
from udplb.show.plain import text_of


def test_a_row_for_programs() -> None:
    header, first, *_ = text_of(page_of_flows(window(), QUERY)).splitlines()
    assert dict(zip(header.split(), first.split(), strict=True)) == {
        "FLOW": "7", "CLIENT": "203.0.113.9:51820", "LISTENER": "dns", "BACKEND": "edge-1",
        "BACKEND_ADDRESS": "10.0.0.11:5000", "STATE": "current", "AGE_S": "7865.0",
        "IDLE_S": "0.2", "RATE_PER_S": "912.4", "REQUESTS": "411000", "REPLIES": "409000",
        "REQUEST_BYTES": "510656512", "REPLY_BYTES": "504365056", "FIRST_REPLY_S": "0.001100",
    }  # fmt: skip


def test_no_flows_and_no_match_are_two_things() -> None:
    nothing = FlowWindow(rows=(), matched=0, at=1.0)
    for query, said in ((QUERY, "no flows yet"), (replace(QUERY, filter="x"), "no match")):
        (table,) = page_of_flows(nothing, query)
        assert isinstance(table, Table)
        assert table.empty == said


def test_how_many_there_are_besides() -> None:
    said = text_of(summary_of(window(), QUERY))
    assert said == "3 of 18,402 flows, the highest rate first; --limit shows more\n"
    query = FlowQuery(sort="age", ascending=True, offset=40)
    assert "the lowest age first, from row 41 on" in text_of(summary_of(window(), query))
    assert summary_of(FlowWindow(rows=(row(),), matched=1, at=1.0), QUERY) == ()
