"""How this room words things: values and key paths of a file in messages, and near misses.

Everything that came from a file passes through here before it is shown: what a terminal could
take for a command is escaped, what is long is cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

KeyPath = tuple[str | int, ...]
"""Where something stands in a file: table names and keys as text, places in arrays as numbers."""

SHOWN_MAX = 60
"""Characters of one value that a message repeats."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def escape(text: str) -> str:
    """`text` on one line, with control and other unprintable characters as `\\x1b`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def cut(text: str, length: int = SHOWN_MAX) -> str:
    """`text`, at most `length` characters of it."""
    return text if len(text) <= length else text[: length - 1] + "…"


def quote(text: str) -> str:
    """`text` as it would stand in a file, in double quotes."""
    return '"' + escape(cut(text).replace("\\", "\\\\").replace('"', '\\"')) + '"'


def echo(value: object) -> str:
    """A value that was found in a file, as it would be written there or named."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return quote(value)
        case int() if value.bit_length() > 64:
            return "a number of more than 64 bits"
        case dict():
            return "a table"
        case list():
            return "an array"
        case _:
            return str(value)


def spell_path(path: KeyPath) -> str:
    """`clusters.dns.backends[1].weight`; a key that TOML would want quoted is quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += "." if text else ""
            text += part if _BARE_KEY.fullmatch(part) else quote(part)
    return cut(text, 4 * SHOWN_MAX)


def choices(words: Iterable[str]) -> str:
    """`a, b or c`."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def meant(word: str, known: Iterable[str]) -> str:
    """The known word that `word` comes nearest to, or nothing when none is near."""
    by_folded = {name.casefold(): name for name in known}
    near = get_close_matches(cut(word).casefold(), by_folded, n=1)
    return by_folded[near[0]] if near else ""
