"""Limits on new flows. Flows that exist are never shed."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from udplb.core.address import Address
from udplb.core.settings import Network


class Capacity:
    """What all listeners share: how many flows there may be, their serial numbers, what is kept."""

    __slots__ = ("highest", "kept_bytes", "live", "max_flows", "serial")

    def __init__(self, max_flows: int) -> None:
        self.live = 0
        self.serial = 0
        self.kept_bytes = 0
        """Of trains that are kept until a reply comes."""
        self.highest = 0
        """The highest cap that was in force: more flows than that there never are."""
        self.change(max_flows)

    def change(self, max_flows: int) -> None:
        """A new cap; one below the live count closes nobody."""
        self.max_flows = max_flows
        self.highest = max(self.highest, max_flows)


class TokenBucket:
    """So many a second on average, and as many at once; 0: no limit."""

    __slots__ = ("_rate", "_refilled_at", "_tokens")

    def __init__(self, per_second: int) -> None:
        self._rate = per_second
        self._tokens = float(per_second)
        self._refilled_at: float | None = None

    def take(self, now: float) -> bool:
        """Take one token; False if there is none."""
        if not self._rate:
            return True
        self._tokens = self._tokens_at(now)
        self._refilled_at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def has_one(self, now: float) -> bool:
        """Whether there is a token to take."""
        return not self._rate or self._tokens_at(now) >= 1.0

    def rate_changed(self, now: float, per_second: int) -> None:
        """As full as before by the new measure: who had used it up has no second burst, and who
        had not has all of it. Where there was no limit it is full."""
        if per_second == self._rate:
            return
        share = self._tokens_at(now) / self._rate if self._rate else 1.0
        self._rate = per_second
        self._tokens = share * per_second
        self._refilled_at = now

    def _tokens_at(self, now: float) -> float:
        if self._refilled_at is None:
            return self._tokens
        elapsed = max(0.0, now - self._refilled_at)
        return min(float(self._rate), self._tokens + elapsed * self._rate)

    def give_back(self) -> None:
        """The token taken last was not needed."""
        self._tokens = min(float(self._rate), self._tokens + 1.0)


class NetworkSet:
    """A list of networks that costs one look-up per prefix length, not per network."""

    __slots__ = ("_by_prefix",)

    def __init__(self, networks: Iterable[Network]) -> None:
        self._by_prefix: dict[tuple[int, int], set[int]] = {}
        for network in networks:
            shift = network.max_prefixlen - network.prefixlen
            prefixes = self._by_prefix.setdefault((network.version, shift), set())
            prefixes.add(int(network.network_address) >> shift)

    def __bool__(self) -> bool:
        return bool(self._by_prefix)

    def __contains__(self, ip: IPv4Address | IPv6Address) -> bool:
        number = int(ip)
        return any(
            version == ip.version and number >> shift in prefixes
            for (version, shift), prefixes in self._by_prefix.items()
        )


class OwnAddresses:
    """The addresses of our own listeners: a client with one of them would be a loop.

    A wildcard listener has every local address, `::` those of IPv4 too; the shell tells which
    these are. Loopback is always local.
    """

    __slots__ = ("_exact", "_ports", "_wildcards", "hosts")

    def __init__(
        self, listeners: Iterable[Address], hosts: Iterable[IPv4Address | IPv6Address] = ()
    ) -> None:
        self.hosts = frozenset(hosts)
        """This machine's addresses, as far as the shell has told."""
        self.listeners_changed(listeners)

    def listeners_changed(self, listeners: Iterable[Address]) -> None:
        """Our listeners are now these."""
        listeners = tuple(listeners)
        self._ports = frozenset(address.port for address in listeners)
        self._exact = frozenset(address for address in listeners if not address.is_wildcard)
        self._wildcards = frozenset(
            (version, address.port)
            for address in listeners
            if address.is_wildcard
            for version in ((4, 6) if address.ip.version == 6 else (4,))
        )

    def hosts_changed(self, hosts: Iterable[IPv4Address | IPv6Address]) -> None:
        """This machine's addresses are now these."""
        self.hosts = frozenset(hosts)

    def __contains__(self, client: Address) -> bool:
        if client.port not in self._ports:
            return False  # nearly all clients, and the cheapest to tell
        if client in self._exact:
            return True
        on_wildcard = (client.ip.version, client.port) in self._wildcards
        return on_wildcard and (client.ip.is_loopback or client.ip in self.hosts)
