"""Highlighting: a configuration file as lines of pieces, with its secrets covered.

Pygments reads the TOML; the theme's roles say how each kind of word looks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pygments.lexers import TOMLLexer
from pygments.token import Token, _TokenType

from udplb.tui.ink import Piece

_INKS: tuple[tuple[_TokenType, str], ...] = (
    (Token.Comment, "toml-comment"),
    (Token.Keyword.Namespace, "toml-table"),
    (Token.Keyword, "toml-number"),
    (Token.Literal.String, "toml-text"),
    (Token.Literal.Number, "toml-number"),
    (Token.Literal.Date, "toml-number"),
    (Token.Name, "toml-key"),
)
COVER = "••••"
_SECRET = re.compile(
    r"""(?P<key>(?:^|[{,.])\s*["']?(?:secret|hash_seed)["']?\s*=[^\S\n]*)"""
    r'''(?P<value>"""[\s\S]*?(?:"""|\Z)|"(?:[^"\\\n]|\\.)*"?|'''
    r"""'''[\s\S]*?(?:'''|\Z)|'[^'\n]*'?|[^#\s,}]+)""",
    re.MULTILINE,
)
"""What gives power to whoever reads it over a shoulder."""


def highlighted(text: str) -> list[list[Piece]]:
    """The lines, each in pieces."""
    lines: list[list[Piece]] = [[]]
    for token, value in TOMLLexer(stripnl=False, ensurenl=False).get_tokens(covered(text)):
        first, *others = value.expandtabs(4).split("\n")
        ink = _ink(token)
        if first:
            lines[-1].append(Piece(first, ink))
        for line in others:
            lines.append([Piece(line, ink)] if line else [])
    return lines


def covered(text: str) -> str:
    """The text without its secrets; everything else stays in its line."""

    def cover(found: re.Match[str]) -> str:
        return f'{found["key"]}"{COVER}"' + "\n" * found["value"].count("\n")

    return _SECRET.sub(cover, text)


def _ink(token: _TokenType) -> str:
    """That of the token's kind: a type of Pygments contains those below it."""
    return next((ink for kind, ink in _INKS if kind.__contains__(token)), "")


def numbered(problems: tuple[str, ...], file: str) -> Iterator[tuple[int, str]]:
    """The problems of a file, `FILE:LINE: key: message`, with their lines; 0: of no line."""
    for problem in problems:
        found = re.match(r"(?P<file>.*?):(?P<line>\d+): (?P<rest>.*)", problem, re.DOTALL)
        if found is None:
            yield 0, problem
        else:
            yield int(found["line"]), found["rest"]
