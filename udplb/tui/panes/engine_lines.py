"""The engine in a few lines: how full it is, what it loses, what it costs."""

from __future__ import annotations

from udplb.engine.snapshot import Snapshot, summed
from udplb.show.page import NOTHING
from udplb.show.quantities import count, rate, size, span
from udplb.show.reasons import tally
from udplb.tui.draw.blocks import bar
from udplb.tui.ink import Piece
from udplb.tui.model import Model
from udplb.tui.panes.looking import Look
from udplb.tui.wrapping import Line, wrapped

LABEL_WIDTH = 8
LATE_S = 0.05
"""Seconds that a loop may be late before it is worth a look."""
BUSY = 0.9
"""Of one processor: the engine is one thread."""
FULL = 0.9

_LABELS = ("flows", "", "new", "drops", "shed", "kernel", "lag", "cpu", "probes")


def engine_lines(look: Look | None, model: Model, width: int, height: int) -> list[Line]:
    """A box of this size, what matters most first. Without a picture, labels alone."""
    if look is None:
        return [_line(label, Piece(NOTHING if label else "", "quiet")) for label in _LABELS]
    snapshot = look.snapshot
    lines = [
        _flows(snapshot),
        [Piece(" " * LABEL_WIDTH), _bar(snapshot, width - LABEL_WIDTH)],
        _line("new", Piece(opening(look)), Piece("  ended "), Piece(closing(look, model))),
        _line("drops", *_drops(snapshot, model)),
        _line("shed", _tally(snapshot.totals.shed, snapshot.totals.sheds)),
        _line("kernel", *_kernel(snapshot)),
        _line("lag", *_lag(snapshot)),
        _line("cpu", *_costs(snapshot, model)),
        _line("probes", *_probes(snapshot)),
    ]
    if height > len(lines):
        lines += _more(look)
        room = height - len(lines)
        lines = [part for line in lines for part in wrapped(line, width, LABEL_WIDTH, 1 + room)]
    return stale(lines) if look.stale else lines


def summary(look: Look | None, model: Model) -> Line:
    """The same in one line, for terminals without room for a box."""
    if look is None:
        return [Piece("waiting for the first picture", "quiet")]
    snapshot = look.snapshot
    gap = Piece("  ")
    line = [
        Piece("flows ", "quiet"), *_flows(snapshot)[1:], gap,
        Piece(opening(look)), gap,
        Piece("drops ", "quiet"), _pace_of_drops(model), gap,
        Piece("cpu ", "quiet"), *_costs(snapshot, model)[:1], gap,
        Piece("lag ", "quiet"), *_lag(snapshot)[:1],
    ]  # fmt: skip
    return stale([line])[0] if look.stale else line


def opening(look: Look) -> str:
    """Flows that were opened."""
    return NOTHING if look.paces is None else f"+{rate(look.paces.total.admitted)}"


def closing(look: Look, model: Model) -> str:
    """Flows that ended."""
    return NOTHING if look.paces is None else rate(model.closing)


def stale(lines: list[Line]) -> list[Line]:
    """Older than they should be."""
    return [[Piece(piece.text, "stale") for piece in line] for line in lines]


def _more(look: Look) -> list[Line]:
    """What there is to say where there is more room."""
    snapshot = look.snapshot
    closed = summed(each.closed for each in snapshot.listeners)
    lines = [_line("closed", Piece(tally(closed) or "none", "" if closed else "quiet"))]
    for listener in snapshot.listeners:
        pace = None if look.paces is None else look.paces.listeners.get(listener.name)
        now = NOTHING if pace is None else look.spell(pace.requests, pace.request_bytes)
        back = NOTHING if pace is None else look.spell(pace.replies, pace.reply_bytes)
        lines += [
            [],
            [Piece(f"{listener.name} ", "heading"), Piece(listener.address)],
            _line("", Piece(f"in {now}", "rx"), Piece(f"  out {back}", "tx")),
        ]
    return lines


def _line(label: str, *pieces: Piece) -> Line:
    return [Piece(f"{label:{LABEL_WIDTH}}", "quiet"), *pieces]


def _part(snapshot: Snapshot) -> float:
    totals = snapshot.totals
    return totals.flows / totals.max_flows if totals.max_flows else 0.0


def _flows(snapshot: Snapshot) -> Line:
    totals = snapshot.totals
    ink = "drop" if _part(snapshot) >= FULL else ""
    pieces = [Piece(count(totals.flows), ink or "heading")]
    if totals.max_flows:
        pieces.append(Piece(f" of {count(totals.max_flows)}"))
        pieces.append(Piece(f"  {100 * _part(snapshot):.0f}%", ink))
    return _line("flows", *pieces)


def _bar(snapshot: Snapshot, width: int) -> Piece:
    ink = "graph-peak" if _part(snapshot) >= FULL else "graph"
    return Piece(bar(_part(snapshot), max(0, width)), ink)


def _pace_of_drops(model: Model) -> Piece:
    per_second = model.drops_per_s()
    return Piece(rate(per_second), "drop" if per_second else "quiet")


def _drops(snapshot: Snapshot, model: Model) -> list[Piece]:
    reasons = tally(snapshot.totals.drops)
    said = f"  {reasons}" if reasons else ""
    return [_pace_of_drops(model), Piece(said, "drop" if model.drops_per_s() else "")]


def _tally(number: int, reasons: dict[str, int]) -> Piece:
    return Piece(tally(reasons) or count(number), "" if number else "quiet")


def _kernel(snapshot: Snapshot) -> list[Piece]:
    drops = snapshot.totals.kernel_drops
    queued = sum(each.receive_queued for each in snapshot.listeners)
    return [
        Piece(f"{count(drops)} dropped", "drop" if drops else "quiet"),
        Piece(f"  queue {size(queued)}", "" if queued else "quiet"),
    ]


def _lag(snapshot: Snapshot) -> list[Piece]:
    now, most = snapshot.process.loop_lag_s, snapshot.process.loop_lag_max_s
    return [
        Piece(span(now), "slow" if now >= LATE_S else ""),
        Piece(f"  most {span(most)}", "slow" if most >= LATE_S else "quiet"),
    ]


def _costs(snapshot: Snapshot, model: Model) -> list[Piece]:
    cpu = NOTHING if model.cpu is None else f"{100 * model.cpu:.0f}%"
    busy = model.cpu is not None and model.cpu >= BUSY
    memory = f"  memory {size(snapshot.process.resident_bytes)}"
    return [Piece(cpu, "slow" if busy else ""), Piece(memory)]


def _probes(snapshot: Snapshot) -> list[Piece]:
    missed = snapshot.totals.probes_not_made
    pieces = [Piece(f"{count(snapshot.totals.probes_in_flight)} under way")]
    return [*pieces, Piece(f"  {count(missed)} not made", "slow")] if missed else pieces
