"""Explain: which backend a new flow of some client would get, and why; nothing is changed by it.

No turn is taken, no number drawn, no table touched, so that an operator may ask as often as they
like. But for chance, the answer is what `Cluster.select` says next.
"""

from __future__ import annotations

from typing import NamedTuple

from udplb.core.address import Address
from udplb.core.backend import Backend
from udplb.core.balance import POLICIES
from udplb.core.cluster import Cluster
from udplb.core.settings import Balance


class Rank(NamedTuple):
    """One backend, as it stands for the client."""

    backend: Backend
    usable: bool
    """Whether it may get the flow at all."""
    note: str
    """Its score, slot, turn or load; of one that is not usable, why."""


class Choice(NamedTuple):
    """Whom a new flow of a client would go to."""

    hash_key: str | None
    """The client as it is hashed, with its port or without; None where the policy does not hash."""
    hash: int | None
    """64 bits."""
    ranked: tuple[Rank, ...]
    """The backends, the first choice first; those that are not usable last."""
    chosen: Backend | None
    """None: none is usable, or chance decides."""
    why: str
    """One sentence."""


_WHY: dict[Balance, str] = {
    "hrw": "{name} has the highest score for this client",
    "maglev": "by this client's slots {name} comes first",
    "round_robin": "it is {name}'s turn",
    "least_flows": "{name} has the fewest flows for its weight",
    "random": "two backends are drawn by chance, and the less loaded of them gets the flow",
}


def explain(cluster: Cluster, client: Address, without: tuple[Backend, ...] = ()) -> Choice:
    """Where a new flow of `client` would go now, or if the backends in `without` were down."""
    usable = cluster.usable(without)
    some_up = any(each.up and each not in without for each in usable)
    ranked: list[Rank] = []
    for backend, note in cluster.ranked(client, usable):
        trouble = "" if some_up else f"; {_against(backend, without)}"
        ranked.append(Rank(backend, True, note + trouble))
    members = frozenset(usable)
    for backend in cluster.backends:
        if backend not in members:
            ranked.append(Rank(backend, False, _against(backend, without)))
    by_chance = POLICIES[cluster.settings.balance].by_chance
    chosen = ranked[0].backend if usable and not by_chance else None
    key, number = cluster.hashed(client) or (None, None)
    return Choice(key, number, tuple(ranked), chosen, _why(cluster, ranked, some_up))


def _against(backend: Backend, without: tuple[Backend, ...]) -> str:
    """What speaks against it."""
    reasons = []
    if backend.draining:
        reasons.append("draining")
    if backend.weight == 0:
        reasons.append("weight 0")
    if backend in without:
        reasons.append("left out")
    if not backend.up:
        reasons.append(f"down: {backend.health.reason}")
    return ", ".join(reasons) or "backup, and a primary is up"


def _why(cluster: Cluster, ranked: list[Rank], some_up: bool) -> str:
    if not ranked:
        return "the cluster has no backends: new flows are dropped, no_backend"
    first, usable, _ = ranked[0]
    if not usable:
        return "no backend takes new flows: they are dropped, no_backend"
    why = _WHY[cluster.settings.balance].format(name=first.name)
    if not some_up:
        return f"{why}; no backend is up, and new flows go there all the same (fail_open)"
    return f"{why}; no primary is up" if first.settings.backup else why
