"""One backend in detail: lines for the pane beside the table, and all that is known as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from udplb.engine import events
from udplb.engine.events import Event
from udplb.engine.snapshot import BackendSnapshot, FlowRow
from udplb.show.backends import target_of
from udplb.show.drains import what_is_left
from udplb.show.events import tell
from udplb.show.page import NOTHING
from udplb.show.quantities import (
    bit_rate,
    count,
    idle,
    lasting,
    moment,
    plural,
    rate,
    share,
    size,
    span,
    time_of_day,
    times,
)
from udplb.tui.ink import Piece, clean
from udplb.tui.model import BackendKey, key_of
from udplb.tui.panes.backend_rows import slowness
from udplb.tui.panes.looking import Look
from udplb.tui.wrapping import Line, wrapped

NEWS_MAX = 6
"""Events of one backend in its pane; its text has all that are kept."""
LABEL_WIDTH = 10
TEXT_WIDTH = 1_000
"""Nothing is broken there."""
_SAYS_HEALTH = ("UP", "DOWN", "EJECTED")
"""States that say whether it is up; the others say something else."""


def lines_of(look: Look, backend: BackendSnapshot, news: Sequence[Event], width: int) -> list[Line]:
    """What the pane of this width shows, what matters most first; `news` the newest first."""
    found = [
        _line("state", look.state(backend), *_since(look, backend)),
        *_drain(backend),
        _weight(look, backend),
        _shares(look, backend),
        _latency(look, backend),
        _first_reply(look, backend),
        *_answers(backend),
        _troubles(backend),
        _now(look, backend),
        _ever(backend),
    ]
    told = _told(news[:NEWS_MAX])
    if told:
        found += [[], *told]
    found = [part for line in found for part in wrapped(line, width, LABEL_WIDTH)]
    if look.stale:
        return [[Piece(piece.text, "stale") for piece in line] for line in found]
    return found


def text_of(
    look: Look, backend: BackendSnapshot, news: Sequence[Event], flows: Sequence[FlowRow]
) -> str:
    """All that is known of it, for people who copy it."""
    cluster = next(each for each in look.snapshot.clusters if each.name == backend.cluster)
    facts = [
        f"{target_of(backend)}  {backend.address}  at {moment(look.now)}",
        f"cluster {cluster.name}: balance {cluster.balance}, probe {cluster.probe}",
        "",
        *(_spelled(line) for line in lines_of(look, backend, (), TEXT_WIDTH)),
        "",
        f"requests  {_way(backend.requests, backend.request_bytes)}",
        f"replies   {_way(backend.replies, backend.reply_bytes)}",
        f"flows     {count(backend.flows)} live, {count(backend.admitted)} since the start",
        f"refusals  {count(backend.refusals)}, no route {times(backend.unreachable)},"
        f" ejected {times(backend.ejections)}, {plural(backend.resent, 'datagram')} sent again",
    ]
    if flows:
        facts += ["", "busiest flows", *map(_flow, flows)]
    if news:
        facts += ["", "events, the newest first", *(_happened(event) for event in news)]
    return "\n".join(map(clean, facts))


def news_of(key: BackendKey, name: str, happened: Iterable[Event]) -> list[Event]:
    """The events that name this backend, the newest first; `happened` the oldest first."""
    cluster, address = key
    either = "|".join(map(re.escape, (f"{cluster}/{name}", f"{cluster}/{address}", address)))
    named = re.compile(rf"(?<![\w./:-])(?:{either})(?![\w/-]|[.:]\w)")
    return [event for event in reversed(list(happened)) if _concerns(event, key, named)]


def _concerns(event: Event, key: BackendKey, named: re.Pattern[str]) -> bool:
    match event:
        case events.BackendEvent():
            return (event.cluster, event.address) == key
        case events.OperatorActed():
            return bool(named.search(f"{event.command} {event.result}"))
        case events.ConfigurationChanged() | events.ConfigurationSaved():
            return any(named.search(sentence) for sentence in event.sentences)
        case _:
            return False


# Lines


def _line(label: str, *pieces: Piece) -> Line:
    return [Piece(f"{label:{LABEL_WIDTH}}", "quiet"), *pieces]


def _since(look: Look, backend: BackendSnapshot) -> list[Piece]:
    if backend.changed_at is None:  # its health never was another
        drain = backend.drain
        return [] if drain is None else [Piece(f" for {lasting(drain.lasts_s)}", "quiet")]
    health = "" if look.word(backend) in _SAYS_HEALTH else " up" if backend.up else " down"
    lasts = f"{health} for {lasting(look.now - backend.changed_at)}"
    why = [Piece(f"  {backend.reason}", "" if not backend.up else "quiet")]
    return [Piece(lasts), *(why if backend.reason else [])]


def _drain(backend: BackendSnapshot) -> list[Line]:
    if not backend.draining:
        return []
    if backend.drain is None:
        return [_line("drain", Piece("since the start", "drain"))]
    left = f"{plural(backend.flows, 'flow')} left: " if backend.flows else ""
    return [_line("drain", Piece(f"{left}{what_is_left(backend.drain)}", "drain"))]


def _weight(look: Look, backend: BackendSnapshot) -> Line:
    due = look.expected.get(key_of(backend), 0.0)
    pieces = [Piece(str(backend.weight)), Piece(f"  due {100 * due:.0f}% of the new flows")]
    pieces += [Piece("  backup", "quiet")] if backend.backup else []
    return _line("weight", *pieces)


def _shares(look: Look, backend: BackendSnapshot) -> Line:
    new = look.share_of_new(backend)
    pieces = [Piece(f"{100 * look.share(backend):.0f}% of the flows: {count(backend.flows)}")]
    if new is not None:
        pieces.append(Piece(f"  {100 * new:.0f}% of the new ones now"))
    return _line("share", *pieces)


def _latency(look: Look, backend: BackendSnapshot) -> Line:
    if backend.probe_latency_s is None:
        return _line("probe", Piece("none that measures", "quiet"))
    pieces = [Piece(span(backend.probe_latency_s))]
    late = slowness(look, backend)
    pieces += [Piece(f"  {late}", "slow")] if late else []
    return _line("probe", *pieces)


def _first_reply(look: Look, backend: BackendSnapshot) -> Line:
    if backend.first_reply_s is None:
        return _line("1st reply", Piece("none yet", "quiet"))
    traces = look.traces.get(key_of(backend))
    recent = None if traces is None else traces.first_reply_s
    pieces = [] if recent is None else [Piece(f"{span(recent)} lately  ")]
    of = f"mean of {count(backend.first_replies)}"
    return _line("1st reply", *pieces, Piece(span(backend.first_reply_s)), Piece(f" {of}", "quiet"))


def _answers(backend: BackendSnapshot) -> list[Line]:
    if backend.answered_share is None:
        return []
    text = f"{share(backend.answered_share)} of the replies owed"
    return [_line("answered", Piece(text))]


def _troubles(backend: BackendSnapshot) -> Line:
    numbers = (
        (backend.refusals, f"refused {times(backend.refusals)}"),
        (backend.unreachable, f"no route {times(backend.unreachable)}"),
        (backend.ejections, f"ejected {times(backend.ejections)}"),
        (backend.resent, f"{count(backend.resent)} sent again"),
    )
    said = ", ".join(text for number, text in numbers if number)
    return _line("trouble", Piece(said or "none", "slow" if said else "quiet"))


def _now(look: Look, backend: BackendSnapshot) -> Line:
    pace = look.pace(backend)
    if pace is None:
        return _line("now", Piece(NOTHING, "quiet"))
    ways = (("in", pace.requests, pace.request_bytes, "rx"),
            ("out", pace.replies, pace.reply_bytes, "tx"))  # fmt: skip
    pieces = [
        Piece(f"{name} {rate(datagrams)} {bit_rate(payload)}  ", ink)
        for name, datagrams, payload, ink in ways
    ]
    return _line("now", *pieces)


def _ever(backend: BackendSnapshot) -> Line:
    there, back = size(backend.request_bytes), size(backend.reply_bytes)
    opened = plural(backend.admitted, "flow")
    return _line("in all", Piece(f"{opened}, {there} in, {back} out", "quiet"))


def _told(news: Sequence[Event]) -> list[Line]:
    lines: list[Line] = []
    for event in news:
        told = tell(event)
        text = "; ".join((told.sentence, *told.details))
        lines.append(
            [Piece(f"{time_of_day(event.at)} ", "quiet"), Piece(f"{told.glyph} "), Piece(text)]
        )
    return lines


# Text


def _spelled(line: Line) -> str:
    return "".join(piece.text for piece in line).rstrip()


def _way(datagrams: int, payload: int) -> str:
    return f"{plural(datagrams, 'datagram')}, {size(payload)}"


def _flow(row: FlowRow) -> str:
    return f"  {row.client}  {row.state}  {rate(row.rate)}  idle {idle(row.idle_s)}  flow {row.id}"


def _happened(event: Event) -> str:
    told = tell(event)
    return f"  {moment(event.at)}  {'; '.join((told.sentence, *told.details))}"
