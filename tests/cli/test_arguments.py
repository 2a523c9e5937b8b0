from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udplb.cli import arguments
from udplb.cli.arguments import WORD_MAX, Target
from udplb.cli.endings import BAD_USAGE, Complaint


@pytest.mark.parametrize(
    ("word", "target"),
    [
        ("dns/edge-3", Target("dns", "edge-3")),
        ("dns/10.0.0.1:53", Target("dns", "10.0.0.1:53")),
        ("dns/[2001:db8::1]:53", Target("dns", "[2001:db8::1]:53")),
        ("my dns/a/b", Target("my dns", "a/b")),
        (f"d/{'x' * WORD_MAX}", Target("d", "x" * WORD_MAX)),
    ],
)
def test_targets(word: str, target: Target) -> None:
    assert arguments.target(word) == target
    assert str(target) == word


def test_scopes() -> None:
    assert arguments.scope(None) == (None, None)
    assert arguments.scope("dns") == ("dns", None)
    assert arguments.scope("dns/a") == ("dns", "a")


@pytest.mark.parametrize(
    ("word", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:5353", "192.0.2.1:5353"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:5353", "[2001:db8::1]:5353"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:5353", "192.0.2.1:5353"),
    ],
)
def test_clients(word: str, client: str) -> None:
    assert arguments.client(word) == client


@pytest.mark.parametrize(
    ("word", "seconds"),
    [("500ms", 0.5), ("60s", 60.0), ("2m", 120.0), ("1h", 3_600.0), ("90", 90.0), ("1.5", 1.5)],
)
def test_durations(word: str, seconds: float) -> None:
    assert arguments.seconds_of("--deadline", word) == seconds


@given(st.text(max_size=300))
def test_any_word_is_read_or_refused(word: str) -> None:
    for read in (
        arguments.target,
        arguments.scope,
        arguments.client,
        arguments.backend_address,
        arguments.new_name,
        arguments.filter_of,
        lambda text: arguments.name_of("cluster", text),
        lambda text: arguments.seconds_of("--deadline", text),
    ):
        with suppress(Complaint):
            read(word)


@given(st.text(max_size=300))
def test_a_refusal_is_bad_usage(word: str) -> None:
    with pytest.raises(Complaint) as refusal:
        arguments.target(f"{word.replace('/', '')}/")
    assert refusal.value.code == BAD_USAGE
