"""The model: all that the console knows, from the stream of one client; no widget, no terminal.

Panes draw from it. It is bounded, whatever comes, and it never asks what time it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from udplb.client import Item, Lost, Resumed
from udplb.engine.events import Event, Missed
from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import BackendSnapshot, FlowRow, FlowWindow, Snapshot
from udplb.show.paces import Pace, Paces, paces_between
from udplb.tui.draw.history import History
from udplb.tui.health import Health

EVENTS_MAX = 2_000
SPAN_S = 60.0
"""Seconds that graphs show."""
SAMPLES_MAX = 512
"""Of one history: more than SPAN_S at four a second."""
BACKENDS_TRACED_MAX = 256
"""Backends with a history of their own."""
FLOWS_TRACED_MAX = 2_048
"""Flows with a pace: a window as deep as it can be, and those that were looked at before."""
FLOW_HISTORY = 16
"""Looks at one flow that are kept."""
AGES_S = 60.0
"""A window that is so much older than the last one has another clock; flows that nobody looked at
for so long begin anew."""
STALE_INTERVALS = 3.0

LinkState = Literal["starting", "live", "lost", "ended"]
BackendKey = tuple[str, str]
"""A cluster's name and a backend's address."""


@dataclass(slots=True)
class Link:
    """The way to the proxy."""

    state: LinkState = "starting"
    since: float = 0.0
    """When it came into this state, in seconds since the epoch."""
    why: str = ""
    tries: int = 0
    retry_at: float | None = None
    missed_s: float | None = None
    """How long the last loss was; None: there was none."""


@dataclass(slots=True)
class Happening:
    """One event, or several equal ones that followed each other; or news of the console's own."""

    number: int
    at: float
    event: Event | None = None
    text: str = ""
    """Where there is no event: what the console itself has to say."""
    times: int = 1


@dataclass(slots=True)
class Traces:
    """The last minute of one thing that has traffic."""

    requests: History = field(default_factory=lambda: History(SAMPLES_MAX))
    replies: History = field(default_factory=lambda: History(SAMPLES_MAX))
    request_bytes: History = field(default_factory=lambda: History(SAMPLES_MAX))
    reply_bytes: History = field(default_factory=lambda: History(SAMPLES_MAX))

    def add(self, at: float, pace: Pace) -> None:
        """One more look at it."""
        self.requests.add(at, pace.requests)
        self.replies.add(at, pace.replies)
        self.request_bytes.add(at, pace.request_bytes)
        self.reply_bytes.add(at, pace.reply_bytes)


@dataclass(slots=True)
class BackendTraces(Traces):
    """The last minute of a backend."""

    latency: History = field(default_factory=lambda: History(SAMPLES_MAX))
    """Seconds: of its probe, or to the first reply where there is no probe. None: it was down."""
    health: Health = field(default_factory=Health)
    first_reply_s: float | None = None
    """Mean of the flows that had their first reply between the last two looks that had any."""


@dataclass(frozen=True, slots=True)
class FlowPace:
    """What one flow did between two looks, per second."""

    requests: float
    request_bytes: float
    replies: float
    reply_bytes: float
    history: tuple[float, ...]
    """Datagrams both ways, the newest last."""

    @property
    def datagrams(self) -> float:
        """Both ways."""
        return self.requests + self.replies

    @property
    def bytes(self) -> float:
        """Both ways."""
        return self.request_bytes + self.reply_bytes


