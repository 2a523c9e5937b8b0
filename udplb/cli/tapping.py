"""`udplb tap`: the datagrams of one flow, as they come."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from io import FileIO
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from cyclopts import Parameter

from udplb.cli import arguments
from udplb.cli.arguments import Flag, Json, SocketPath
from udplb.cli.asking import proxy
from udplb.cli.endings import DONE, FAILED, Complaint, misused, say
from udplb.cli.output import Output
from udplb.cli.watching import TAKE_S, Absence
from udplb.engine.control.requests import Subscribe
from udplb.engine.snapshot import Snapshot, TappedDatagram, TapSnapshot
from udplb.show.page import Role, line
from udplb.show.pcap import pcap_header, pcap_records
from udplb.show.quantities import count as counted
from udplb.show.quantities import plural
from udplb.show.tap import (
    Seen,
    head_of_tap,
    line_of_datagram,
    lines_of_bytes,
    page_of_datagram,
    port_of,
)

if TYPE_CHECKING:
    from udplb.client import Client

INTERVAL_S = 0.2
"""Between two looks."""
CAPTURE_DATAGRAMS_MAX = 10_000
"""In one file: 6 MB at most."""
FLOW_MAX = 2**63 - 1
COUNT_MAX = 1_000_000_000
_PRIVATE = 0o600
"""Of a new capture: what clients and backends say to each other is nobody else's business."""
_INDENT = "  "


def tap(
    flow: int,
    /,
    *,
    count: int | None = None,
    duration: str | None = None,
    hex: Flag = False,
    pcap: Path | None = None,
    json: Annotated[
        Json, Parameter(name="--json", help="A JSON document for each datagram, one a line.")
    ] = False,
    watch: Flag = False,
    socket: SocketPath = None,
) -> int:
    """The datagrams of one flow as they come, both ways, until Ctrl-C or the flow's end.

    Each with its time, its size and the gap before it; DNS is decoded, of anything else the first
    bytes are shown. The proxy keeps the last 64 datagrams of a flow that is tapped, and the first
    512 bytes of each; where more come between two looks, the command says how many were not seen.

    Exit code 1 if the flow is not there, or ends before any datagram was seen.

    For example:

        udplb tap 4711
        udplb tap 4711 --hex --count 10
        udplb tap 4711 --duration 30s --pcap flow.pcap

    Parameters
    ----------
    flow
        The flow's number, as udplb flows shows it.
    count
        End after so many datagrams.
    duration
        End after this time, as "500ms", "30s", "2m" or in seconds.
    hex
        All bytes that were kept, below each datagram.
    pcap
        Write what is seen into this new file, for tcpdump or Wireshark; at most 10,000 datagrams.
        An existing file is never overwritten.
    watch
        Changes nothing: a tap is always followed.
    """
    if not 1 <= flow <= FLOW_MAX:
        raise misused("flows have numbers from 1 on")
    if count is not None and not 1 <= count <= COUNT_MAX:
        raise misused(f"--count: found {count}; allowed: a whole number from 1 to {COUNT_MAX:,}")
    if hex and json:
        raise misused("--hex goes with text; --json has all bytes that were kept")
    end = End(
        datagrams=inf if count is None else count,
        after_s=inf if duration is None else arguments.seconds_of("--duration", duration, "1ms"),
    )
    teller = Teller(Output(), hex=hex, json=json)
    with proxy(socket) as client:
        return follow_tap(client, flow, teller, end, pcap)


class End(NamedTuple):
    """What ends the command, if neither Ctrl-C nor the flow's end does."""

    datagrams: float = inf
    after_s: float = inf


class News:
    """What of each look at a tap was not there at the one before."""

    def __init__(self) -> None:
        self._seen: int | None = None
        """Datagrams since the tap began, at the last look; None: that was another tap."""
        self._last_at = -inf

    def of(self, tap: TapSnapshot) -> tuple[tuple[TappedDatagram, ...], int]:
        """The new datagrams, and how many came and went unseen before them."""
        unseen = 0
        if self._seen is None or tap.seen < self._seen:
            new = tuple(each for each in tap.datagrams if each.at > self._last_at)
        else:
            came = tap.seen - self._seen
            new = tap.datagrams[-came:] if came else ()
            unseen = came - len(new)
        self._seen = tap.seen
        self._last_at = max((each.at for each in new), default=self._last_at)
        return new, unseen

    def forget(self) -> None:
        """The proxy was away: the tap may have begun anew, and counts anew."""
        self._seen = None


