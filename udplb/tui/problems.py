"""Problems: what an operator should look at now, the worst first."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from udplb.engine.snapshot import BackendSnapshot, Snapshot
from udplb.show.backends import target_of
from udplb.show.quantities import count, lasting, plural, rate
from udplb.tui.model import BackendKey, Model, key_of

PER_KIND_MAX = 20
"""Backends with the same kind of problem that are told one by one."""
FLOWS_SHARE = 0.9
"""Of the most flows there may be: from here on it is a problem."""
MISTAKE = "mistake"
"""The id of the file's first one."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to look at, and where."""

    text: str
    ink: str
    screen: str
    """The action that shows it."""
    id: Hashable = None
    """Of the row there."""


def problems_of(model: Model, slow: Mapping[BackendKey, float], now: float) -> list[Problem]:
    """What is wrong in the picture that is shown."""
    snapshot = model.shown
    if snapshot is None:
        return []
    found = [
        Problem(f"cluster {each.name}: no backend is up", "down", "backends")
        for each in snapshot.clusters
        if each.all_down
    ]
    every = [each for cluster in snapshot.clusters for each in cluster.backends]
    down = [each for each in every if not each.up and not each.draining]
    late = [each for each in every if key_of(each) in slow] if slow else []
    found += [_down(each, now) for each in down[:PER_KIND_MAX]]
    found += _rest(down, "DOWN", "down")
    found += [_slow(each, slow[key_of(each)]) for each in late[:PER_KIND_MAX]]
    found += _rest(late, "SLOW", "slow")
    return [*found, *_of_configuration(snapshot), *_of_traffic(model, snapshot)]


def _down(backend: BackendSnapshot, now: float) -> Problem:
    word = "EJECTED" if backend.standing == "ejected" else "DOWN"
    since = backend.changed_at
    lasts = "" if since is None else f" {lasting(now - since)}"
    return Problem(f"{target_of(backend)} {word}{lasts}", "down", "backends", key_of(backend))


def _slow(backend: BackendSnapshot, times: float) -> Problem:
    text = f"{target_of(backend)} SLOW" + (f" {times:.0f}x" if times >= 2 else "")
    return Problem(text, "slow", "backends", key_of(backend))


def _rest(backends: Sequence[BackendSnapshot], word: str, ink: str) -> list[Problem]:
    """Those that are too many to be told."""
    more = len(backends) - PER_KIND_MAX
    return [Problem(f"{count(more)} more {word}", ink, "backends")] if more > 0 else []


def _of_configuration(snapshot: Snapshot) -> list[Problem]:
    known = snapshot.configuration
    found = []
    if known.last_reload is not None and known.last_reload.problems:
        problems = plural(len(known.last_reload.problems), "mistake")
        found.append(Problem(f"the file has {problems}", "down", "config", MISTAKE))
    if known.drift:
        found.append(Problem(f"differs from the file: {known.drift[0]}", "cfg-change", "config"))
    if known.awaiting_restart:
        waiting = plural(len(known.awaiting_restart), "setting")
        await_it = "awaits" if len(known.awaiting_restart) == 1 else "await"
        found.append(Problem(f"{waiting} {await_it} a restart", "slow", "config"))
    return found


def _of_traffic(model: Model, snapshot: Snapshot) -> list[Problem]:
    found = []
    totals = snapshot.totals
    if totals.max_flows and totals.flows >= FLOWS_SHARE * totals.max_flows:
        full = f"{count(totals.flows)} of {count(totals.max_flows)} flows"
        found.append(Problem(full, "drop", "flows"))
    if model.drops_per_s() >= 1:
        found.append(Problem(f"drops {rate(model.drops_per_s())}", "drop", "overview"))
    return found