class Model:
    """What is known at this moment, and what is shown of it."""

    def __init__(self, *, interval_s: float = 0.5, read_only: bool = False) -> None:
        self.interval_s = interval_s
        """Between two pictures."""
        self.read_only = read_only
        """The proxy refuses whatever would change it, from this console."""
        self.mismatch = ""
        """Why this console may not change the proxy: their versions differ. Empty: they do not."""
        self.link = Link()
        self.snapshot: Snapshot | None = None
        """The newest."""
        self.arrived_at = 0.0
        """When it came, in seconds since the epoch."""
        self.paces: Paces | None = None
        self.traces = Traces()
        self.drops = History(SAMPLES_MAX)
        """Datagrams per second that were dropped, by the proxy or before it."""
        self.flows = History(SAMPLES_MAX)
        self.closing = 0.0
        """Flows that ended per second."""
        self.cpu: float | None = None
        """Processors that the proxy's process kept busy between the last two pictures."""
        self.backends: dict[BackendKey, BackendTraces] = {}
        self.window: FlowWindow | None = None
        self.window_query: FlowQuery | None = None
        """What it answers; None: whoever brought it did not say."""
        self.looking_at: FlowQuery | None = None
        """What is asked for now: windows that answer something else come too late."""
        self.flow_paces: dict[int, FlowPace] = {}
        self.events: deque[Event] = deque(maxlen=EVENTS_MAX)
        self.happenings: deque[Happening] = deque(maxlen=EVENTS_MAX)
        """The same for people: equal ones folded, and what was missed in its place."""
        self._happened = 0
        self.era = 0
        """Counts the processes that were found here: numbers of flows and of configurations begin
        anew with each."""
        self.restarted_at: float | None = None
        """When another process was found in the proxy's place."""
        self.events_seen = 0
        """Events since the start, those included that are no longer kept."""
        self.paused_at: float | None = None
        self._held: Snapshot | None = None
        self._held_window: FlowWindow | None = None
        self._held_query: FlowQuery | None = None
        self._rows: dict[int, tuple[float, FlowRow]] = {}

    # What is shown

    @property
    def shown(self) -> Snapshot | None:
        """The picture to draw: the newest, or the one that is held."""
        return self.snapshot if self.paused_at is None else self._held

    @property
    def shown_window(self) -> FlowWindow | None:
        """The flows to draw."""
        return self.window if self.paused_at is None else self._held_window

    @property
    def shown_query(self) -> FlowQuery | None:
        """What these flows answer."""
        return self.window_query if self.paused_at is None else self._held_query

    @property
    def may_change(self) -> bool:
        """Whether actions that change the proxy make sense now."""
        return not self.read_only and not self.mismatch and self.link.state == "live"

    def stale_s(self, now: float) -> float | None:
        """How old the picture is, where it is older than it should be."""
        if self.snapshot is None or self.link.state == "starting":
            return None
        age = now - self.arrived_at
        late = age > STALE_INTERVALS * max(self.interval_s, 0.5)
        return age if late or self.link.state != "live" else None

    def pause(self, now: float) -> None:
        """Hold the picture, or let it go on."""
        if self.paused_at is None:
            self.paused_at, self._held = now, self.snapshot
            self._held_window, self._held_query = self.window, self.window_query
        else:
            self.paused_at = self._held = None
            self._held_window = self._held_query = None

    def drops_per_s(self) -> float:
        """The newest rate of drops."""
        return self.drops.last or 0.0

    # What comes

    def took(
        self, items: Iterable[Item], now: float, query: FlowQuery | None = None
    ) -> list[Event]:
        """What the stream gave; the events among it. `query`: what its windows answer."""
        news: list[Event] = []
        for item in items:
            match item:
                case Snapshot():
                    self._took_snapshot(item, now, query)
                case Lost():
                    self._lost(item)
                case Resumed():
                    self._resumed(item, now)
                case Event():
                    news.append(item)
        self.told(news)
        return news

    def told(self, events: Sequence[Event]) -> None:
        """These have happened."""
        self.events.extend(events)
        for event in events:
            self._happen(event)
        self.events_seen += sum(event.count if isinstance(event, Missed) else 1 for event in events)

    def _happen(self, event: Event) -> None:
        last = self.happenings[-1] if self.happenings else None
        if last is not None and last.event is not None and _equal(last.event, event):
            last.times += 1
            return
        self._happened += 1
        self.happenings.append(Happening(self._happened, event.at, event))

    def _note(self, at: float, text: str) -> None:
        self._happened += 1
        self.happenings.append(Happening(self._happened, at, text=text))

    def took_window(self, window: FlowWindow, now: float, query: FlowQuery | None = None) -> None:
        """A window of the flows; an older answer to the same query comes too late."""
        same_query = query == self.window_query
        if same_query and self.window is not None and 0 <= self.window.at - window.at < AGES_S:
            return
        self.window, self.window_query = window, query
        if self.paused_at is not None and query is not None and query != self._held_query:
            self._held_window, self._held_query = window, query  # other rows were asked for
        self.trace_flows(window.rows, window.at)

    def trace_flows(self, rows: Sequence[FlowRow], at: float) -> None:
        """Flows as they were at this time of the proxy's clock."""
        for row in rows[:FLOWS_TRACED_MAX]:
            self.flow_paces[row.id] = self._flow_pace(row, at)
            if row.id not in self._rows or self._rows[row.id][0] < at:
                self._rows.pop(row.id, None)  # the latest stand last
                self._rows[row.id] = (at, row)
        while len(self._rows) > FLOWS_TRACED_MAX:
            oldest = next(iter(self._rows))
            del self._rows[oldest], self.flow_paces[oldest]

    def _flow_pace(self, row: FlowRow, at: float) -> FlowPace:
        then, before = self._rows.get(row.id, (at, row))
        known = self.flow_paces.get(row.id)
        if at <= then or at - then > AGES_S:
            return known if known is not None and at <= then else _first_pace(row)
        lasted = at - then

        def per_second(old: int, new: int) -> float:
            return max(0, new - old) / lasted

        requests = per_second(before.requests, row.requests)
        replies = per_second(before.replies, row.replies)
        return FlowPace(
            requests=requests,
            request_bytes=per_second(before.request_bytes, row.request_bytes),
            replies=replies,
            reply_bytes=per_second(before.reply_bytes, row.reply_bytes),
            history=(*(known.history if known else ()), requests + replies)[-FLOW_HISTORY:],
        )

    def _took_snapshot(
        self, snapshot: Snapshot, now: float, query: FlowQuery | None = None
    ) -> None:
        if self.link.state == "lost":  # found by a stream that did not lose it
            self._resumed(Resumed(missed_s=max(0.0, now - self.link.since)), now)
        if self.link.state != "live":
            self.link.state, self.link.since, self.link.tries = "live", now, 0
        before, self.snapshot, self.arrived_at = self.snapshot, snapshot, now
        anew = before is not None and _is_another(before, snapshot)
        if before is not None and anew:
            self.restarted_at = now
            self.era += 1
            self._note(now, _restarted(before, snapshot))
            self.backends.clear()
            self.cpu = None
            self.window, self._rows, self.flow_paces = None, {}, {}
        late = query is not None and self.looking_at is not None and query != self.looking_at
        if snapshot.window is not None and not late:
            self.took_window(snapshot.window, now, query)
        if before is None or before.at == snapshot.at or anew:
            return
        paces = paces_between(before, snapshot)
        if paces is not None:
            self.paces = paces
            self._trace(before, snapshot, paces, now)

    def _trace(self, before: Snapshot, after: Snapshot, paces: Paces, now: float) -> None:
        lasted = after.at - before.at
        self.traces.add(now, paces.total)
        self.drops.add(now, max(0, _losses_of(after) - _losses_of(before)) / lasted)
        self.flows.add(now, float(after.totals.flows))
        opened = after.totals.admitted - before.totals.admitted
        self.cpu = max(0.0, (after.process.cpu_s - before.process.cpu_s) / lasted)
        self.closing = max(0.0, (before.totals.flows + opened - after.totals.flows) / lasted)
        former = {key_of(each): each for each in _backends(before)}
        present: set[BackendKey] = set()
        for backend in _backends(after):
            key = key_of(backend)
            present.add(key)
            traces = self.backends.get(key)
            if traces is None:
                if len(self.backends) >= BACKENDS_TRACED_MAX:
                    continue
                traces = self.backends[key] = BackendTraces()
            _trace_backend(traces, former.get(key), backend, paces.backends.get(key), now)
        for key in self.backends.keys() - present:
            del self.backends[key]

    def _lost(self, lost: Lost) -> None:
        if self.link.state not in ("lost", "ended"):
            self.link.since, self.link.tries = lost.at, 0
        self.link.why = lost.why
        self.link.tries += 1
        if lost.retry_in_s is None:
            self.link.state, self.link.retry_at = "ended", None
        else:
            self.link.state, self.link.retry_at = "lost", lost.at + lost.retry_in_s

    def _resumed(self, resumed: Resumed, now: float) -> None:
        self.link.state, self.link.since, self.link.why = "live", now, ""
        self.link.tries, self.link.retry_at = 0, None
        self.link.missed_s = resumed.missed_s
        self._note(now, f"missed {resumed.missed_s:.0f} s here: the proxy was lost")


