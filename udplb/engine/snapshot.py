"""Snapshots: immutable pictures of the engine, made in its thread and read in any.

They replace each other; whoever is slow sees the latest and delays nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from math import inf
from typing import TypeVar

import msgspec

from udplb.core.backend import Backend
from udplb.core.cluster import Cluster
from udplb.core.counters import Counters
from udplb.core.drain import Drain
from udplb.core.flow import Flow
from udplb.core.forecast import Forecast
from udplb.core.reasons import Explained
from udplb.engine.listener import Listener

TAP_DATAGRAMS_MAX = 64
"""Of one tap: the ring that the engine keeps."""
TAP_BYTES_MAX = 512
"""Of one tapped datagram."""
BACKENDS_PER_SLICE = 64
"""Of a picture: a third of a millisecond."""


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """Datagrams and bytes since the start, both ways, and flows."""

    requests: int
    request_bytes: int
    replies: int
    reply_bytes: int
    flows: int
    """Live now, current and leaving."""
    admitted: int


class ListenerSnapshot(Traffic, frozen=True, kw_only=True):
    """One listener."""

    name: str
    address: str
    cluster: str
    receive_buffer: int
    """Bytes that the kernel granted."""
    receive_queued: int
    """Bytes of kernel memory that wait to be read."""
    kernel_drops: int
    """Datagrams that the kernel dropped before the proxy saw them."""
    coalesces: bool
    """UDP_GRO is on."""
    closed: dict[str, int]
    dropped: dict[str, int]
    shed: dict[str, int]
    succession_refused: int
    resent: int
    """Client datagrams sent once more, to the same backend or another."""


class DrainSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A backend's drain. What is left on it are the backend's `flows`."""

    lasts_s: float
    """Since it began."""
    deadline_s: float | None
    """From now; None: as long as it takes."""
    way: str
    """What happens to the flows that are left then: move or close."""
    drained: bool
    """The last flow is gone."""
    active: int | None
    """Flows whose clients still send or hear something; None while nobody has looked."""
    quiet: int | None
    """Flows that seem to be over and only wait for their timeouts."""
    quiet_for_s: float | None
    """From now to the end of the last quiet flow: with none active, to the end of the drain."""


class BackendSnapshot(Traffic, frozen=True, kw_only=True):
    """One backend of a cluster."""

    cluster: str
    name: str
    address: str
    weight: int
    backup: bool
    up: bool
    reason: str
    """Why it is up or down; empty while nothing has happened."""
    changed_at: float | None
    """When it went up or down, in seconds since the epoch; None: it is up from the start."""
    standing: str
    """trusted, ejected or on_trial."""
    ejections: int
    probe_latency_s: float | None
    """Of the last probe that succeeded."""
    answered_share: float | None
    """Of the replies owed in the last 10 s, where `responses` is set and there were enough."""
    first_reply_s: float | None
    """Mean time from a flow's admission to its first reply."""
    first_replies: int = 0
    """Flows that mean is of."""
    draining: bool
    drain: DrainSnapshot | None
    """None: it does not drain, or does so since the start."""
    refusals: int
    unreachable: int
    resent: int
    """Client datagrams sent to it once more, as one had been refused."""


class ClusterSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster."""

    name: str
    balance: str
    probe: str
    all_down: bool
    """No backend is up that takes new flows."""
    fail_open: bool
    backends: tuple[BackendSnapshot, ...]


class FlowRow(Traffic, frozen=True, kw_only=True):
    """One live flow. `flows` and `admitted` are 1."""

    id: int
    listener: str
    client: str
    backend: str
    backend_address: str
    state: str
    age_s: float
    idle_s: float
    first_reply_s: float | None
    """From admission to the first reply; None before it."""
    ends_in_s: float | None = None
    """To its next deadline, should nothing more come: idle, or older than `max_age`, or the time
    for its last replies over."""
    rate: float
    """Datagrams a second, both ways: since the last look at it, or since its admission where
    nobody has looked for long. A ranking by rates looks twice."""


class FlowWindow(msgspec.Struct, frozen=True, kw_only=True):
    """The rows that were asked for, of all live flows that matched."""

    rows: tuple[FlowRow, ...]
    matched: int
    at: float
    """When the ranking was finished, on the engine's clock."""


class Totals(Traffic, frozen=True, kw_only=True):
    """The whole engine."""

    dropped: int
    shed: int
    drops: dict[str, int] = {}
    """Datagrams by reason, those of listeners that are gone included."""
    sheds: dict[str, int] = {}
    """Flows that were refused, likewise."""
    kernel_drops: int
    """Before listeners, and before upstream sockets that are closed by now."""
    max_flows: int
    events_lost: int
    probes_in_flight: int
    """Health probes on their way, each with a descriptor."""
    probes_not_made: int
    """Those that were due, and could not be made for lack of a descriptor, a port or memory."""


class ReloadSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the last time that the file was read again."""

    at: float
    """In seconds since the epoch."""
    problems: tuple[str, ...] = ()
    """Why nothing was changed: a line for each mistake; none if it was applied."""
    sentences: tuple[str, ...] = ()
    """What it changed."""
    took_s: float = 0.0
    """From the request, or from the file's change being seen, to the end."""


class ConfigurationSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Which configuration is in force, and how it differs from the file."""

    file: str | None = None
    """None: the engine was given its configuration by a program."""
    generation: int = 1
    """Counts the configurations that were in force, this one included."""
    applied_at: float = 0.0
    """In seconds since the epoch."""
    reloads: int = 0
    """How often the file was read again, and applied."""
    rejected: int = 0
    """How often it was not, for its problems."""
    last_reload: ReloadSnapshot | None = None
    drift: tuple[str, ...] = ()
    """What operators changed and the file does not say: a sentence for each."""
    awaiting_restart: tuple[str, ...] = ()
    """What the file says and only a restart can change: a sentence for each."""


class ProcessSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What the proxy's process costs, and how punctual its loop is."""

    cpu_s: float = 0.0
    """Processor time of all its threads since the start."""
    resident_bytes: int = 0
    descriptors_max: int = 0
    """The soft limit of open files."""
    loop_lag_s: float = 0.0
    """How much later than due the engine's loop got to a timer, at the worst in the last second."""
    loop_lag_max_s: float = 0.0
    """The same in the last minute."""


class TappedDatagram(msgspec.Struct, frozen=True, kw_only=True):
    """One datagram of a tapped flow."""

    at: float
    """When the proxy had it in hands, in seconds since the epoch."""
    to_backend: bool
    """From the client to the backend; else a reply."""
    size: int
    """Bytes of its payload."""
    payload: bytes
    """The first TAP_BYTES_MAX of them."""


class TapSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The last datagrams of one flow, the oldest first."""

    flow: int
    live: bool
    """The flow still exists; if not, this is what was seen before its end."""
    client: str
    local: str
    """The address that the client sends to, and that replies leave from."""
    backend: str
    seen: int
    """Datagrams since the tap began, those included that are no longer here."""
    datagrams: tuple[TappedDatagram, ...]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The whole engine at `at`, on its own clock."""

    pid: int = 0
    engine: str = ""
    """A name made anew at each start: the numbers of flows mean nothing to another engine."""
    version: str = ""
    configuration: ConfigurationSnapshot = ConfigurationSnapshot()

    at: float
    up_s: float
    state: str
    """running, draining or stopped."""
    totals: Totals
    listeners: tuple[ListenerSnapshot, ...]
    clusters: tuple[ClusterSnapshot, ...]
    window: FlowWindow | None
    process: ProcessSnapshot = ProcessSnapshot()
    tap: TapSnapshot | None = None
    """For the subscriber that asked for one."""


Reason = TypeVar("Reason", bound=Explained)


def _nonzero(tally: Mapping[Reason, int]) -> dict[str, int]:
    return {reason.value: count for reason, count in tally.items() if count}


def _traffic(counted: Counters | Backend | Flow) -> dict[str, int]:
    return {
        "requests": counted.requests,
        "request_bytes": counted.request_bytes,
        "replies": counted.replies,
        "reply_bytes": counted.reply_bytes,
    }


def picture_of_listener(listener: Listener) -> ListenerSnapshot:
    """What the listener has done, and what waits before it."""
    manager, counters = listener.manager, listener.manager.counters
    waiting = listener.receive_queue
    return ListenerSnapshot(
        name=listener.name,
        address=str(listener.address),
        cluster=manager.cluster.name,
        receive_buffer=listener.receive_buffer,
        receive_queued=waiting.queued,
        kernel_drops=waiting.drops,
        coalesces=listener.coalesces,
        flows=len(manager.slab),
        admitted=counters.admitted,
        closed=_nonzero(counters.closed),
        dropped=_nonzero(counters.dropped),
        shed=_nonzero(counters.shed),
        succession_refused=counters.succession_refused,
        resent=counters.resent,
        **_traffic(counters),
    )


