from __future__ import annotations

import hashlib
import math
from contextlib import suppress
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udplb.config.kinds import (
    HASH_KEY_MAX,
    NAME_MAX,
    SECRET_MAX,
    SOCKET_PATH_MAX,
    Choice,
    DomainName,
    Duration,
    HashSeed,
    Kind,
    ListOf,
    Name,
    NetworkText,
    Payload,
    Ratio,
    Secret,
    Size,
    SocketPath,
    Switch,
    Whole,
)
from udplb.core.settings import DATAGRAM_MAX

SECRET = "s" * (HASH_KEY_MAX + 1)
LONGEST_NAME = ".".join(["a" * 63] * 3 + ["a" * 61])
"""253 characters, which are 255 bytes in a query."""
SPAN = Duration("10ms", "1h")
SIZE = Size("4KiB", "1GiB")

READ: list[tuple[Kind, object, object]] = [
    (Switch(), True, True),
    (Switch(), False, False),
    (Choice(("on", "off")), "off", "off"),
    (Whole(0, 5), 0, 0),
    (Whole(0, 5), 5, 5),
    (Ratio(), 0, 0.0),
    (Ratio(), 1, 1.0),
    (Ratio(), 0.25, 0.25),
    (SPAN, "10ms", 0.01),
    (SPAN, 0.01, 0.01),
    (SPAN, "500ms", 0.5),
    (Duration("0s", "1ms"), "50us", 0.00005),
    (SPAN, "1.5s", 1.5),
    (SPAN, "2m", 120.0),
    (SPAN, "1h", 3600.0),
    (SPAN, 3600, 3600.0),
    (SIZE, "4096B", 4096),
    (SIZE, "4KiB", 4096),
    (SIZE, 4096, 4096),
    (SIZE, "5kB", 5000),
    (SIZE, "1MB", 1_000_000),
    (SIZE, "1GB", 1_000_000_000),
    (SIZE, "4MiB", 4 << 20),
    (SIZE, "1GiB", 1 << 30),
    (Name(), "a", "a"),
    (Name(), "é b/c", "é b/c"),
    (Name(), "x" * NAME_MAX, "x" * NAME_MAX),
    (NetworkText(), "10.0.0.0/8", ip_network("10.0.0.0/8")),
    (NetworkText(), "10.0.0.1", ip_network("10.0.0.1/32")),
    (NetworkText(), "2001:db8::/32", ip_network("2001:db8::/32")),
    (NetworkText(), "::ffff:10.0.0.0/104", ip_network("10.0.0.0/8")),
    (NetworkText(), "::/0", ip_network("::/0")),
    (HashSeed(), 0, b"0"),
    (HashSeed(), 2**63 - 1, b"9223372036854775807"),
    (HashSeed(), "é", "é".encode()),
    (HashSeed(), SECRET[1:], SECRET[1:].encode()),
    (HashSeed(), SECRET, hashlib.blake2b(SECRET.encode()).digest()),
    (Payload(), "", b""),
    (Payload(), "a\x00é", b"a\x00\xc3\xa9"),
    (Payload(), "hex:", b""),
    (Payload(), "hex:de ad BEEF", b"\xde\xad\xbe\xef"),
    (Payload(), "x" * DATAGRAM_MAX, b"x" * DATAGRAM_MAX),
    (Payload(4), "hex:de ad be ef", b"\xde\xad\xbe\xef"),
    (Secret(), "", b""),
    (Secret(), "é", "é".encode()),
    (Secret(), "hex:00", b"hex:00"),
    (Secret(), "x" * SECRET_MAX, b"x" * SECRET_MAX),
    (SocketPath(), "auto", "auto"),
    (SocketPath(), "off", "off"),
    (SocketPath(), "./s", "./s"),
    (SocketPath(), "/" + "s" * (SOCKET_PATH_MAX - 1), "/" + "s" * (SOCKET_PATH_MAX - 1)),
    (DomainName(), ".", "."),
    (DomainName(), "_a.example.com.", "_a.example.com."),
    (DomainName(), "x" * 63, "x" * 63),
    (DomainName(), LONGEST_NAME, LONGEST_NAME),
    (DomainName(), LONGEST_NAME + ".", LONGEST_NAME + "."),
    (ListOf(Whole(0, 5)), [], ()),
    (ListOf(Whole(0, 5)), [1, 2], (1, 2)),
]

