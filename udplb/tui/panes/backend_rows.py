"""Backends as rows of a table, of those that are in view."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from udplb.engine.snapshot import BackendSnapshot
from udplb.show.backends import note_on, target_of
from udplb.show.paces import Pace
from udplb.show.page import NOTHING
from udplb.show.quantities import age, bit_rate, count, rate, share, span
from udplb.tui.draw.blocks import bar
from udplb.tui.health import COLUMNS as HEALTH_COLUMNS
from udplb.tui.health import UNKNOWN
from udplb.tui.ink import Piece
from udplb.tui.model import key_of
from udplb.tui.panes.looking import Look
from udplb.tui.widgets.live_table import LiveColumn, LiveRow, LiveTable

BAR_WIDTH = 4
STATE_WIDTH = len("◐ DRAINED")
RATE_WIDTH = len("49.8k/s")
BITS_WIDTH = len("49.8 Mb/s")
NOTE_WIDTH = 60
ALL_ROWS_MAX = 64
"""Up to so many, all rows are made; of more, those in view and a page around them."""

_NAME = LiveColumn("NAME", "name", width_min=8, width_max=28)
_ADDRESS = LiveColumn("ADDRESS", rank=6, width_max=22, middle=True)
_STATE = LiveColumn("STATE", "state", width_min=STATE_WIDTH)
_WEIGHT = LiveColumn("WT", "weight", number=True, rank=5, width_min=3)
_FLOWS = LiveColumn("FLOWS", "flows", number=True, width_min=6)
_LATENCY = LiveColumn("LATENCY", "latency", number=True, rank=2, width_min=7)
_HEALTH = LiveColumn("HEALTH 60s", rank=3, width_min=HEALTH_COLUMNS)
_NOTE = LiveColumn("NOTE", rank=1, width_min=4, width_max=10)

FEW: tuple[LiveColumn, ...] = (
    _NAME,
    _ADDRESS,
    _STATE,
    _WEIGHT,
    _FLOWS,
    LiveColumn("SHARE", rank=4, width_min=5 + BAR_WIDTH),
    LiveColumn("RATE", "rate", number=True, width_min=RATE_WIDTH),
    LiveColumn("BITS", "rate", number=True, rank=7, width_min=BITS_WIDTH),
    _LATENCY,
    _HEALTH,
    _NOTE,
)
"""Of the overview."""

MANY: tuple[LiveColumn, ...] = (
    _NAME,
    _ADDRESS,
    _STATE,
    LiveColumn("FOR", number=True, rank=10, width_min=5),
    _WEIGHT,
    LiveColumn("DUE", number=True, rank=11, width_min=4),
    _FLOWS,
    LiveColumn("SHARE", rank=7, width_min=5 + BAR_WIDTH),
    LiveColumn("NEW", number=True, rank=9, width_min=6),
    LiveColumn("IN", "rate", number=True, rank=4, width_min=RATE_WIDTH),
    LiveColumn("OUT", number=True, rank=4, width_min=RATE_WIDTH),
    _LATENCY,
    _HEALTH,
    LiveColumn("1ST REPLY", number=True, rank=12, width_min=7),
    LiveColumn("ANSWERED", number=True, rank=12),
    LiveColumn("REFUSED", number=True, rank=13),
    LiveColumn("EJECTED", number=True, rank=13),
    _NOTE,
)
"""Of the screen of backends. DUE is the share of new flows that the weight means."""


def few(look: Look, backend: BackendSnapshot) -> LiveRow:
    """A row below FEW: the rate in the unit that was chosen, and bits besides."""
    pace = look.pace(backend)
    bits = _bits(None if pace is None else pace.request_bytes + pace.reply_bytes)
    name, address, state, weight, flows, part = _head(look, backend)
    pieces = (
        name,
        address,
        state,
        weight,
        flows,
        part,
        bits if look.bits else _rate(None if pace is None else pace.requests + pace.replies),
        bits,
        *_tail(look, backend),
    )
    return _row(look, backend, pieces)


def many(look: Look, backend: BackendSnapshot) -> LiveRow:
    """A row below MANY."""
    pace = look.pace(backend)
    expected = look.expected.get(key_of(backend), 0.0)
    name, address, state, weight, flows, part = _head(look, backend)
    latency, health, note = _tail(look, backend)
    pieces = (
        name,
        address,
        state,
        Piece(NOTHING if backend.changed_at is None else age(look.now - backend.changed_at)),
        weight,
        Piece(f"{100 * expected:.0f}%", "" if expected else "quiet"),
        flows,
        part,
        _rate(None if pace is None else pace.admitted),
        *_ways(look, pace),
        latency,
        health,
        Piece(NOTHING if backend.first_reply_s is None else span(backend.first_reply_s)),
        _answered(backend.answered_share),
        _trouble(backend.refusals),
        _trouble(backend.ejections),
        note,
    )
    return _row(look, backend, pieces)


def note(look: Look, backend: BackendSnapshot) -> str:
    """What to know beside the state."""
    said = [note_on(backend, look.now)]
    if look.word(backend) == "SLOW":
        said.insert(0, slowness(look, backend).replace("the others' ", ""))
    return "; ".join(filter(None, said))


def slowness(look: Look, backend: BackendSnapshot) -> str:
    """`17x the others' median`; empty where it is not slow."""
    times = look.slow.get(key_of(backend), 0.0)
    if times >= 2:
        return f"{times:.0f}x the others' median"
    return "answers late" if times else ""


class BackendTable(LiveTable):
    """Rows are made of the backends in view alone, so that thousands cost little."""

    _sought: Hashable = None
    """The row to go to as soon as it is there."""

    def go_to(self, id: Hashable) -> bool:
        """Put the cursor on this row; on one that is not made yet, when it is."""
        found = super().go_to(id)
        self._sought = None if found else id
        if not found:
            self.post_message(self.RowsWanted(self, 0))
        return found

    def show_backends(
        self,
        look: Look,
        backends: Sequence[BackendSnapshot],
        *,
        sort: tuple[str, bool],
        empty: str,
    ) -> None:
        """These, in this order."""
        make = few if self.columns == FEW else many
        self.hidden = frozenset({"BITS"} if look.bits else ())
        first, last = self._in_view(backends)
        rows = [make(look, each) for each in backends[first:last]]
        self.show(rows, offset=first, total=len(backends), sort=sort, empty=empty)
        if self._sought is not None and backends:
            super().go_to(self._sought)
            self._sought = None

    def _in_view(self, backends: Sequence[BackendSnapshot]) -> tuple[int, int]:
        """The rows that are looked at, and the one under the cursor wherever it went."""
        if len(backends) <= ALL_ROWS_MAX:
            return 0, len(backends)
        page = max(16, self.size.height)
        top = min(self.first_shown, len(backends))
        first, last = top - page, top + 2 * page
        sought = self._sought or (self.row and self.row.id)
        if sought is not None:
            place = next((at for at, each in enumerate(backends) if key_of(each) == sought), None)
            if place is not None:
                first, last = min(first, place - page), max(last, place + page)
        return max(0, first), min(len(backends), last)


def _head(look: Look, backend: BackendSnapshot) -> tuple[Piece, ...]:
    """Name, address, state, weight, flows, share."""
    clusters = len(look.snapshot.clusters)
    part = look.share(backend)
    return (
        Piece(target_of(backend) if clusters > 1 else backend.name),
        Piece(NOTHING if backend.address == backend.name else backend.address),
        look.state(backend),
        Piece(str(backend.weight), "" if backend.weight else "slow"),
        Piece(count(backend.flows), "" if backend.flows else "quiet"),
        Piece(f"{100 * part:3.0f}% {_bar(part)}", "" if backend.flows else "quiet"),
    )


def _tail(look: Look, backend: BackendSnapshot) -> tuple[Piece, Piece, Piece]:
    """Latency, health, note."""
    latency = look.latency_s(backend)
    traces = look.traces.get(key_of(backend))
    health = UNKNOWN
    if traces is not None:
        health = traces.health.spark(look.now, look.limits[backend.cluster])
    state = look.state(backend).ink
    said = note(look, backend)
    return (
        Piece(NOTHING if latency is None else span(latency), "quiet" if latency is None else ""),
        Piece(health, state if look.word(backend) not in ("DRAIN", "DRAINED") else "quiet"),
        Piece(said if len(said) <= NOTE_WIDTH else f"{said[: NOTE_WIDTH - 1]}…", "quiet"),
    )


def _row(look: Look, backend: BackendSnapshot, pieces: tuple[Piece, ...]) -> LiveRow:
    if look.stale:
        return LiveRow(key_of(backend), tuple(Piece(each.text) for each in pieces), "stale")
    return LiveRow(key_of(backend), pieces)


def _bar(part: float) -> str:
    """Without a ground: a table of them would be all dots."""
    return bar(part, BAR_WIDTH).replace("░", " ")


def _rate(per_second: float | None) -> Piece:
    if per_second is None:
        return Piece(NOTHING, "quiet")
    return Piece(rate(per_second), "" if per_second else "quiet")


def _bits(bytes_per_second: float | None) -> Piece:
    if bytes_per_second is None:
        return Piece(NOTHING, "quiet")
    return Piece(bit_rate(bytes_per_second), "" if bytes_per_second else "quiet")


def _ways(look: Look, pace: Pace | None) -> tuple[Piece, Piece]:
    """In and out, in the unit that was chosen."""
    if pace is None:
        return _rate(None), _rate(None)
    if look.bits:
        return _bits(pace.request_bytes), _bits(pace.reply_bytes)
    return _rate(pace.requests), _rate(pace.replies)


def _answered(part: float | None) -> Piece:
    return Piece(NOTHING, "quiet") if part is None else Piece(share(part))


def _trouble(number: int) -> Piece:
    return Piece(count(number), "slow" if number else "quiet")
