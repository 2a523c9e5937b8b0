"""Highlighting: every character stays, but those of secrets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.tui.scenes import FILE
from udplb.tui.highlight import COVER, covered, highlighted, numbered


def plain(text: str) -> str:
    return "\n".join("".join(piece.text for piece in line) for line in highlighted(text))


def test_the_text_stays_as_it_is() -> None:
    assert plain(FILE) == covered(FILE)
    lines = highlighted(FILE)
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
        shown = plain(line)
        assert "tell nobody" not in shown
        assert "12345678" not in shown
        assert COVER in shown
    assert plain('secret = "x" # why') == f'secret = "{COVER}" # why'
    many = plain('secret = """\na\nb"""\nport = 1')
    assert many.splitlines() == [f'secret = "{COVER}"', "", "", "port = 1"], "lines keep numbers"
    assert plain("secrets_max = 3") == "secrets_max = 3"


@given(st.text(max_size=300))
def test_anything_can_be_shown(text: str) -> None:
    lines = highlighted(text)
    assert all("\n" not in piece.text for line in lines for piece in line)


def test_problems_know_their_lines() -> None:
    file = "/etc/udplb/udplb.toml"
    told = (f"{file}:31: weight: -5; allowed: 0 to 1000", "no such file", f"{file}:0: x: y")
    assert list(numbered(told, file)) == [
        (31, "weight: -5; allowed: 0 to 1000"),
        (0, "no such file"),
        (0, "x: y"),
    ]
