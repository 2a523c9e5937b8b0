"""The kinds of address that a file holds: whom to listen for, where to send, where to be read.

An address is always a literal IP address and a port. What can never work in its place is
refused here, long before a bind or connect would fail.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from udplb.config.kinds import Kind
from udplb.config.wording import cut
from udplb.core.address import Address, parse_address

_BROADCAST = IPv4Address("255.255.255.255")
_REASON_MAX = 200


def _unicast(text: str) -> Address:
    """`text` as an address of one host, or of all local ones. Raises ValueError."""
    if not text.isprintable():
        raise ValueError("an address holds no control characters")
    try:
        address = parse_address(text)
    except ValueError as error:
        raise ValueError(cut(str(error), _REASON_MAX)) from None
    ip = address.ip
    if ip.is_multicast or ip == _BROADCAST:
        raise ValueError("a multicast or broadcast address is not one host's; name a unicast one")
    if isinstance(ip, IPv6Address) and ip.is_link_local and ip.scope_id is None:
        raise ValueError(f"a link-local address needs its interface, as [{ip}%eth0]:{address.port}")
    return address


@dataclass(frozen=True, slots=True)
class ListenerAddress(Kind):
    """Where a listener binds; a wildcard is welcome."""

    def allowed(self) -> str:
        return 'a literal IP address and a port, as "0.0.0.0:53" or "[::]:53"'

    def read(self, value: object) -> Address:
        return _unicast(value) if isinstance(value, str) else self.refuse()


@dataclass(frozen=True, slots=True)
class BackendAddress(Kind):
    """Where a backend is; a wildcard is nowhere."""

    def allowed(self) -> str:
        return 'a literal IP address and a port, as "10.0.0.10:53" or "[2001:db8::1]:53"'

    def read(self, value: object) -> Address:
        address = _unicast(value) if isinstance(value, str) else self.refuse()
        if address.is_wildcard:
            raise ValueError("a wildcard is no backend; name the address of one host")
        return address


@dataclass(frozen=True, slots=True)
class OptionalAddress(Kind):
    """Where an HTTP server binds, or None for `"off"`."""

    def allowed(self) -> str:
        return '"off", or a literal IP address and a port, as "127.0.0.1:9464"'

    def read(self, value: object) -> Address | None:
        if value == "off":
            return None
        return _unicast(value) if isinstance(value, str) else self.refuse()
