"""What can be taken away of the flows; on the screen it is in test_flows.py."""

from __future__ import annotations

import json
import shlex
from types import SimpleNamespace
from typing import Any, cast

from tests.tui import scenes
from udplb.engine.control.requests import Flows
from udplb.engine.ranking import WINDOW_MAX, FlowQuery
from udplb.engine.snapshot import FlowRow, FlowWindow
from udplb.tui.model import Model
from udplb.tui.panes.flow_export import collect, command_of, content_of

QUERY = FlowQuery(sort="rate")


def test_the_command_shows_the_same() -> None:
    assert command_of(QUERY) == "udplb flows --sort rate"
    evil = command_of(FlowQuery(sort="idle", ascending=True, filter="a;rm -rf 'x' !b"), 50)
    assert shlex.split(evil) == [
        "udplb", "flows", "--sort", "idle", "--ascending", "--filter", "a;rm -rf 'x' !b",
        "--limit", "50",
    ]  # fmt: skip


def test_rows_are_json_lines_or_columns() -> None:
    rows = scenes.flow_rows(3)
    lines = content_of("rows", rows, QUERY).decode().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [7_000, 7_001, 7_002]
    text = content_of("rows.TXT", rows, QUERY).decode()
    assert text.splitlines()[0].split()[:2] == ["FLOW", "CLIENT"]
    assert len(text.splitlines()) == 4
    assert content_of("rows", (), QUERY) == b""


def console(state: str = "live") -> Any:
    """One that asks, and has its answers at once: of the second part, from row 990 on."""
    rows = scenes.flow_rows(1_500)

    def ask(request: Flows, then: Any, otherwise: Any) -> None:
        start = request.query.offset and 990
        shown = rows[start : start + request.query.limit]
        then(FlowWindow(rows=shown, matched=1_500, at=1.0))

    model = Model()
    model.link.state = cast("Any", state)
    model.window = FlowWindow(rows=rows[:3], matched=1_500, at=1.0)
    return SimpleNamespace(model=model, ask=ask)


def collected(state: str) -> list[int]:
    found: list[int] = []

    def then(rows: tuple[FlowRow, ...]) -> None:
        found.extend(row.id for row in rows)

    collect(console(state), QUERY, then, found.append)  # type: ignore[arg-type]
    return found


def test_all_rows_are_collected_each_once() -> None:
    assert len(collected("live")) > WINDOW_MAX
    assert collected("live") == list(range(7_000, 8_500))


def test_of_a_lost_proxy_the_rows_on_the_screen_are_taken() -> None:
    assert collected("lost") == [7_000, 7_001, 7_002]