def _is_another(before: Snapshot, after: Snapshot) -> bool:
    """Whether it is another process; in a container it may have the same number."""
    if before.engine and after.engine:
        return before.engine != after.engine
    return before.pid != after.pid or after.up_s < before.up_s


def _restarted(before: Snapshot, after: Snapshot) -> str:
    """What that means to who had changed something."""
    text = f"the proxy is another process now ({after.pid}): flows and counters began anew"
    drift = [each for each in before.configuration.drift if each not in after.configuration.drift]
    return f"{text}; forgotten: {'; '.join(drift)}" if drift else text


def _equal(one: Event, other: Event) -> bool:
    """Whether nothing but the time differs."""
    return type(one) is type(other) and msgspec.structs.replace(one, at=other.at) == other


def key_of(backend: BackendSnapshot) -> BackendKey:
    """What identifies a backend: a name is for people."""
    return backend.cluster, backend.address


def _backends(snapshot: Snapshot) -> Iterable[BackendSnapshot]:
    return (backend for cluster in snapshot.clusters for backend in cluster.backends)


def _losses_of(snapshot: Snapshot) -> int:
    return snapshot.totals.dropped + snapshot.totals.kernel_drops


def _first_pace(row: FlowRow) -> FlowPace:
    """What the proxy says of its rate, shared out as all that the flow has done so far."""
    datagrams = row.requests + row.replies
    share = row.rate / datagrams if datagrams else 0.0
    return FlowPace(
        requests=row.requests * share,
        request_bytes=row.request_bytes * share,
        replies=row.replies * share,
        reply_bytes=row.reply_bytes * share,
        history=(row.rate,),
    )


def _trace_backend(
    traces: BackendTraces,
    before: BackendSnapshot | None,
    backend: BackendSnapshot,
    pace: Pace | None,
    now: float,
) -> None:
    if pace is not None:
        traces.add(now, pace)
    if before is not None and backend.first_replies > before.first_replies:
        new = backend.first_replies - before.first_replies
        total = (backend.first_reply_s or 0) * backend.first_replies
        total -= (before.first_reply_s or 0) * before.first_replies
        traces.first_reply_s = max(0.0, total / new)
    latency = backend.probe_latency_s
    if latency is None:
        latency = traces.first_reply_s
    traces.latency.add(now, latency if backend.up else None)
    traces.health.add(now, latency, down=not backend.up)
