"""Highlighting: every character stays, but those of secrets."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.scenes import FILE
from udplb.tui import highlight
from udplb.tui.highlight import COVER, covered, highlighted, numbered, plain
from udplb.tui.ink import Piece


def coloured(text: str) -> list[list[Piece]]:
    return asyncio.run(highlighted(text))


def shown(text: str) -> str:
    return text_of(coloured(text))


def text_of(lines: list[list[Piece]]) -> str:
    return "\n".join("".join(piece.text for piece in line) for line in lines)


def test_the_text_stays_as_it_is() -> None:
    assert shown(FILE) == covered(FILE)
    lines = coloured(FILE)
    inks = {piece.ink for line in lines for piece in line}
    assert {"toml-key", "toml-text", "toml-comment", "toml-number"} <= inks


def test_secrets_are_covered_wherever_they_stand() -> None:
    for line in (
        'hash_seed = "tell nobody"',
        "secret = 'tell nobody'",
        '  "secret" = "tell nobody"  # really',
        'health.secret = "tell nobody"',
        "hash_seed=12345678",
        'secret = "a#tell nobody"',
        "secret = 'a#tell nobody'",
        'secret = "\\"tell nobody"',
        'health = { probe = "radius", secret = "tell nobody", port = 1 }',
        'secret = """\nfirst\ntell nobody\n"""',
        "secret = '''tell nobody",
        'secret = "tell nobody',
    ):
        seen = shown(line)
        assert "tell nobody" not in seen
        assert "12345678" not in seen
        assert COVER in seen
    assert shown('secret = "x" # why') == f'secret = "{COVER}" # why'
    many = shown('secret = """\na\nb"""\nport = 1')
    assert many.splitlines() == [f'secret = "{COVER}"', "", "", "port = 1"], "lines keep numbers"
    assert shown("secrets_max = 3") == "secrets_max = 3"


@given(st.text(max_size=300))
def test_anything_can_be_shown(text: str) -> None:
    lines = coloured(text)
    assert all("\n" not in piece.text for line in lines for piece in line)


@given(st.text("ab =#\"'[]{}\t\r\n\ufeff", max_size=80) | st.text(max_size=80))
def test_the_plain_lines_are_the_same_ones(text: str) -> None:
    assert len(plain(text)) == len(coloured(text))
    if "\t" not in text and not text.startswith("\ufeff"):
        assert text_of(plain(text)) == shown(text)


def test_others_have_their_turn_while_a_large_file_is_coloured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(highlight, "SLICE_S", 0.0)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def both() -> None:
        beside = asyncio.create_task(others())
        assert text_of(await highlighted(FILE * 10)) == covered(FILE * 10)
        beside.cancel()

    asyncio.run(both())
    assert turns > 100


def test_problems_know_their_lines() -> None:
    file = "/etc/udplb/udplb.toml"
    told = (f"{file}:31: weight: -5; allowed: 0 to 1000", "no such file", f"{file}:0: x: y")
    assert list(numbered(told)) == [
        (31, "weight: -5; allowed: 0 to 1000"),
        (0, "no such file"),
        (0, "x: y"),
    ]
