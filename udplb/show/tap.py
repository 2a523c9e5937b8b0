"""A tap: the datagrams of one flow, each on a line, decoded where that can be, and as bytes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import floor, isfinite
from typing import NamedTuple

from udplb.config.wording import escape
from udplb.core.address import parse_address
from udplb.engine.snapshot import TAP_BYTES_MAX, TappedDatagram, TapSnapshot
from udplb.show import page
from udplb.show.page import NOTHING, Cell, Column, Line, Page, Role, Table, blank, line
from udplb.show.quantities import count, idle, moment, plural, span, time_of_day
from udplb.show.states import CARE, DONE

HEX_WIDTH = 16
"""Bytes on a line of a hex dump, and the most that stand for a payload in one line."""
LEAST_BYTES = 4
"""That stand for a payload, however narrow the terminal is."""
_GAP = "  "
_FIXED_WIDTH = 13 + 9 + 8 + 7 + 4 * len(_GAP)
"""Time, direction, size and gap, before the content."""
_COLUMNS_PER_BYTE = 4
"""Two digits, a space, and the character."""

_COLUMNS = (
    Column("TIME", "at"),
    Column("DIRECTION", "direction"),
    Column("SIZE", "size", number=True),
    Column("GAP", "gap_s", number=True),
    Column("CONTENT", "content"),
)


class Seen(NamedTuple):
    """One datagram as it is told."""

    datagram: TappedDatagram
    gap_s: float | None
    """Since the one before; None: that was not seen."""
    port: int | None
    """The server's."""


def page_of_tap(tap: TapSnapshot, *, now: float, width: int | None = None) -> Page:
    """What the tap is of, and a table of its datagrams, the oldest first.

    `now` is in seconds since the epoch; `width`: columns of the terminal that it is for.
    """
    port = port_of(tap)
    gaps = (None, *(after.at - before.at for before, after in pairwise(tap.datagrams)))
    rows = tuple(
        _row(Seen(datagram, gap, port), width)
        for datagram, gap in zip(tap.datagrams, gaps, strict=False)
    )
    empty = "no datagrams yet" if tap.live else "no datagrams"
    return (*head_of_tap(tap), *_counted(tap, now), blank(), Table(_COLUMNS, rows, empty))


def head_of_tap(tap: TapSnapshot) -> Page:
    """Which flow it is, and whether it has ended."""
    names = Cell(f"Flow {tap.flow}", role=Role.HEADING)
    head = line(names, f": {tap.client} → {tap.local} → {tap.backend}")
    if tap.live:
        return (head,)
    ended = Cell(f"{DONE} ", role=Role.WAITING)
    return (head, line("The flow has ended; this is what was seen before.", lead=(ended,)))


def page_of_datagram(seen: Seen, width: int | None = None) -> Page:
    """One datagram as a line of a stream for people."""
    at, direction, size, gap, content = _row(seen, width)
    lead = (
        Cell(f"{at.text}{_GAP}", role=Role.QUIET),
        Cell(f"{direction.text:9}{_GAP}"),
        Cell(f"{size.text:>8}{_GAP}{gap.text:>7}{_GAP}"),
    )
    return (Line((content,), lead),)


def line_of_datagram(seen: Seen) -> str:
    """One datagram as a line of a stream for programs, without its end."""
    at, direction, size, gap, content = _row(seen, None)
    told = f"{at.word}{_GAP}{direction.word:7}{_GAP}{size.word:>5}{_GAP}{gap.word:>11}{_GAP}"
    return escape(f"{told}{content.word}")


def lines_of_bytes(datagram: TappedDatagram) -> tuple[str, ...]:
    """The hex dump of what was kept, and how much was not."""
    left = datagram.size - len(datagram.payload)
    more = (f"… {plural(left, 'byte')} more, not kept",) if left > 0 else ()
    return (*hexdump(datagram.payload), *more)


def hexdump(payload: bytes) -> tuple[str, ...]:
    """`0000  68 65 6c 6c 6f 00 …  |hello.|`: offset, 16 bytes, what of them is printable ASCII.

    Of a payload that is longer than a tap keeps, the first TAP_BYTES_MAX bytes.
    """
    kept = payload[:TAP_BYTES_MAX]
    return tuple(
        _dumped(start, kept[start : start + HEX_WIDTH]) for start in range(0, len(kept), HEX_WIDTH)
    )


def port_of(tap: TapSnapshot) -> int | None:
    """The port that the client sends to; None where the address is none."""
    try:
        return parse_address(tap.local).port
    except ValueError:
        return None


def _counted(tap: TapSnapshot, now: float) -> Page:
    kept, last = len(tap.datagrams), tap.datagrams[-1:]
    parts = [plural(tap.seen, "datagram")]
    if kept < tap.seen:
        parts += [f"the last {count(kept)} below"]
    parts += [f"the last one {idle(max(0.0, now - each.at))} ago" for each in last if tap.live]
    lines: Page = (line("; ".join(parts), role=Role.QUIET),)
    cut = sum(each.size > len(each.payload) for each in tap.datagrams)
    if cut:
        said = f"Of {count(cut)} of them only the first {TAP_BYTES_MAX} bytes were kept."
        return (*lines, line(said, lead=(Cell(f"{CARE} ", role=Role.WAITING),)))
    return lines


def _row(seen: Seen, width: int | None) -> tuple[Cell, Cell, Cell, Cell, Cell]:
    datagram, gap = seen.datagram, seen.gap_s
    return (
        _time(datagram.at),
        Cell("→ request", "request") if datagram.to_backend else Cell("← reply", "reply"),
        Cell(f"{count(datagram.size)} B", str(datagram.size)),
        page.span(None) if gap is None else Cell(span(max(0.0, gap)), f"{max(0.0, gap):.6f}"),
        _content(seen, width),
    )


def _time(at: float) -> Cell:
    """`12:04:22.123Z` for people, with the day and microseconds for programs."""
    return Cell(_split(at, 3, time_of_day), _split(at, 6, moment))


def _split(at: float, digits: int, spell: Callable[[float], str]) -> str:
    """A moment with so many digits after the seconds."""
    seconds = floor(at) if isfinite(at) else 0
    part = round((at - seconds) * 10**digits) if isfinite(at) else 0
    if part == 10**digits:
        seconds, part = seconds + 1, 0
    return f"{spell(seconds)[:-1]}.{part:0{digits}}Z"


def _content(seen: Seen, width: int | None) -> Cell:
    from udplb.show.decode import decode  # noqa: PLC0415 - a tenth of a second, for taps alone

    datagram = seen.datagram
    decoded = decode(datagram.payload, datagram.size, seen.port)
    if decoded is not None:
        return Cell(decoded)
    if not datagram.payload:
        return Cell("empty", NOTHING, Role.QUIET)
    room = HEX_WIDTH
    if width is not None:
        room = max(LEAST_BYTES, min(room, (width - _FIXED_WIDTH - 5) // _COLUMNS_PER_BYTE))
    shown = datagram.payload[:room]
    more = " …" if datagram.size > len(shown) else ""
    return Cell(f"{shown.hex(' ')}  |{_printable(shown)}|{more}")


def _dumped(start: int, part: bytes) -> str:
    half = HEX_WIDTH // 2
    digits = f"{part[:half].hex(' ')}  {part[half:].hex(' ')}"
    return f"{start:04x}  {digits:{3 * HEX_WIDTH}}  |{_printable(part)}|"


def _printable(part: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
