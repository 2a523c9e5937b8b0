"""What may stand behind a key: each kind says what it allows and reads a value of the file.

`read` gives the value as core's settings want it, or raises ValueError with the reason that the
message will state after the value that was found.
"""

from __future__ import annotations

import hashlib
import os
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import IPv4Network, ip_network
from typing import NoReturn

from udplb.config.wording import choices, echo, meant
from udplb.core.settings import DATAGRAM_MAX, Network

NAME_MAX = 255
"""Characters of a name."""

SOCKET_PATH_MAX = 107
"""Bytes of a Unix socket's path (unix(7): sun_path holds 108 with the final NUL)."""

HASH_KEY_MAX = 64
"""Bytes of a blake2b key (RFC 7693, section 2.1)."""

SECRET_MAX = 255
"""Bytes of a secret; an attribute of RADIUS holds no more either (RFC 2865, section 5)."""

_SECONDS = {
    "us": Decimal("0.000001"),
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(us|ms|s|m|h)")

_BYTES = {
    "B": 1,
    "kB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
}
_SIZE = re.compile(r"([0-9]{1,15})(B|kB|MB|GB|KiB|MiB|GiB)")

_DNS_LABEL = re.compile(r"[!-\-/-~]{1,63}")


def seconds(text: str) -> float | None:
    """`"500ms"` as 0.5; None for what is no duration."""
    match = _DURATION.fullmatch(text)
    return float(Decimal(match[1]) * _SECONDS[match[2]]) if match else None


def size_in_bytes(text: str) -> int | None:
    """`"4MiB"` as 4,194,304; None for what is no size."""
    match = _SIZE.fullmatch(text)
    return int(match[1]) * _BYTES[match[2]] if match else None


class Kind(ABC):
    """What may stand behind a key."""

    @abstractmethod
    def allowed(self) -> str:
        """What may stand there, in words, with range and unit."""

    @abstractmethod
    def read(self, value: object) -> object:
        """The value as core wants it. Raises ValueError with the reason."""

    def found(self, value: object) -> str:
        """A value that was refused, as messages show it."""
        return f"found {echo(value)}"

    def refuse(self) -> NoReturn:
        """The reason of most refusals: what would have been allowed."""
        raise ValueError(f"allowed: {self.allowed()}")


@dataclass(frozen=True, slots=True)
class Switch(Kind):
    """true or false."""

    def allowed(self) -> str:
        return "true or false"

    def read(self, value: object) -> bool:
        return value if isinstance(value, bool) else self.refuse()


@dataclass(frozen=True, slots=True)
class Choice(Kind):
    """One of some words."""

    words: tuple[str, ...]

    def allowed(self) -> str:
        return choices(f'"{word}"' for word in self.words)

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            self.refuse()
        if value in self.words:
            return value
        near = meant(value, self.words)
        hint = f'; did you mean "{near}"?' if near else ""
        raise ValueError(f"allowed: {self.allowed()}{hint}")


@dataclass(frozen=True, slots=True)
class Whole(Kind):
    """An integer; true is none, and neither is 1.0."""

    least: int
    most: int

    def allowed(self) -> str:
        return f"a whole number from {self.least} to {self.most}"

    def read(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            self.refuse()
        return value if self.least <= value <= self.most else self.refuse()


@dataclass(frozen=True, slots=True)
class Ratio(Kind):
    """A share, from none to all."""

    def allowed(self) -> str:
        return "a number from 0 to 1"

    def read(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse()
        # NaN is between no two numbers, so the range refuses it too.
        return float(value) if 0 <= value <= 1 else self.refuse()


@dataclass(frozen=True, slots=True)
class Duration(Kind):
    """A time span, read as seconds; the limits are written as a file would write them."""

    least: str
    most: str

    def allowed(self) -> str:
        short = self.most.endswith(("us", "ms"))
        written = '"50us"' if short else '"500ms", "30s", "2m", "1h" or in seconds'
        return f"a duration from {self.least} to {self.most}, as {written}"

    def read(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            self.refuse()
        span = seconds(value) if isinstance(value, str) else value
        least, most = seconds(self.least), seconds(self.most)
        assert least is not None
        assert most is not None
        return float(span) if span is not None and least <= span <= most else self.refuse()


@dataclass(frozen=True, slots=True)
class Size(Kind):
    """An amount of memory, read as bytes; the limits are written as a file would write them."""

    least: str
    most: str

    def allowed(self) -> str:
        return f'a size from {self.least} to {self.most}, as "64KiB", "4MiB", "1GB" or in bytes'

    def read(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            self.refuse()
        size = size_in_bytes(value) if isinstance(value, str) else value
        least, most = size_in_bytes(self.least), size_in_bytes(self.most)
        assert least is not None
        assert most is not None
        return size if size is not None and least <= size <= most else self.refuse()


@dataclass(frozen=True, slots=True)
class Name(Kind):
    """What people call something; shown in consoles and logs, given on command lines."""

    without: str = ""
    """A character that the name may not hold."""

    def allowed(self) -> str:
        extra = f', no "{self.without}"' if self.without else ""
        return f"1 to {NAME_MAX} printable characters, no space at either end{extra}"

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not value.isprintable() or value != value.strip():
            self.refuse()
        if not 1 <= len(value) <= NAME_MAX or (self.without and self.without in value):
            self.refuse()
        return value


@dataclass(frozen=True, slots=True)
class NetworkText(Kind):
    """A CIDR network or a single address; v4-mapped networks are the IPv4 ones they carry."""

    def allowed(self) -> str:
        return 'a network in CIDR form, as "10.0.0.0/8" or "2001:db8::/32", or one address'

    def read(self, value: object) -> Network:
        # An interface (%eth0) says nothing about a client's address.
        if not isinstance(value, str) or "%" in value:
            self.refuse()
        try:
            network = ip_network(value, strict=False)
        except ValueError:
            self.refuse()
        try:
            ip_network(value)
        except ValueError:
            raise ValueError(
                f'bits are set behind the prefix; the network is "{network}"'
            ) from None
        mapped = network.network_address.ipv4_mapped if network.version == 6 else None
        if mapped is not None and network.prefixlen >= 96:
            return IPv4Network((mapped, network.prefixlen - 96))
        return network


@dataclass(frozen=True, slots=True)
class HashSeed(Kind):
    """A number or a secret text, read as the bytes that key the hash; never shown."""

    most: int = 2**63 - 1

    def allowed(self) -> str:
        return f"a whole number from 0 to {self.most}, or a secret text"

    def found(self, value: object) -> str:
        return "found a value that is not shown, since it may be secret"

    def read(self, value: object) -> bytes:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= self.most:
            return str(value).encode()
        if not isinstance(value, str) or not value:
            self.refuse()
        secret = value.encode()
        if len(secret) <= HASH_KEY_MAX:
            return secret
        return hashlib.blake2b(secret, digest_size=HASH_KEY_MAX).digest()


@dataclass(frozen=True, slots=True)
class Payload(Kind):
    """What a probe sends or expects, read as bytes."""

    most: int = DATAGRAM_MAX

    def allowed(self) -> str:
        return f'a text, or bytes as "hex:de ad be ef"; at most {self.most} bytes'

    def read(self, value: object) -> bytes:
        if not isinstance(value, str):
            self.refuse()
        if value.startswith("hex:"):
            try:
                payload = bytes.fromhex(value[4:])
            except ValueError:
                raise ValueError(
                    f'behind "hex:" stand pairs of the digits 0 to f; allowed: {self.allowed()}'
                ) from None
        else:
            payload = value.encode()
        return payload if len(payload) <= self.most else self.refuse()


@dataclass(frozen=True, slots=True)
class Secret(Kind):
    """A text that is never shown, read as bytes; the empty one is none."""

    def allowed(self) -> str:
        return f"a secret text, at most {SECRET_MAX} bytes"

    def found(self, value: object) -> str:
        return "found a value that is not shown, since it may be secret"

    def read(self, value: object) -> bytes:
        if not isinstance(value, str):
            self.refuse()
        secret = value.encode()
        return secret if len(secret) <= SECRET_MAX else self.refuse()


@dataclass(frozen=True, slots=True)
class SocketPath(Kind):
    """Where a Unix socket is made; a word without a slash is rather a typing mistake."""

    def allowed(self) -> str:
        return f'"auto", "off" or a path with a "/", at most {SOCKET_PATH_MAX} bytes'

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not value.isprintable():
            self.refuse()
        if value in ("auto", "off"):
            return value
        fits = len(os.fsencode(value)) <= SOCKET_PATH_MAX
        return value if "/" in value and not value.endswith("/") and fits else self.refuse()


@dataclass(frozen=True, slots=True)
class DomainName(Kind):
    """A name that a DNS probe asks for (RFC 1035, section 2.3.4: labels of 63, 255 in all)."""

    def allowed(self) -> str:
        return 'a domain name in ASCII, as "example.com" or "." for the root'

    def read(self, value: object) -> str:
        if not isinstance(value, str) or len(value.removesuffix(".")) > 253:
            self.refuse()
        labels = value.removesuffix(".").split(".")
        if value != "." and not all(_DNS_LABEL.fullmatch(label) for label in labels):
            self.refuse()
        return value


@dataclass(frozen=True, slots=True)
class ListOf(Kind):
    """An array; its elements are read one by one, so that each wrong one is reported."""

    element: Kind
    empty: bool = True
    """Whether it may be empty."""

    def allowed(self) -> str:
        return f"an array{'' if self.empty else ' of at least one'}: {self.element.allowed()}"

    def read(self, value: object) -> tuple[object, ...]:
        return tuple(self.element.read(element) for element in self.elements(value))

    def elements(self, value: object) -> list[object]:
        """The elements as the file has them."""
        if not isinstance(value, list) or not (value or self.empty):
            self.refuse()
        return value