def pictures_of_cluster(
    cluster: Cluster, now: float, epoch: float, forecasts: Mapping[Backend, Forecast]
) -> Iterator[ClusterSnapshot | None]:
    """The cluster with its backends in the order of the configuration, behind pauses (None).

    `epoch` is the time of day at which the engine's clock was 0.
    """
    backends: list[BackendSnapshot] = []
    configured = cluster.backends  # a change replaces the list; this picture is of the old one
    for start in range(0, len(configured), BACKENDS_PER_SLICE):
        if start:
            yield None
        backends += (
            _picture_of_backend(cluster.name, backend, now, epoch, forecasts.get(backend))
            for backend in configured[start : start + BACKENDS_PER_SLICE]
        )
    health = cluster.settings.health
    yield ClusterSnapshot(
        name=cluster.name,
        balance=cluster.settings.balance,
        probe=health.probe,
        all_down=cluster.all_down,
        fail_open=health.fail_open,
        backends=tuple(backends),
    )


def _picture_of_backend(
    cluster: str, backend: Backend, now: float, epoch: float, forecast: Forecast | None
) -> BackendSnapshot:
    health = backend.health
    return BackendSnapshot(
        cluster=cluster,
        name=backend.name,
        address=str(backend.address),
        weight=backend.weight,
        backup=backend.settings.backup,
        up=backend.up,
        reason=health.reason,
        changed_at=None if health.since is None else epoch + health.since,
        standing=health.standing.value,
        ejections=health.ejections,
        probe_latency_s=health.latency_s,
        answered_share=health.answered_share,
        first_reply_s=(
            backend.first_reply_s / backend.first_replies if backend.first_replies else None
        ),
        first_replies=backend.first_replies,
        draining=backend.draining,
        drain=None if backend.drain is None else _picture_of_drain(backend.drain, now, forecast),
        refusals=backend.refusals,
        unreachable=backend.unreachable,
        resent=backend.resent,
        flows=backend.flows,
        admitted=backend.admitted,
        **_traffic(backend),
    )


def _picture_of_drain(drain: Drain, now: float, forecast: Forecast | None) -> DrainSnapshot:
    if forecast is None:
        active = quiet = quiet_for_s = None
    else:
        active, quiet = forecast.active, forecast.quiet
        quiet_for_s = max(0.0, forecast.quiet_until - now) if quiet else None
    return DrainSnapshot(
        lasts_s=now - drain.began_at,
        deadline_s=None if drain.deadline == inf else max(0.0, drain.deadline - now),
        way=drain.way,
        drained=drain.drained,
        active=active,
        quiet=quiet,
        quiet_for_s=quiet_for_s,
    )


def picture_of_flow(flow: Flow, listener: str, now: float) -> FlowRow:
    """One row of a window."""
    first = flow.first_reply_at
    return FlowRow(
        id=flow.id,
        listener=listener,
        client=str(flow.client),
        backend=flow.backend.name,
        backend_address=str(flow.backend.address),
        state=flow.state.value,
        age_s=now - flow.admitted_at,
        idle_s=now - max(flow.last_request_at, flow.last_reply_at),
        first_reply_s=None if first is None else first - flow.admitted_at,
        ends_in_s=max(0.0, flow.due() - now),
        rate=flow.sampled(now),
        flows=1,
        admitted=1,
        **_traffic(flow),
    )


def summed(tallies: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The sums by reason."""
    sums: Counter[str] = Counter()
    for tally in tallies:
        sums.update(tally)
    return dict(sums)


def totals_of(
    listeners: Iterable[ListenerSnapshot],
    gone: Counters,
    *,
    kernel_drops_of_closed: int,
    max_flows: int,
    events_lost: int,
    probes_in_flight: int,
    probes_not_made: int,
) -> Totals:
    """The sums over all listeners; `gone` is what those did that are no more."""
    listeners = tuple(listeners)
    drops = summed((_nonzero(gone.dropped), *(each.dropped for each in listeners)))
    sheds = summed((_nonzero(gone.shed), *(each.shed for each in listeners)))
    return Totals(
        requests=gone.requests + sum(each.requests for each in listeners),
        request_bytes=gone.request_bytes + sum(each.request_bytes for each in listeners),
        replies=gone.replies + sum(each.replies for each in listeners),
        reply_bytes=gone.reply_bytes + sum(each.reply_bytes for each in listeners),
        flows=sum(each.flows for each in listeners),
        admitted=gone.admitted + sum(each.admitted for each in listeners),
        dropped=sum(drops.values()),
        shed=sum(sheds.values()),
        drops=drops,
        sheds=sheds,
        kernel_drops=sum(each.kernel_drops for each in listeners) + kernel_drops_of_closed,
        max_flows=max_flows,
        events_lost=events_lost,
        probes_in_flight=probes_in_flight,
        probes_not_made=probes_not_made,
    )
