"""Slowness: backends that answer, but much later than the others of their cluster."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from udplb.engine.snapshot import ClusterSnapshot, Snapshot
from udplb.tui.model import BackendKey, BackendTraces, key_of

TIMES = 4.0
"""So many times the others' median is slow."""
LEAST_S = 0.002
"""What is faster is never slow, however fast the others are."""
WORST_S = 1.0
"""What is slower is slow, also where there is nobody to compare it with."""
STEADY_S = 10.0
"""So long it has to last: two probes, where nothing else is configured."""


def slow_backends(
    snapshot: Snapshot, traces: Mapping[BackendKey, BackendTraces], now: float
) -> dict[BackendKey, float]:
    """How many times the median of its cluster's others each slow backend takes.

    `now` is of the clock that made the traces.
    """
    slow: dict[BackendKey, float] = {}
    for cluster in snapshot.clusters:
        latencies = _latencies(cluster, traces)
        ordered = sorted(latencies.values())
        for key, latency in latencies.items():
            usual = _median_of_others(ordered, latency)
            limit = limit_of(usual)
            if latency <= limit:
                continue
            steadily = traces[key].health.steadily(now, STEADY_S)
            if steadily is None or steadily > limit:
                slow[key] = latency / max(usual, 1e-6)
    return slow


def limit_of(usual_s: float) -> float:
    """Seconds from which on an answer is slow where the others take this."""
    return max(LEAST_S, min(WORST_S, TIMES * usual_s))


def limits(snapshot: Snapshot, traces: Mapping[BackendKey, BackendTraces]) -> dict[str, float]:
    """The limit of each cluster, by the median of all its backends that are up."""
    found: dict[str, float] = {}
    for cluster in snapshot.clusters:
        ordered = sorted(_latencies(cluster, traces).values())
        found[cluster.name] = limit_of(_median(ordered) if ordered else LEAST_S / TIMES)
    return found


def _latencies(
    cluster: ClusterSnapshot, traces: Mapping[BackendKey, BackendTraces]
) -> dict[BackendKey, float]:
    """The newest of those that are up, in seconds."""
    found: dict[BackendKey, float] = {}
    for backend in cluster.backends:
        known = traces.get(key_of(backend))
        latency = known.latency.last if known is not None else None
        if backend.up and latency is not None:
            found[key_of(backend)] = latency
    return found


def _median_of_others(ordered: Sequence[float], own: float) -> float:
    """Without the one that has this latency; WORST_S where nobody else is there."""
    if len(ordered) == 1:
        return WORST_S
    at = bisect_left(ordered, own)
    return _median([*ordered[:at], *ordered[at + 1 :]])


def _median(ordered: Sequence[float]) -> float:
    half = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[half]
    return (ordered[half - 1] + ordered[half]) / 2
