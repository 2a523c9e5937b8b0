"""Values as a file would write them: reading what was spelled gives the value again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udplb.config.keys import HEALTH, ROOT, sections
from udplb.config.kinds import seconds, size_in_bytes
from udplb.config.section import Origin
from udplb.config.spelling import is_secret, spell, spell_backend, spell_duration, spell_size
from udplb.core.address import parse_address
from udplb.core.settings import BackendSettings

SEND = next(key for key in HEALTH.keys if key.name == "send")


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (0.0, "0s"),
        (0.5, "500ms"),
        (0.00005, "50us"),
        (0.0005, "500us"),
        (0.0000005, "0.0000005s"),
        (1.5, "1500ms"),
        (30, "30s"),
        (90.0, "90s"),
        (120.0, "2m"),
        (5400.0, "90m"),
        (86400.0, "24h"),
    ],
)
def test_durations(span: float, text: str) -> None:
    assert spell_duration(span) == text


@given(
    st.integers(0, 10**9).map(lambda n: n / 1000) | st.floats(1e-6, 1e6).map(lambda x: round(x, 9))
)
def test_a_spelled_duration_reads_as_itself(span: float) -> None:
    assert seconds(spell_duration(span)) == span


@given(st.integers(0, 2**40) | st.integers(0, 40).map(lambda n: 1 << n))
def test_a_spelled_size_reads_as_itself(size: int) -> None:
    assert size_in_bytes(spell_size(size)) == size


def test_sizes() -> None:
    assert [spell_size(size) for size in (0, 1, 4096, 5000, 4 << 20, 1 << 30)] == [
        "0B",
        "1B",
        "4KiB",
        "5kB",
        "4MiB",
        "1GiB",
    ]


@given(st.binary(max_size=4096))
def test_a_payload_is_short_and_printable(payload: bytes) -> None:
    text = spell(SEND, payload)
    assert text.isprintable()
    assert len(text) < 80


def test_payloads() -> None:
    assert spell(SEND, b"") == '""'
    assert spell(SEND, b"ping") == '"ping"'
    assert spell(SEND, b"hex:") == '"hex:6865783a"'
    assert spell(SEND, b"\x00\xff") == '"hex:00ff"'


def test_every_default_can_be_spelled_and_no_secret_can() -> None:
    for _, section in sections(ROOT):
        for key in section.keys:
            if is_secret(key):
                with pytest.raises(AssertionError):
                    spell(key, b"x")
            elif not isinstance(key.default, Origin):
                assert spell(key, key.default_value()).isprintable()


def test_a_backend_has_its_address_behind_its_name() -> None:
    address = parse_address("10.0.0.1:53")
    assert spell_backend(BackendSettings(address=address, name="a\n")) == "a\\n (10.0.0.1:53)"
    assert spell_backend(BackendSettings(address=address, name="10.0.0.1:53")) == "10.0.0.1:53"