REFUSED: list[tuple[Kind, list[object]]] = [
    (Switch(), [0, 1, "true"]),
    (Choice(("on", "off")), ["On", "", 1, True]),
    (Whole(0, 5), [-1, 6, 1.0, True, "1", 1 << 70, math.nan]),
    (Ratio(), [-0.1, 1.1, True, "0.5", math.nan, math.inf]),
    (SPAN, ["9ms", 0, -1, 0.009, 3601, "61m", math.nan, math.inf, -math.inf, True, "30", "30 s"]),
    (SPAN, ["-5s", "1d", "s", "", "1e3s", "٣s", "9" * 5000 + "s"]),
    (SIZE, [4095, "4095B", "2GiB", -1, True, 4096.0, "4mib", "4.5MiB", "MiB", "9" * 5000 + "B"]),
    (Name(), ["", " a", "a ", "a\x1b", "a\nb", "\u202ea", 5, "x" * (NAME_MAX + 1)]),
    (Name(without="/"), ["a/b"]),
    (NetworkText(), ["10.0.0.0/33", "x", "", 5, "fe80::1%eth0", "10.0.0.0/8/8"]),
    (HashSeed(), ["", -1, 2**63, 1.5, True, ["a"]]),
    (Payload(), ["hex:0", "hex:zz", 5, "x" * (DATAGRAM_MAX + 1)]),
    (Payload(4), ["hex:00 00 00 00 00", "12345", "éé1"]),
    (Secret(), [5, True, ["a"], "x" * (SECRET_MAX + 1)]),
    (SocketPath(), ["of", "", "/tmp/", "/a\x00", 1, "/" + "s" * SOCKET_PATH_MAX]),
    (DomainName(), ["", "a..b", ".a", "a b", "é", 5, "x" * 64, LONGEST_NAME + "a"]),
    (ListOf(Whole(0, 5), empty=False), [[], 5, "a"]),
    (ListOf(Whole(0, 5)), [5, {}, [6]]),
]


@pytest.mark.parametrize(("kind", "value", "expected"), READ)
def test_values_are_read_as_core_wants_them(kind: Kind, value: object, expected: object) -> None:
    read = kind.read(value)
    assert read == expected
    assert type(read) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value"), [(kind, value) for kind, values in REFUSED for value in values]
)
def test_a_refusal_says_what_is_allowed(kind: Kind, value: object) -> None:
    with pytest.raises(ValueError, match="allowed: ") as refusal:
        kind.read(value)
    assert kind.allowed() in str(refusal.value) or isinstance(kind, ListOf)


def test_a_near_miss_is_named() -> None:
    with pytest.raises(ValueError, match=r'allowed: "on" or "off"; did you mean "off"\?'):
        Choice(("on", "off")).read("of")


def test_host_bits_name_the_network() -> None:
    with pytest.raises(ValueError, match=r'the network is "10\.0\.0\.0/8"'):
        NetworkText().read("10.1.2.3/8")


def test_bad_hexadecimal_digits_are_named_as_such() -> None:
    for value in ("hex:0", "hex:zz", "hex:00 0"):
        with pytest.raises(ValueError, match=r'behind "hex:" stand pairs of the digits 0 to f; al'):
            Payload().read(value)


def test_a_secret_is_never_shown() -> None:
    assert "hunter2" not in HashSeed().found("hunter2")
    assert "hunter2" not in Secret().found("hunter2")
    assert Whole(0, 5).found(7) == "found 7"


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates()
KINDS = [kind for kind, _ in REFUSED]


@given(st.sampled_from(KINDS), SCALARS | st.lists(SCALARS) | st.just({"a": 1}))
def test_no_value_raises_anything_but_a_refusal(kind: Kind, value: object) -> None:
    with suppress(ValueError):
        kind.read(value)
    assert kind.found(value)
