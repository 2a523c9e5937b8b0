"""What the tests of the balancing policies share: clusters, many clients, and who got whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address
from typing import Any

from tests.core.playbook import backend, cluster_settings
from udplb.core.address import Address
from udplb.core.cluster import Cluster
from udplb.core.hashing import MASK_64
from udplb.core.settings import BackendSettings

SEED = b"a secret"
_FIRST = int(IPv4Address("198.18.0.0"))
_GOLDEN = 0x9E3779B97F4A7C15


def clients(count: int) -> list[Address]:
    """So many different clients."""
    return [
        Address(IPv4Address(_FIRST + number // 16), 1_024 + number % 16) for number in range(count)
    ]


def built(
    backends: int | Sequence[BackendSettings], balance: str, seed: bytes = SEED, **keys: Any
) -> Cluster:
    """A cluster that is ready to select."""
    return Cluster(cluster_settings(backends, balance=balance, **keys), seed)


def weighted(weights: Iterable[int]) -> list[BackendSettings]:
    """b0, b1, ... with these weights."""
    return [backend(index, weight=weight) for index, weight in enumerate(weights)]


def chosen(cluster: Cluster, addresses: Iterable[Address]) -> list[str]:
    """The backend's name for each client; - for none."""
    return [selected.name if (selected := cluster.select(each)) else "-" for each in addresses]


def admitted(cluster: Cluster, addresses: Iterable[Address]) -> list[str]:
    """The same, where each client's flow then lives for ever."""
    names = []
    for each in addresses:
        selected = cluster.select(each)
        assert selected is not None
        selected.flows += 1
        names.append(selected.name)
    return names


def shares(names: Iterable[str], weights: Sequence[int]) -> list[float]:
    """What each backend got, over what its weight says: 1.0 is right."""
    counts = Counter(names)
    return [
        counts[f"b{index}"] / (counts.total() * weight / sum(weights))
        for index, weight in enumerate(weights)
        if weight
    ]


def moved(before: Iterable[str], after: Iterable[str]) -> Counter[tuple[str, str]]:
    """How many clients went from one backend to another."""
    pairs = zip(before, after, strict=True)
    return Counter((one, other) for one, other in pairs if one != other)


def unmixed(number: int) -> int:
    """What `mix64` makes this number of: mix64 is a bijection."""
    number ^= number >> 31 ^ number >> 62
    number = number * pow(0x94D049BB133111EB, -1, 1 << 64) & MASK_64
    number ^= number >> 27 ^ number >> 54
    number = number * pow(0xBF58476D1CE4E5B9, -1, 1 << 64) & MASK_64
    return number ^ number >> 30 ^ number >> 60


def hash_for_slot(slot: int) -> int:
    """A client hash whose first try is this slot of a maglev table."""
    return unmixed(slot) - _GOLDEN & MASK_64
