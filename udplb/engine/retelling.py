"""Retelling: a cluster's notice as an event for subscribers and a line for the log."""

from __future__ import annotations

import logging
from math import inf
from typing import NamedTuple, assert_never

from udplb.core import notices
from udplb.core.backend import Backend
from udplb.core.cluster import Cluster
from udplb.engine import events


class Told(NamedTuple):
    """One notice for programs and for people."""

    event: events.Event
    level: int
    """Of the line, as logging counts."""
    line: str


def retell(at: float, cluster: Cluster, notice: notices.Notice) -> Told | None:
    """The notice, told at `at` seconds since the epoch; None: whoever brought it tells of it."""
    # By keyword: see datapath.carry_out.
    match notice:
        case notices.BackendWentDown(backend=backend):
            return _went_down(at, cluster, backend)
        case notices.BackendCameUp(backend=backend):
            return _came_up(at, cluster, backend)
        case notices.AllBackendsWentDown():
            return _all_went_down(at, cluster)
        case notices.SomeBackendCameUp():
            line = f"cluster {cluster.name}: a backend is up again"
            return Told(events.ClusterCameUp(at=at, cluster=cluster.name), logging.INFO, line)
        case notices.BackendDrainBegan(backend=backend, deadline_s=deadline_s):
            return _drain_began(at, cluster, backend, deadline_s)
        case notices.DrainDeadlinePassed(backend=backend, way=way):
            return _drain_expired(at, cluster, backend, way)
        case notices.BackendDrained(backend=backend, took_s=took_s):
            event = events.BackendDrained(at=at, took_s=took_s, **place_of(cluster, backend))
            line = f"{full_name(cluster, backend)} is drained, after {took_s:.1f} s"
            return Told(event, logging.INFO, line)
        case notices.BackendDrainEnded(backend=backend):
            ended = events.BackendDrainEnded(at=at, **place_of(cluster, backend))
            line = f"{full_name(cluster, backend)} no longer drains"
            return Told(ended, logging.INFO, line)
        case notices.BackendsRemoved() | notices.SettingsChanged():
            return None  # the change of the configuration is told as a whole
        case _:
            assert_never(notice)


def place_of(cluster: Cluster, backend: Backend) -> dict[str, str]:
    """The fields by which events name a backend."""
    return {"cluster": cluster.name, "backend": backend.name, "address": str(backend.address)}


def full_name(cluster: Cluster, backend: Backend) -> str:
    """A backend as log lines name it."""
    address = str(backend.address)
    called = address if backend.name == address else f"{backend.name} ({address})"
    return f"cluster {cluster.name}: backend {called}"


def _went_down(at: float, cluster: Cluster, backend: Backend) -> Told:
    reason = backend.health.reason
    event = events.BackendWentDown(at=at, reason=reason, **place_of(cluster, backend))
    return Told(event, logging.WARNING, f"{full_name(cluster, backend)} is down: {reason}")


def _came_up(at: float, cluster: Cluster, backend: Backend) -> Told:
    reason = backend.health.reason
    event = events.BackendCameUp(at=at, reason=reason, **place_of(cluster, backend))
    return Told(event, logging.INFO, f"{full_name(cluster, backend)} is up: {reason}")


def _all_went_down(at: float, cluster: Cluster) -> Told:
    fail_open = cluster.settings.health.fail_open
    some_live = any(backend.up for backend in cluster.backends)
    who = "no backend that takes new flows is up" if some_live else "all backends are down"
    what = "spread over them all the same" if fail_open else "dropped, no_backend"
    return Told(
        events.ClusterWentDown(at=at, cluster=cluster.name, fail_open=fail_open),
        logging.ERROR,
        f"cluster {cluster.name}: {who}; new flows are {what}"
        f" (fail_open = {str(fail_open).lower()})",
    )


def _drain_began(at: float, cluster: Cluster, backend: Backend, deadline_s: float) -> Told:
    assert backend.drain is not None
    flows, way = backend.flows, backend.drain.way
    event = events.BackendDrainBegan(
        at=at,
        flows=flows,
        deadline_s=None if deadline_s == inf else deadline_s,
        way=way,
        **place_of(cluster, backend),
    )
    line = f"{full_name(cluster, backend)} drains, with {flows} flows"
    if deadline_s != inf:
        line += f"; after {deadline_s:g} s they {way}"
    return Told(event, logging.INFO, line)


def _drain_expired(at: float, cluster: Cluster, backend: Backend, way: str) -> Told:
    flows = backend.flows
    event = events.BackendDrainExpired(at=at, flows=flows, way=way, **place_of(cluster, backend))
    line = f"{full_name(cluster, backend)}: the time of its drain is over, {flows} flows {way}"
    return Told(event, logging.INFO, line)
