"""Snapshots: immutable pictures of the engine, made in its thread and read in any.

They replace each other; whoever is slow sees the latest and delays nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from udplb.core.backend import Backend
from udplb.core.cluster import Cluster
from udplb.core.counters import Counters
from udplb.core.flow import Flow
from udplb.core.reasons import Explained
from udplb.engine import kernel
from udplb.engine.listener import Listener


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


class BackendSnapshot(Traffic, frozen=True, kw_only=True):
    """One backend of a cluster."""

    name: str
    address: str
    weight: int
    backup: bool
    up: bool
    draining: bool
    refusals: int
    unreachable: int


class ClusterSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster."""

    name: str
    balance: str
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
    kernel_drops: int
    """Before listeners, and before upstream sockets that are closed by now."""
    max_flows: int
    events_lost: int


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The whole engine at `at`, on its own clock."""

    at: float
    up_s: float
    state: str
    """running, draining or stopped."""
    totals: Totals
    listeners: tuple[ListenerSnapshot, ...]
    clusters: tuple[ClusterSnapshot, ...]
    window: FlowWindow | None


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
    waiting = kernel.receive_queue(listener.sock)
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
        **_traffic(counters),
    )


def picture_of_cluster(cluster: Cluster) -> ClusterSnapshot:
    """The cluster's backends in the order of the configuration."""
    return ClusterSnapshot(
        name=cluster.name,
        balance=cluster.settings.balance,
        backends=tuple(
            BackendSnapshot(
                name=backend.name,
                address=str(backend.address),
                weight=backend.weight,
                backup=backend.settings.backup,
                up=backend.up,
                draining=backend.draining,
                refusals=backend.refusals,
                unreachable=backend.unreachable,
                flows=backend.flows,
                admitted=backend.admitted,
                **_traffic(backend),
            )
            for backend in cluster.backends
        ),
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
        flows=1,
        admitted=1,
        **_traffic(flow),
    )


def totals_of(
    listeners: Iterable[ListenerSnapshot],
    *,
    upstream_kernel_drops: int,
    max_flows: int,
    events_lost: int,
) -> Totals:
    """The sums over all listeners."""
    listeners = tuple(listeners)
    return Totals(
        requests=sum(each.requests for each in listeners),
        request_bytes=sum(each.request_bytes for each in listeners),
        replies=sum(each.replies for each in listeners),
        reply_bytes=sum(each.reply_bytes for each in listeners),
        flows=sum(each.flows for each in listeners),
        admitted=sum(each.admitted for each in listeners),
        dropped=sum(sum(each.dropped.values()) for each in listeners),
        shed=sum(sum(each.shed.values()) for each in listeners),
        kernel_drops=sum(each.kernel_drops for each in listeners) + upstream_kernel_drops,
        max_flows=max_flows,
        events_lost=events_lost,
    )
