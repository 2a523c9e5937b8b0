"""Paces: what went by per second between two pictures of the same proxy."""

from __future__ import annotations

from dataclasses import dataclass

from udplb.engine.snapshot import Snapshot, Traffic


@dataclass(frozen=True, slots=True)
class Pace:
    """Per second: datagrams and bytes both ways, and flows that were opened."""

    requests: float
    request_bytes: float
    replies: float
    reply_bytes: float
    admitted: float


@dataclass(frozen=True, slots=True)
class Paces:
    """Of the whole proxy, by listener's name, and by cluster's name and backend's address."""

    total: Pace
    listeners: dict[str, Pace]
    backends: dict[tuple[str, str], Pace]


def paces_between(before: Snapshot, after: Snapshot) -> Paces | None:
    """None where the two are of different processes, or of the same moment."""
    lasted = after.at - before.at
    if lasted <= 0 or before.pid != after.pid or after.totals.admitted < before.totals.admitted:
        return None
    listeners = {each.name: each for each in before.listeners}
    backends = {
        (each.cluster, each.address): each
        for cluster in before.clusters
        for each in cluster.backends
    }
    return Paces(
        total=_pace(before.totals, after.totals, lasted),
        listeners={
            each.name: _pace(listeners[each.name], each, lasted)
            for each in after.listeners
            if each.name in listeners
        },
        backends={
            key: _pace(backends[key], each, lasted)
            for cluster in after.clusters
            for each in cluster.backends
            if (key := (each.cluster, each.address)) in backends
        },
    )


def _pace(before: Traffic, after: Traffic, lasted: float) -> Pace:
    """Counters that begin anew, as those of a backend that was away, count from 0."""

    def per_second(old: int, new: int) -> float:
        return (new - old if new >= old else new) / lasted

    return Pace(
        requests=per_second(before.requests, after.requests),
        request_bytes=per_second(before.request_bytes, after.request_bytes),
        replies=per_second(before.replies, after.replies),
        reply_bytes=per_second(before.reply_bytes, after.reply_bytes),
        admitted=per_second(before.admitted, after.admitted),
    )
