"""The flows screen, driven by keys: rows of 18,402 flows, their order, and one of them in full."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
from textual.widgets import Input, Label

from tests.tui.driving import dialog_of, run, type_in
from tests.tui.fake_proxy import NOW
from tests.tui.panes.flow_stage import ALL, Proxy, Stage, faster, stage
from udplb.engine.control.requests import Explain
from udplb.engine.control.requests import Flows as AskFlows
from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import TappedDatagram
from udplb.tui.console import Console
from udplb.tui.dialogs.text import TextDialog
from udplb.tui.dialogs.which import WhichDialog

# Rows


def test_the_busiest_flows_are_shown_first() -> None:
    async def scenario() -> None:
        async with stage() as on:
            assert on.names[:3] == [0, 1, 2]
            assert len(on.names) == 100
            assert "no filter   18,402 flows   sort rate ↓   ranked 0.0 s ago" in on.text
            assert "203.0.113.0:40000" in on.text
            assert "[2001:db8:9:2::4]:3478" in on.text
            assert "edge-3 ◐" in on.text
            assert "LISTENER" not in on.text

    run(scenario)


def test_the_last_rows_that_can_be_seen_are_reached_at_once_and_say_so() -> None:
    async def scenario() -> None:
        async with stage() as on:
            await on.press("G")
            await on.until(lambda: on.names[-1] == 1_999, "the rows at the end")
            assert on.cursor == 1_999
            await on.shows("2,000 of 18,402: filter to see the others")
            await on.until(lambda: on.proxy.streams[-1].request.window == on.pane.window())
            await on.press("g")
            await on.until(lambda: on.names[0] == 0)
            assert on.cursor == 0

    run(scenario)


def test_scrolling_asks_for_few_windows_and_one_at_a_time() -> None:
    async def scenario() -> None:
        async with stage() as on:
            asked = len(on.proxy.asked)
            on.proxy.gate.clear()
            await on.press(*["pagedown"] * 12)
            flows = [each for each in on.proxy.asked[asked:] if isinstance(each, AskFlows)]
            assert len(flows) == 1
            on.proxy.gate.set()
            await on.until(lambda: on.pane.selected is not None, "the rows in view")
            assert on.cursor == on.pane.table.place == 12 * on.pane.table.rows_in_view
            flows = [each for each in on.proxy.asked[asked:] if isinstance(each, AskFlows)]
            assert len(flows) == 2

    run(scenario)


def test_an_older_answer_does_not_replace_a_newer_one() -> None:
    async def scenario() -> None:
        async with stage() as on:
            await on.press("s")
            await on.until(lambda: on.names[0] == ALL - 1, "by datagrams")
            late = FlowQuery(sort="rate", limit=100)
            snapshot = msgspec.structs.replace(
                on.proxy.snapshot, at=1_009.0, window=on.proxy.window(late)
            )
            on.app.post_message(Console.Arrived([snapshot], late))
            await on.until(lambda: on.app.model.snapshot == snapshot)
            assert on.names[0] == ALL - 1

    run(scenario)


# Order


def test_s_sorts_by_the_next_key_and_r_turns_it_round() -> None:
    async def scenario() -> None:
        async with stage() as on:
            await on.press("j", "s")
            await on.shows("sort datagrams ↓")
            await on.until(lambda: on.names[0] == ALL - 1)
            assert on.pane.table.place == 0
            await on.press("r")
            await on.shows("sort datagrams ↑")
            await on.until(lambda: on.names[0] == 0)
            for key in ("bytes", "age", "idle", "rate"):
                await on.press("s")
                await on.shows(f"sort {key} ↓")

    run(scenario)


def test_a_click_on_a_title_sorts_and_another_turns_it_round() -> None:
    async def scenario() -> None:
        async with stage() as on:
            line = on.pane.table.render_line(0).text
            for sign in "↓↑":
                await on.pilot.click("#flows-table", offset=(line.index("AGE") + 1, 0))
                await on.shows(f"sort age {sign}")

    run(scenario)


def test_the_order_is_held_while_the_cursor_moves_and_values_go_on() -> None:
    async def scenario() -> None:
        async with stage() as on:
            await on.press("j")
            await on.shows("order held")
            await on.change(faster(5))
            assert on.names[:7] == [0, 1, 2, 3, 4, 5, 6]
            await on.shows("1M/s")
            await on.pass_time(2.9)
            assert on.names[0] == 0
            await on.pass_time(0.2)
            assert on.names[:3] == [5, 0, 1]
            assert on.cursor == 1
            assert "order held" not in on.text

    run(scenario)


def test_the_order_is_held_while_a_dialog_is_open() -> None:
    async def scenario() -> None:
        async with stage() as on:
            await on.press("w")
            await on.until(lambda: isinstance(on.app.screen, WhichDialog))
            await on.change(faster(5))
            assert on.names[:2] == [0, 1]
            await on.press("escape")
            await on.until(lambda: len(on.app.screen_stack) == 1)
            await on.pass_time(1)
            assert on.names[0] == 5

    run(scenario)


def test_flows_that_end_while_the_order_is_held_stay_dim_in_their_places() -> None:
    async def scenario() -> None:
        async with stage() as on:
            await on.press("j")
            await on.change(lambda row: row if row.id != 7_002 else None)
            assert on.names[:4] == [0, 1, 2, 3]
            assert [row.ink for row in on.pane.table.rows[:4]] == ["", "", "stale", ""]
            await on.pass_time(3.1)
            assert on.names[:4] == [0, 1, 3, 4]

    run(scenario)


def test_the_cursor_is_on_top_until_it_is_moved_and_then_with_its_flow() -> None:
    async def scenario() -> None:
        async with stage() as on:
            await on.change(faster(9))
            assert on.cursor == 9
            await on.press("j")
            assert on.cursor == 0
            await on.pass_time(4)
            await on.change(faster(8, 2e6))
            assert on.names[:3] == [8, 9, 0]
            assert on.cursor == 0
            assert on.pane.flows_chosen() == [7_000]

    run(scenario)


def test_marked_flows_are_those_that_are_chosen() -> None:
    async def scenario() -> None:
        async with stage() as on:
            await on.press("space", "space", "j", "space")
            assert on.pane.flows_chosen() == [7_000, 7_001, 7_003]
            await on.shows("3 marked")
            await on.press("escape")
            assert on.pane.flows_chosen() == [7_004]

    run(scenario)


# Filter


def test_a_filter_is_typed_and_escape_clears_it() -> None:
    async def scenario() -> None:
        async with stage() as on:
            await on.filter_for("backend=edge-4")
            await on.shows("filter: backend=edge-4   3,680 of 18,402 flows")
            assert on.names[:2] == [3, 8]
            assert on.pane.filter_line() == "backend=edge-4"
            await on.press("escape")
            await on.shows("no filter")
            await on.until(lambda: on.names[:2] == [0, 1])

    run(scenario)


def test_what_is_no_filter_is_told_and_stays_to_be_mended() -> None:
    async def scenario() -> None:
        async with stage() as on:
            await on.filter_for("colour=red")
            await on.shows('there is no field "colour"')
            assert on.app.query_one("#filter", Input).has_focus
            assert on.pane.filter_line() == ""

    run(scenario)


# One flow


def test_the_detail_says_from_where_to_where_and_why() -> None:
    async def scenario() -> None:
        async with stage() as on:
            await on.shows("203.0.113.0:40000 → game 203.0.113.1:5000 → edge-1 ● UP")
            await on.shows("why  it has the highest score")
            await on.press("j")
            await on.shows("a new flow would go to edge-1: it has the highest score")
            asked = [each for each in on.proxy.asked if isinstance(each, Explain)]
            assert [each.client for each in asked] == ["203.0.113.0:40000", "203.0.113.1:40001"]

    run(scenario)


def test_d_shows_all_of_it_as_text() -> None:
    async def scenario() -> None:
        async with stage() as on:
            await on.press("j", "j", "d")
            await on.until(lambda: isinstance(on.app.screen, TextDialog))
            await on.shows("[2001:db8:9:2::4]:3478")
            await on.shows("◐ DRAIN")
            await on.press("escape")
            await on.until(lambda: not isinstance(on.app.screen, TextDialog))

    run(scenario)


def test_a_followed_flow_stays_in_view_when_it_is_ranked_away() -> None:
    async def scenario() -> None:
        async with stage() as on:
            await on.press("j", "j", "j", "f")
            await on.pass_time(4)
            await on.change(faster(3, 0.5))
            assert 3 not in on.names
            await on.pass_time(4)
            ask = FlowQuery(filter="client=203.0.113.3:40003", listener="game", limit=50)
            await on.until(lambda: AskFlows(query=ask) in on.proxy.asked, "a look at it")
            assert on.cursor == 3
            assert on.pane.flows_chosen() == [7_003]
            await on.until(lambda: "0.5/s" in on.pane.table.render_line(1).text)
            await on.change(lambda row: row if row.id != 7_003 else None)
            await on.pass_time(4)
            await on.shows("ended   age")
            await on.press("f")
            await on.until(lambda: on.pane.table.pinned is None)

    run(scenario)


def test_w_asks_where_its_client_would_go_without_a_backend() -> None:
    async def scenario() -> None:
        async with stage() as on:
            await on.press("w")
            await on.shows("Client 203.0.113.0:40000 on listener game")
            await type_in(on.pilot, "edge-1")
            await on.shows("as if edge-1 were down")
            assert (
                Explain(listener="game", client="203.0.113.0:40000", without=("edge-1",))
                in on.proxy.asked
            )

    run(scenario)


# The tap


def datagram(number: int, to_backend: bool = True) -> TappedDatagram:
    return TappedDatagram(
        at=NOW + number / 10, to_backend=to_backend, size=5, payload=b"ping%d" % number
    )


def test_the_tap_shows_datagrams_as_they_come_and_is_off_when_nobody_looks() -> None:
    async def scenario() -> None:
        proxy = Proxy()
        proxy.tapped = (datagram(1), datagram(2, False))
        async with stage(proxy) as on:
            await on.press("t")
            await on.shows("tap of flow 7000")
            await on.shows("→ request")
            await on.shows("|ping2|")
            proxy.tapped = (*proxy.tapped, datagram(3))
            proxy.show(msgspec.structs.replace(proxy.snapshot, at=1_001.0))
            await on.shows("|ping3|")
            assert on.pane.tap_view.render_line(3).text.startswith(">")
            await on.press("tab", "j")
            assert on.pane.flows_chosen() == [7_001]
            await on.press("tab")
            assert on.pane.flows_chosen() == [7_000]
            await on.press("4")
            await on.until(lambda: proxy.streams[-1].request.tap is None)
            await on.press("3")
            await on.until(lambda: proxy.streams[-1].request.tap == 7_000)
            await on.press("t")
            await on.until(lambda: "-tapping" not in on.pane.classes)
            await on.until(lambda: proxy.streams[-1].request.tap is None)

    run(scenario)


def test_a_datagram_that_is_looked_at_keeps_the_cursor() -> None:
    async def scenario() -> None:
        proxy = Proxy()
        proxy.tapped = (datagram(1), datagram(2))
        async with stage(proxy) as on:
            await on.press("t")
            await on.shows("|ping2|")
            await on.press("k")
            proxy.tapped = (*proxy.tapped, datagram(3))
            proxy.show(msgspec.structs.replace(proxy.snapshot, at=1_001.0))
            await on.shows("|ping3|")
            assert on.pane.tap_view.render_line(1).text.startswith(">")

    run(scenario)


def test_a_tap_goes_on_below_what_was_seen_when_other_rows_are_looked_at() -> None:
    async def scenario() -> None:
        proxy = Proxy()
        proxy.tapped = (datagram(1), datagram(2))
        async with stage(proxy) as on:
            await on.press("t")
            await on.shows("|ping2|")
            proxy.tapped = (datagram(3),)  # another stream, and another ring
            await on.press("s")
            await on.shows("|ping3|")
            assert "|ping1|" in on.text
            assert "3 datagrams" in on.text

    run(scenario)


def test_the_bytes_of_a_datagram_can_be_read() -> None:
    async def scenario() -> None:
        proxy = Proxy()
        proxy.tapped = (datagram(1), datagram(2, False))
        async with stage(proxy) as on:
            await on.press("t")
            await on.shows("|ping2|")
            await on.press("k", "enter")
            await on.until(lambda: isinstance(on.app.screen, TextDialog))
            await on.shows("0000  70 69 6e 67 31")

    run(scenario)


def test_the_tap_of_a_flow_that_ended_stays_and_says_so() -> None:
    async def scenario() -> None:
        proxy = Proxy()
        proxy.tapped = (datagram(1),)
        async with stage(proxy) as on:
            await on.press("t")
            await on.shows("|ping1|")
            proxy.tap_live = False
            await on.change(lambda row: row if row.id != 7_000 else None)
            await on.shows("tap of flow 7000 · flow ended")
            await on.shows("|ping1|")
            assert on.pane.tapped() is None
            await on.press("escape")
            await on.until(lambda: "-tapping" not in on.pane.classes)

    run(scenario)


def test_x_in_an_empty_tap_writes_nothing() -> None:
    async def scenario() -> None:
        proxy = Proxy()
        proxy.tapped = ()
        async with stage(proxy) as on:
            await on.press("t")
            await on.shows("tap of flow 7000")
            await on.press("x")
            await on.shows("nothing to export yet: no datagram was seen")

    run(scenario)


def test_x_in_the_tap_writes_a_capture(tmp_path: Path) -> None:
    async def scenario() -> None:
        proxy = Proxy()
        proxy.tapped = (datagram(1),)
        async with stage(proxy) as on:
            await on.press("t")
            await on.shows("|ping1|")
            await on.press("x")
            await write_to(on, tmp_path / "tap.pcap")
            assert (tmp_path / "tap.pcap").read_bytes().startswith(b"\xd4\xc3\xb2\xa1")

    run(scenario)


# To take away


async def write_to(on: Stage, path: Path) -> None:
    """Answer the dialog with this file."""
    await on.until(lambda: on.app.screen.query("#field-file"))
    on.app.screen.query_one("#field-file", Input).value = str(path)
    await on.press("enter", "enter")
    await on.until(path.exists)
    await on.until(lambda: len(on.app.screen_stack) == 1)


def test_x_writes_the_rows_that_there_are(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with stage() as on:
            await on.press("x")
            await on.shows("2,000 of 18,402 flows")
            await on.shows("udplb-flows-20261122T120102Z.jsonl")
            await write_to(on, tmp_path / "rows.jsonl")
            await on.shows("written: ")
            rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").open()]
            assert [row["id"] for row in rows] == list(range(7_000, 9_000))
            await on.press("x")
            await write_to(on, tmp_path / "rows.txt")
            assert (tmp_path / "rows.txt").read_text().startswith("FLOW  CLIENT")

    run(scenario)


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "rows").write_text("precious")
        async with stage() as on:
            await on.press("x")
            await on.until(lambda: on.app.screen.query("#field-file"))
            on.app.screen.query_one("#field-file", Input).value = str(tmp_path / "rows")
            await on.press("enter", "enter")
            wrong = on.app.screen.query_one("#wrong", Label)
            await on.until(lambda: "is there already" in str(wrong.content))
            assert dialog_of(on.app).is_attached
            assert (tmp_path / "rows").read_text() == "precious"

    run(scenario)


def test_y_copies_the_view_as_a_command() -> None:
    async def scenario() -> None:
        async with stage() as on:
            await on.press("s", "r")
            await on.filter_for("backend=edge-4")
            await on.press("y")
            assert on.app.clipboard == (
                "udplb flows --sort datagrams --ascending --filter backend=edge-4"
            )
            await on.shows("copied: udplb flows")

    run(scenario)
