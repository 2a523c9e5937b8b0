"""Addresses as the core sees them: a literal IP address and a port, already normalised.

A v4-mapped IPv6 address (`::ffff:192.0.2.1`) is the IPv4 address that it carries: hashing,
lists, caps, headers and display all see the same client, whichever socket heard it.
Nothing here asks the operating system; names are never looked up.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

PORT_MAX = 65_535
HOSTS_KEPT = 4_096
"""Parsed hosts that are remembered: a client that comes back is not parsed again."""


class Address(NamedTuple):
    """One IP address and port. Equal addresses are equal in every spelling."""

    ip: IPv4Address | IPv6Address
    port: int

    @property
    def host(self) -> str:
        """The IP address as sockets want it, a zone (`%eth0`) included."""
        return str(self.ip)

    @property
    def is_wildcard(self) -> bool:
        """True for `0.0.0.0` and `::`, which listen on every local address."""
        return self.ip.is_unspecified

    @property
    def affinity_key(self) -> bytes:
        """The bytes that tell this host and port from every other: packed address, then port."""
        return self.ip.packed + self.port.to_bytes(2, "big")

    @property
    def source(self) -> bytes:
        """What counts as one source in caps: an IPv4 address, or an IPv6 /64."""
        return self.ip.packed[:8]

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if self.ip.version == 6 else f"{self.ip}:{self.port}"


@lru_cache(maxsize=HOSTS_KEPT)
def normal_ip(host: str) -> IPv4Address | IPv6Address:
    """The IP address that `host` spells; v4-mapped becomes IPv4.

    Raises ValueError for anything that is not a literal address.
    """
    ip = ip_address(host)
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    return ip


def parse_address(text: str) -> Address:
    """`192.0.2.1:53` or `[2001:db8::1]:53` as an Address.

    Raises ValueError with a sentence that says what is wrong and what is allowed.
    """
    host, colon, port_text = text.rpartition(":")
    if not colon:
        raise ValueError("no port; write it as 192.0.2.1:53 or [2001:db8::1]:53")
    bracketed = host.startswith("[") and host.endswith("]")
    if ":" in host and not bracketed:
        raise ValueError("an IPv6 address stands in brackets: [2001:db8::1]:53")
    if host in ("", "*"):
        raise ValueError(f"no address; all of them are 0.0.0.0:{port_text} or [::]:{port_text}")
    try:
        ip = normal_ip(host[1:-1] if bracketed else host)
    except ValueError:
        raise ValueError(
            f"{host!r} is no literal IP address; host names are not looked up"
        ) from None
    if not (port_text.isascii() and port_text.isdigit() and 1 <= int(port_text) <= PORT_MAX):
        raise ValueError(f"port {port_text!r} is not a number from 1 to {PORT_MAX}")
    return Address(ip, int(port_text))
