"""One flow in full: from where to where, how much, since when, and why there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from udplb.engine.control.requests import Explanation
from udplb.engine.snapshot import FlowRow
from udplb.show import page
from udplb.show.quantities import age, bit_rate, count, idle, lasting, rate, size, span
from udplb.show.states import state_of_flow
from udplb.tui.ink import Piece
from udplb.tui.model import FlowPace
from udplb.tui.panes.flow_rows import trend_of
from udplb.tui.themes.roles import role_of_state

Text = list[list[Piece]]

TREND = 16
"""Cells of the trend."""
ENDED = "ended"


@dataclass(frozen=True, slots=True)
class FlowDetail:
    """What is known of one flow."""

    row: FlowRow
    pace: FlowPace | None
    listener_address: str
    backend_state: Piece
    why: Explanation | str | None = None
    """Where its client would go now; a text: why that is not known; None: not asked yet."""
    gone: bool = False
    """It is no longer among the flows that were asked for."""
    ended: bool = False
    """It is no longer there at all."""


def lines_of(detail: FlowDetail, *, side: int | None) -> Text:
    """For a pane at the bottom, or one at the side with so many cells."""
    row = detail.row
    way = _way(detail)
    rows = _directions(detail)
    if side is None:
        joined: list[Piece] = []
        for at, part in enumerate(way):
            joined += [Piece(" → ", "quiet")] if at else []
            joined += part
        return [joined, _times(detail), *rows, _why(detail)]
    return [
        [Piece("client    ", "quiet"), *way[0]],
        [Piece("listener  ", "quiet"), *way[1]],
        [Piece("backend   ", "quiet"), *way[2]],
        [],
        _fact("state", _state(detail)),
        _fact("age", Piece(age(row.age_s))),
        _fact("idle", Piece(idle(row.idle_s))),
        _fact("ends in", _ends(detail)),
        _fact("1st reply", Piece(_span(row.first_reply_s))),
        _fact("trend", Piece(_trend(detail), "graph")),
        [],
        *rows,
        [],
        *_wrapped_why(detail, side),
    ]


def text_of(detail: FlowDetail) -> str:
    """All of it, to be read and copied; nothing is shortened."""
    row = detail.row
    facts = [
        ("flow", str(row.id)),
        ("client", row.client),
        ("listener", f"{row.listener} {detail.listener_address}".strip()),
        ("backend", f"{row.backend} {row.backend_address}".strip()),
        ("backend state", detail.backend_state.text or "-"),
        ("state", _state(detail).text),
        ("age", age(row.age_s)),
        ("idle", idle(row.idle_s)),
        ("ends in", _ends(detail).text),
        ("first reply", _span(row.first_reply_s)),
    ]
    for title, datagrams, bytes_, per_s, bytes_per_s in _numbers(detail):
        facts.append((title, f"{count(datagrams)}   {size(bytes_)} ({count(bytes_)} B)"))
        facts.append(("", f"{rate(per_s)}   {bit_rate(bytes_per_s)}"))
    lines = [f"{title:<15}{text}" for title, text in facts]
    return "\n".join([*lines, "", "".join(piece.text for piece in _why(detail))])


def _way(detail: FlowDetail) -> tuple[list[Piece], list[Piece], list[Piece]]:
    row, state = detail.row, detail.backend_state
    same = row.backend == row.backend_address
    return (
        [Piece(row.client, "heading")],
        [Piece(row.listener), Piece(f" {detail.listener_address}", "quiet")],
        [
            Piece(row.backend, "heading"),
            Piece(f" {state.text}" if state.text else "", state.ink),
            Piece("" if same else f"  {row.backend_address}", "quiet"),
        ],
    )


def _times(detail: FlowDetail) -> list[Piece]:
    row = detail.row
    return [
        _state(detail),
        Piece("   age ", "quiet"), Piece(age(row.age_s)),
        Piece("   idle ", "quiet"), Piece(idle(row.idle_s)),
        Piece("   ends in ", "quiet"), _ends(detail),
        Piece("   1st reply ", "quiet"), Piece(_span(row.first_reply_s)),
        Piece("   "), Piece(_trend(detail), "graph"),
    ]  # fmt: skip


def _state(detail: FlowDetail) -> Piece:
    if detail.ended:
        return Piece(ENDED, "stale")
    state = state_of_flow(detail.row.state)
    unsure = " (no longer in this window)" if detail.gone else ""
    return Piece(f"{state.text}{unsure}", role_of_state(state.word))


def _ends(detail: FlowDetail) -> Piece:
    ends_in_s = detail.row.ends_in_s
    if ends_in_s is None or detail.ended:
        return Piece(page.NOTHING, "quiet")
    return Piece(lasting(ends_in_s))


def _span(seconds: float | None) -> str:
    return page.NOTHING if seconds is None else span(seconds)


def _trend(detail: FlowDetail) -> str:
    return trend_of(detail.pace, TREND).lstrip()


Direction = tuple[str, int, int, float, float]
"""Title, datagrams, bytes, and both per second."""


def _numbers(detail: FlowDetail) -> tuple[Direction, Direction]:
    row, pace = detail.row, detail.pace
    still = detail.ended or pace is None
    return (
        (
            "requests", row.requests, row.request_bytes,
            0.0 if still or pace is None else pace.requests,
            0.0 if still or pace is None else pace.request_bytes,
        ),
        (
            "replies", row.replies, row.reply_bytes,
            0.0 if still or pace is None else pace.replies,
            0.0 if still or pace is None else pace.reply_bytes,
        ),
    )  # fmt: skip


def _directions(detail: FlowDetail) -> Text:
    """Both ways, below each other."""
    numbers = _numbers(detail)
    texts = [(count(n), size(b), rate(per_s), bit_rate(bits)) for _, n, b, per_s, bits in numbers]
    widths = [max(len(each[at]) for each in texts) for at in range(4)]
    return [
        [
            Piece(f"{title:<10}", ink),
            *(Piece(f"{text:>{width}}  ") for text, width in zip(each, widths, strict=True)),
        ]
        for (title, *_), each, ink in zip(numbers, texts, ("rx", "tx"), strict=True)
    ]


def _fact(title: str, value: Piece) -> list[Piece]:
    return [Piece(f"{title:<10}", "quiet"), value]


def _why(detail: FlowDetail) -> list[Piece]:
    """Why this backend: what a new flow of this client would do now says it best."""
    match detail.why:
        case None:
            return [Piece("why  …", "quiet")]
        case str(text):
            return [Piece("why  ", "quiet"), Piece(text, "slow")]
        case told:
            pass
    if told.chosen == detail.row.backend:
        return [Piece("why  ", "quiet"), Piece(told.why)]
    where = f"{told.chosen}: " if told.chosen is not None else ""
    return [Piece("a new flow would go to " if where else "a new flow: ", "quiet"),
            Piece(f"{where}{told.why}")]  # fmt: skip


def _wrapped_why(detail: FlowDetail, width: int) -> Text:
    """In lines for the side."""
    title, *rest = _why(detail)
    words = "".join(piece.text for piece in rest).split(" ")
    ink = rest[0].ink if rest else ""
    lines: Text = [[title]]
    for text in wrapped(words, width):
        lines.append([Piece(text, ink)])
    return lines


def wrapped(words: Sequence[str], width: int) -> list[str]:
    """The words in lines of at most `width` cells, unless a word is longer."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        elif word:
            lines.append(word)
    return lines
