"""Highlighting: a configuration file as lines of pieces, with its secrets covered.

Pygments reads the TOML; the theme's roles say how each kind of word looks. That takes half a second
for the largest file that is shown: it goes in slices, and until it has ended the lines are plain.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator

from pygments.lexers import TOMLLexer
from pygments.token import Token, _TokenType

from udplb.tui.breath import breathe
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
SLICE_S = 0.005
"""Seconds after which keys and pictures have their turn."""
_SECRET = re.compile(
    r"""(?P<key>(?:^|[{,.])\s*["']?(?:secret|hash_seed)["']?\s*=[^\S\n]*)"""
    r'''(?P<value>"""[\s\S]*?(?:"""|\Z)|"(?:[^"\\\n]|\\.)*"?|'''
    r"""'''[\s\S]*?(?:'''|\Z)|'[^'\n]*'?|[^#\s,}]+)""",
    re.MULTILINE,
)
"""What gives power to whoever reads it over a shoulder."""


def plain(text: str) -> list[list[Piece]]:
    """The same lines as `highlighted` gives, without their inks: at once."""
    ends = covered(text).replace("\r\n", "\n").replace("\r", "\n")  # as Pygments does
    return [[Piece(line.expandtabs(4))] if line else [] for line in ends.split("\n")]


async def highlighted(text: str) -> list[list[Piece]]:
    """The lines, each in pieces; the loop does other work in between."""
    lines: list[list[Piece]] = [[]]
    since = time.perf_counter()
    for token, value in TOMLLexer(stripnl=False, ensurenl=False).get_tokens(covered(text)):
        first, *others = value.expandtabs(4).split("\n")
        ink = _ink(token)
        if first:
            lines[-1].append(Piece(first, ink))
        for line in others:
            lines.append([Piece(line, ink)] if line else [])
        breathe()
        if time.perf_counter() - since >= SLICE_S:
            await asyncio.sleep(0)
            since = time.perf_counter()
    return lines


def covered(text: str) -> str:
    """The text without its secrets; everything else stays in its line."""

    def cover(found: re.Match[str]) -> str:
        return f'{found["key"]}"{COVER}"' + "\n" * found["value"].count("\n")

    return _SECRET.sub(cover, text)


def _ink(token: _TokenType) -> str:
    """That of the token's kind: a type of Pygments contains those below it."""
    return next((ink for kind, ink in _INKS if kind.__contains__(token)), "")


def numbered(problems: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """The problems of a file, `FILE:LINE: key: message`, with their lines; 0: of no line."""
    for problem in problems:
        found = re.match(r"(?P<file>.*?):(?P<line>\d+): (?P<rest>.*)", problem, re.DOTALL)
        if found is None:
            yield 0, problem
        else:
            yield int(found["line"]), found["rest"]