class Teller:
    """Prints datagrams: for people, for pipes, or as JSON."""

    def __init__(self, output: Output, *, hex: bool, json: bool) -> None:
        self._output = output
        self._hex = hex
        self._json = json
        self._before: float | None = None

    def begin(self, tap: TapSnapshot) -> None:
        """The first look: which flow it is; a pipe hears of nothing but datagrams."""
        if self._output.terminal and not self._json:
            self._output.show(head_of_tap(tap)[:1])

    def datagram(self, datagram: TappedDatagram, port: int | None) -> None:
        """The next one."""
        gap = None if self._before is None else datagram.at - self._before
        self._before = datagram.at
        seen = Seen(datagram, gap, port)
        if self._json:
            self._output.document(datagram)
        elif self._output.terminal:
            self._output.show(page_of_datagram(seen, self._output.console.width))
        else:
            self._output.line(line_of_datagram(seen))
        if self._hex:
            self._output.show(
                tuple(
                    line(f"{_INDENT}{each}", role=Role.QUIET) for each in lines_of_bytes(datagram)
                )
            )

    def unseen(self, number: int) -> None:
        """So many are missing before the next one."""
        self._before = None
        if number:
            say(f"{plural(number, 'datagram')} not seen: more came than a tap keeps")


class Capture:
    """The file that datagrams go to. Raises Complaint."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._open()
        self._written = 0
        self._write(pcap_header())

    def add(self, tap: TapSnapshot, datagrams: tuple[TappedDatagram, ...]) -> None:
        """Write them, as long as there is room."""
        left = CAPTURE_DATAGRAMS_MAX - self._written
        if not left or not datagrams:
            return
        try:
            records = pcap_records(tap, datagrams[:left])
        except ValueError:
            told = f"the proxy tells no addresses of one family: {tap.client}, {tap.local}"
            raise Complaint(f"{self._path}: {told}") from None
        self._write(records)
        self._written += len(datagrams[:left])
        if self._written == CAPTURE_DATAGRAMS_MAX:
            at_most = counted(CAPTURE_DATAGRAMS_MAX)
            full = f"has {at_most} datagrams and takes no more; the others are only shown"
            say(f"{self._path} {full}")

    def close(self) -> None:
        """Say what is in it."""
        self._file.close()
        say(f"{plural(self._written, 'datagram')} in {self._path}")

    def _open(self) -> FileIO:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags, _PRIVATE)

        try:
            # Without a buffer: what is written is there, however the command ends.
            return open(self._path, "xb", buffering=0, opener=private)
        except FileExistsError:
            raise Complaint(f"{self._path} is there already; name another file") from None
        except OSError as error:
            raise self._complaint(error) from None

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise self._complaint(error) from None

    def _complaint(self, error: OSError) -> Complaint:
        return Complaint(f"{self._path}: {str(error.strerror or error).lower()}")


def follow_tap(
    client: Client,
    flow: int,
    teller: Teller,
    end: End,
    pcap: Path | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Show datagrams until something ends it; the exit code. Raises Complaint."""
    with ExitStack() as open_:
        stream = client.subscribe(Subscribe(events=False, tap=flow, interval_s=INTERVAL_S))
        open_.callback(stream.close)
        capture = None
        if pcap is not None:
            capture = Capture(pcap)
            open_.callback(capture.close)
        viewer = Viewer(flow, teller, end, capture)
        ends_at = clock() + end.after_s
        try:
            while (left := ends_at - clock()) > 0:
                for item in stream.take(min(TAKE_S, left)):
                    code = viewer.look(item)
                    if code is not None:
                        return code
        except KeyboardInterrupt:
            pass
    return DONE


class Viewer:
    """Takes what a stream gives, one item after the other."""

    def __init__(self, flow: int, teller: Teller, end: End, capture: Capture | None) -> None:
        self._flow = flow
        self._teller = teller
        self._end = end
        self._capture = capture
        self._news = News()
        self._absence = Absence()
        self._begun = False
        self._shown = 0

    def look(self, item: object) -> int | None:
        """Show what is new; the exit code once it is over. Raises Complaint."""
        from udplb.client.interface import Lost, Resumed  # noqa: PLC0415

        match item:
            case Lost():
                self._absence.tell(item)
            case Resumed():
                self._absence.end("; what passed meanwhile was not seen")
                self._news.forget()
                self._teller.unseen(0)
            case Snapshot(tap=None):
                return self._over("is gone")
            case Snapshot(tap=TapSnapshot() as tap):
                return self._show(tap)
        return None

    def _show(self, tap: TapSnapshot) -> int | None:
        if not self._begun:
            self._teller.begin(tap)
            self._begun = True
        new, unseen = self._news.of(tap)
        if unseen:
            self._teller.unseen(unseen)
        if len(new) > (left := self._end.datagrams - self._shown):
            new = new[: int(left)]
        port = port_of(tap)
        for datagram in new:
            self._teller.datagram(datagram, port)
        self._shown += len(new)
        if self._capture is not None:
            self._capture.add(tap, new)
        if self._shown >= self._end.datagrams:
            return DONE
        return None if tap.live else self._over("has ended")

    def _over(self, how: str) -> int:
        say(f"flow {self._flow} {how}")
        return DONE if self._shown else FAILED
