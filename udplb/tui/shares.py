"""Shares: which part of a cluster's new flows each backend gets, now and after a change.

By weight among those that serve: the primaries that are up, do not drain and have a weight; the
backups where there is no such primary; all where every one is down and the cluster fails open.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from udplb.engine.snapshot import BackendSnapshot, ClusterSnapshot


def serving(cluster: ClusterSnapshot) -> tuple[BackendSnapshot, ...]:
    """The backends that new flows go to."""
    able = [each for each in cluster.backends if each.weight and not each.draining]
    for up_needed in (True, False) if cluster.fail_open else (True,):
        for backup in (False, True):
            found = tuple(
                each for each in able if each.backup is backup and (each.up or not up_needed)
            )
            if found:
                return found
    return ()


def shares(cluster: ClusterSnapshot) -> dict[str, float]:
    """The expected share of new flows by the backends' addresses; who gets none is not there."""
    those = serving(cluster)
    total = sum(each.weight for each in those)
    return {each.address: each.weight / total for each in those}


def with_backend(cluster: ClusterSnapshot, backend: BackendSnapshot) -> ClusterSnapshot:
    """The cluster as it would be with this backend in the place of the one with its address."""
    rest = [each for each in cluster.backends if each.address != backend.address]
    at = next(
        (n for n, each in enumerate(cluster.backends) if each.address == backend.address),
        len(rest),
    )
    return _with(cluster, (*rest[:at], backend, *rest[at:]))


def without(cluster: ClusterSnapshot, addresses: Iterable[str]) -> ClusterSnapshot:
    """The cluster as it would be if these drained, or were gone."""
    gone = frozenset(addresses)
    return _with(cluster, [each for each in cluster.backends if each.address not in gone])


def growth(before: ClusterSnapshot, after: ClusterSnapshot) -> float | None:
    """By which part the share of those that serve still grows at most; None: nobody serves."""
    old, new = shares(before), shares(after)
    grown = [part / old[address] - 1 for address, part in new.items() if old.get(address)]
    return max(grown, default=0.0) if new else None


def _with(cluster: ClusterSnapshot, backends: Iterable[BackendSnapshot]) -> ClusterSnapshot:
    return msgspec.structs.replace(cluster, backends=tuple(backends))
