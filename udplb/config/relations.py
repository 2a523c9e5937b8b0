"""What must hold between keys: each name once, each address once, every listener its cluster, every
probe what it needs.

All of it works on tables in which some values may be missing, since a file's mistakes of all
sorts are reported together.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar

from udplb.config.problems import Report
from udplb.config.tables import Table
from udplb.config.wording import KeyPath, quote
from udplb.core.address import Address

_ALL_IPV4 = IPv4Address("0.0.0.0")
_ALL = IPv6Address("::")
"""The IPv6 wildcard; our sockets on it are dual stack, so it takes IPv4 as well."""

_Listener = TypeVar("_Listener")

Listening = Mapping[int, Mapping[IPv4Address | IPv6Address, _Listener]]
"""By port and address: the listener that has it."""


def check_relations(root: Table, report: Report) -> None:
    """Report every contradiction between the tables of one file."""
    listeners, clusters = root.sections["listeners"], root.sections["clusters"]
    _check_listener_names(listeners, report)
    listening = _check_listener_addresses(listeners, report)
    _check_clusters_exist(listeners, _cluster_names(root), report)
    for cluster in clusters:
        _check_backend_addresses(cluster, report)
        _check_no_loop(cluster, listening, report)
        for health in cluster.sections["health"]:
            _check_probe(health, report)


_PROBE_NEEDS = {
    # An empty datagram is legal, but hardly a service answers one: all backends would go down.
    "udp": ("send", "a request that the service answers"),
    "radius": ("secret", "what the servers share with this client"),
}
"""What has to be written for a probe that has no default of it."""


def _check_probe(health: Table, report: Report) -> None:
    probe = health.values.get("probe")
    if probe in _PROBE_NEEDS:
        key, what = _PROBE_NEEDS[probe]
        if health.values.get(key) == b"":
            found = "found nothing in it" if key in health.written else "missing"
            report.add((*health.path, key), found, f'probe = "{probe}" needs {what}')


def _cluster_names(root: Table) -> tuple[str, ...]:
    return tuple(cluster.name for cluster in root.sections["clusters"])


def _check_listener_names(listeners: list[Table], report: Report) -> None:
    first: dict[str, KeyPath] = {}
    for listener in listeners:
        name, path = listener.values.get("name"), (*listener.path, "name")
        if name is None:
            continue
        if name in first:
            report.add(path, f"found {quote(name)} again", "name each listener once", first[name])
        else:
            first[name] = path


def _check_listener_addresses(listeners: list[Table], report: Report) -> Listening[KeyPath]:
    listening: dict[int, dict[IPv4Address | IPv6Address, KeyPath]] = {}
    for listener in listeners:
        address, path = listener.values.get("address"), (*listener.path, "address")
        if address is None:
            continue
        same_port = listening.setdefault(address.port, {})
        other = _overlapping(address, same_port)
        if other is not None:
            report.add(
                path,
                f"{address} overlaps another listener",
                "choose another address or port",
                other,
            )
        same_port.setdefault(address.ip, path)
    return listening


def _overlapping(
    address: Address, same_port: dict[IPv4Address | IPv6Address, KeyPath]
) -> KeyPath | None:
    """The first listener on this port that takes some of the same datagrams."""
    if address.ip == _ALL:
        return next(iter(same_port.values()), None)
    if address.ip == _ALL_IPV4:
        rivals = (path for ip, path in same_port.items() if ip.version == 4 or ip == _ALL)
        return next(rivals, None)
    return _listener_of(address, same_port)


def _listener_of(
    address: Address, same_port: Mapping[IPv4Address | IPv6Address, _Listener]
) -> _Listener | None:
    """The listener that takes what is sent to a local address."""
    takers = (address.ip, _ALL, _ALL_IPV4) if address.ip.version == 4 else (address.ip, _ALL)
    return next((same_port[ip] for ip in takers if ip in same_port), None)


def _check_clusters_exist(listeners: list[Table], names: tuple[str, ...], report: Report) -> None:
    for listener in listeners:
        name = listener.values.get("cluster")
        if name is not None and name not in names:
            hint = report.did_you_mean(name, names) or "write one, or name another"
            report.add((*listener.path, "cluster"), f"there is no cluster {quote(name)}", hint)


def _check_backend_addresses(cluster: Table, report: Report) -> None:
    """A backend is called by name or address, so no two may answer to the same word."""
    addresses: dict[Address, KeyPath] = {}
    called: dict[str, KeyPath] = {}
    for backend in cluster.sections["backends"]:
        address, name = backend.values.get("address"), backend.values.get("name")
        path = (*backend.path, "address")
        if address in addresses:
            report.add(
                path, f"{address} again", "a cluster has each address once", addresses[address]
            )
            continue
        if address is not None:
            addresses[address] = path
        words = {str(address): path} if address is not None else {}
        if name is not None:
            words[name] = (*backend.path, "name")
        for word, place in words.items():
            if word in called:
                report.add(
                    place,
                    f"found {quote(word)} again",
                    "no two backends of a cluster may be called the same",
                    called[word],
                )
        called.update(words)


def looping_to(address: Address, listening: Listening[_Listener]) -> _Listener | None:
    """The listener of ours that gets what is sent to a backend of this address; it would go round.

    What goes to a loopback address arrives at a wildcard listener too.
    """
    same_port = listening.get(address.port, {})
    return _listener_of(address, same_port) if address.ip.is_loopback else same_port.get(address.ip)


def _check_no_loop(cluster: Table, listening: Listening[KeyPath], report: Report) -> None:
    for backend in cluster.sections["backends"]:
        address = backend.values.get("address")
        listener = looping_to(address, listening) if address is not None else None
        if listener is not None:
            report.add(
                (*backend.path, "address"),
                f"{address} is one of our own listeners",
                "datagrams would go round for ever; name another backend",
                listener,
            )
