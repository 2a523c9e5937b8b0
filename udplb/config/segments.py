"""A TOML text, cut at its headers, so that one table can be edited and all else is not touched.

Like `lines.py` this takes a text that tomllib has accepted, and so need not be strict.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from udplb.config.lines import TOKEN, key_part


@dataclass(frozen=True, slots=True)
class Segment:
    """A header with the keys below it, up to the next header; the first one has no header.

    `[start:end]` of the text are its keys with the comments among them; blank lines and comments
    before the next header are outside, and `belongings` says whose they are.
    """

    path: tuple[str, ...]
    is_array: bool
    start: int
    end: int
    """Behind the line of its last key, or of the header where it has none."""


def segments(text: str) -> list[Segment]:
    """The segments of a text, in its order; the first one has no header, and may be empty."""
    found: list[Segment] = []
    path: tuple[str, ...] = ()
    is_array = False
    start = end = 0
    tokens = (match for match in TOKEN.finditer(text) if match.lastgroup != "comment")
    for match in tokens:
        if match[0] == "\n":
            continue
        if match[0] == "[":
            found.append(Segment(path, is_array, start, end))
            start = text.rfind("\n", 0, match.start()) + 1
            parts = list(_until_newline(tokens))
            is_array = parts[0][0] == "["
            path = tuple(key_part(part[0]) for part in parts if part[0] not in "[].\n")
            end = _line_end(text, parts[-1])
        else:
            end = _line_end(text, _end_of_statement(match, tokens))
    found.append(Segment(path, is_array, start, end))
    return found


def _until_newline(tokens: Iterator[re.Match[str]]) -> Iterator[re.Match[str]]:
    for match in tokens:
        yield match
        if match[0] == "\n":
            return


def _end_of_statement(first: re.Match[str], tokens: Iterator[re.Match[str]]) -> re.Match[str]:
    """The last token of the statement that begins with this one; brackets may span lines."""
    last, depth = first, 0
    for match in tokens:
        last = match
        if match[0] == "\n" and depth == 0:
            break
        depth += (match[0] in ("[", "{")) - (match[0] in ("]", "}"))
    return last


def _line_end(text: str, last: re.Match[str]) -> int:
    """Behind the line on which a token stands or which it ends."""
    if last[0] == "\n":
        return last.end()
    newline = text.find("\n", last.end())
    return newline + 1 if newline >= 0 else len(text)


def belongings(text: str, cuts: list[Segment], index: int) -> tuple[int, int]:
    """From where to where a segment reaches with the comments that belong to it.

    These are the ones directly above its header and, up to a blank line, directly below its keys.
    Without a blank line between two segments the comments there are the lower one's: so people
    write.
    """
    segment = cuts[index]
    above = _lines(text[cuts[index - 1].end : segment.start]) if index else []
    start = segment.start - sum(map(len, takewhile(_says_something, reversed(above))))
    is_last = index + 1 == len(cuts)
    below = _lines(text[segment.end : None if is_last else cuts[index + 1].start])
    mine = list(takewhile(_says_something, below))
    if len(mine) == len(below) and not is_last:
        mine = []
    return start, segment.end + sum(map(len, mine))


def _lines(text: str) -> list[str]:
    """The lines as TOML ends them; str.splitlines would know more ends."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _says_something(line: str) -> bool:
    return bool(line.strip())
