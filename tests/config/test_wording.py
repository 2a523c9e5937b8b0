from __future__ import annotations

import tomllib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udplb.config.wording import (
    SHOWN_MAX,
    KeyPath,
    choices,
    cut,
    echo,
    escape,
    meant,
    quote,
    spell_path,
)


@given(st.text(st.characters()))
def test_what_was_escaped_is_printable(text: str) -> None:
    assert escape(text).isprintable()


def test_escape_names_what_a_terminal_would_obey() -> None:
    assert escape("a\x1b[31m\n\u202eb") == r"a\x1b[31m\n\u202eb"


@pytest.mark.parametrize(
    ("length", "shown"), [(SHOWN_MAX - 1, 59), (SHOWN_MAX, 60), (SHOWN_MAX + 1, 60)]
)
def test_what_is_long_is_cut(length: int, shown: int) -> None:
    assert len(cut("x" * length)) == shown
    assert cut("x" * length).endswith("…") == (length > SHOWN_MAX)


@given(st.text("ab\"\\'#[ ", max_size=SHOWN_MAX))
def test_a_quoted_text_is_toml(text: str) -> None:
    assert tomllib.loads(f"key = {quote(text)}") == {"key": text}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (1 << 65, "a number of more than 64 bits"),
        (1.5, "1.5"),
        (float("nan"), "nan"),
        ('a"b', '"a\\"b"'),
        ("\x00", '"\\x00"'),
        ({}, "a table"),
        ([1], "an array"),
        (date(2024, 1, 2), "2024-01-02"),
    ],
)
def test_echo_names_each_kind_of_value(value: object, shown: str) -> None:
    assert echo(value) == shown


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("engine", "gso"), "engine.gso"),
        (("clusters", "dns", "backends", 1, "weight"), "clusters.dns.backends[1].weight"),
        (("clusters", "a b", "x\x1b"), 'clusters."a b"."x\\x1b"'),
        (("clusters", ""), 'clusters.""'),
    ],
)
def test_paths_are_spelled_as_toml_would(path: KeyPath, text: str) -> None:
    assert spell_path(path) == text


def test_choices_reads_as_a_sentence() -> None:
    assert choices(["a"]) == "a"
    assert choices(["a", "b", "c"]) == "a, b or c"


def test_meant_finds_the_nearest_or_nothing() -> None:
    known = ("weight", "address", "NS")
    assert meant("wieght", known) == "weight"
    assert meant("ns", known) == "NS"
    assert meant("zzz", known) == ""
    assert meant("x" * 1_000_000, known) == ""
