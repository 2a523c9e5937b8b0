from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udplb.config.endpoints import BackendAddress, ListenerAddress, OptionalAddress
from udplb.config.kinds import Kind

LISTENER, BACKEND, OPTIONAL = ListenerAddress(), BackendAddress(), OptionalAddress()


@pytest.mark.parametrize(
    ("kind", "text", "spelled"),
    [
        (LISTENER, "0.0.0.0:53", "0.0.0.0:53"),
        (LISTENER, "[::]:53", "[::]:53"),
        (LISTENER, "192.0.2.1:65535", "192.0.2.1:65535"),
        (LISTENER, "[::ffff:192.0.2.1]:1", "192.0.2.1:1"),
        (BACKEND, "[fe80::1%eth0]:53", "[fe80::1%eth0]:53"),
        (BACKEND, "127.0.0.1:53", "127.0.0.1:53"),
        (OPTIONAL, "0.0.0.0:9464", "0.0.0.0:9464"),
        (OPTIONAL, "off", "None"),
    ],
)
def test_addresses_are_read(kind: Kind, text: str, spelled: str) -> None:
    assert str(kind.read(text)) == spelled


@pytest.mark.parametrize("kind", [LISTENER, BACKEND, OPTIONAL])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("localhost:53", "host names are not looked up"),
        ("192.0.2.1", "no port"),
        ("2001:db8::1:53", "in brackets"),
        ("192.0.2.1:0", "from 1 to 65535"),
        ("192.0.2.1:65536", "from 1 to 65535"),
        ("239.1.1.1:53", "multicast or broadcast"),
        ("[ff02::1]:53", "multicast or broadcast"),
        ("255.255.255.255:53", "multicast or broadcast"),
        ("[fe80::1]:53", r"needs its interface, as \[fe80::1%eth0\]:53"),
        ("[fe80::1%e\x1b]:53", "no control characters"),
        (53, "allowed: "),
        (True, "allowed: "),
        (["192.0.2.1:53"], "allowed: "),
    ],
)
def test_what_cannot_work_is_refused(kind: Kind, value: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        kind.read(value)


@pytest.mark.parametrize("text", ["0.0.0.0:53", "[::]:53", "[::ffff:0.0.0.0]:53"])
def test_a_wildcard_is_no_backend(text: str) -> None:
    with pytest.raises(ValueError, match="a wildcard is no backend"):
        BACKEND.read(text)


@given(st.text() | st.from_regex(r"\[?[0-9a-f:.%]*\]?:[0-9]{1,6}", fullmatch=True))
def test_any_text_is_read_or_refused_in_few_words(text: str) -> None:
    for kind in (LISTENER, BACKEND, OPTIONAL):
        reason = ""
        try:
            kind.read(text)
        except ValueError as refusal:
            reason = str(refusal)
        assert reason.isprintable()
        assert len(reason) <= 200
