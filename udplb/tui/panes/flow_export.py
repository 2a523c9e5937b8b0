"""The flows that are looked at, to take away: as a file, or as the command that shows them."""

from __future__ import annotations

from collections.abc import Callable
from shlex import join
from typing import TYPE_CHECKING

import msgspec

from udplb.config.wording import escape
from udplb.engine.control.requests import Flows
from udplb.engine.ranking import OFFSET_MAX, WINDOW_MAX, FlowQuery
from udplb.engine.snapshot import FlowRow, FlowWindow, TapSnapshot
from udplb.show.flows import page_of_flows
from udplb.show.pcap import pcap_of
from udplb.show.plain import text_of
from udplb.show.quantities import count, plural
from udplb.tui.exporting import ask_where, proposed
from udplb.tui.ink import Piece
from udplb.tui.panes.flow_window import DEPTH_MAX

if TYPE_CHECKING:
    from udplb.tui.console import Console

CLI_LIMIT = 20
"""Rows that `udplb flows` shows unless it is told otherwise."""


def command_of(query: FlowQuery, rows: int = CLI_LIMIT) -> str:
    """`udplb flows --sort rate --filter 'idle<5s'`: the same view on a command line."""
    words = ["udplb", "flows", "--sort", query.sort]
    if query.ascending:
        words.append("--ascending")
    if query.filter:
        words += ["--filter", query.filter]
    if rows != CLI_LIMIT:
        words += ["--limit", str(max(1, min(rows, WINDOW_MAX)))]
    return escape(join(words))


def content_of(name: str, rows: tuple[FlowRow, ...], query: FlowQuery) -> bytes:
    """JSON, a flow a line; columns of text where the file's name ends in .txt."""
    if name.lower().endswith(".txt"):
        window = FlowWindow(rows=rows, matched=len(rows), at=0.0)
        return text_of(page_of_flows(window, query)).encode()
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def export_flows(console: Console, query: FlowQuery, matched: int) -> None:
    """Ask for a file, and write the rows of this view into it: those there are, and can be."""
    deep = min(matched, DEPTH_MAX)
    of = f" of {count(matched)}" if matched > deep else ""
    lines = [
        [Piece(f"{count(deep)}{of} flows", "heading"), Piece(f", sorted by {query.sort}")],
        [Piece(f"filter: {query.filter}" if query.filter else "no filter", "quiet")],
        [Piece("JSON, a flow a line; columns where the name ends in .txt", "quiet")],
    ]

    def take(name: str, write: Callable[[bytes], None], refuse: Callable[[str], None]) -> None:
        collect(console, query, lambda rows: write(content_of(name, rows, query)), refuse)

    name = proposed("flows", "jsonl", console.wall_clock())
    ask_where(console, "Export flows", lines, name, take)


def collect(
    console: Console,
    query: FlowQuery,
    then: Callable[[tuple[FlowRow, ...]], None],
    refuse: Callable[[str], None],
) -> None:
    """All rows of this view that can be had; those on the screen where the proxy is lost."""
    shown = console.model.shown_window
    if console.model.link.state != "live":
        then(shown.rows if shown is not None else ())
        return
    first = msgspec.structs.replace(query, offset=0, limit=WINDOW_MAX)

    def more(window: FlowWindow) -> None:
        if window.matched <= WINDOW_MAX:
            then(window.rows)
            return
        second = msgspec.structs.replace(first, offset=OFFSET_MAX)
        console.ask(
            Flows(query=second),
            lambda rest: then(_joined(window.rows, rest.rows)),
            lambda error: refuse(str(error)),
        )

    console.ask(Flows(query=first), more, lambda error: refuse(str(error)))


def _joined(first: tuple[FlowRow, ...], second: tuple[FlowRow, ...]) -> tuple[FlowRow, ...]:
    """Both parts; a flow that came down from one to the other stands once."""
    known = {row.id for row in first}
    return (*first, *(row for row in second if row.id not in known))


def export_tap(console: Console, tap: TapSnapshot) -> None:
    """Ask for a file, and write the datagrams of a tap into it, for Wireshark and tcpdump."""
    if not tap.datagrams:
        console.news.failed("there is nothing to export yet: no datagram was seen")
        return
    lines = [
        [Piece(plural(len(tap.datagrams), "datagram"), "heading"),
         Piece(f" of {tap.client} and {tap.backend}")],
        [Piece("pcap: what the proxy kept of each, with headers as the client saw them", "quiet")],
    ]  # fmt: skip
    name = proposed(f"flow-{tap.flow}", "pcap", console.wall_clock())
    ask_where(
        console, "Export datagrams", lines, name, lambda name, write, refuse: write(pcap_of(tap))
    )
