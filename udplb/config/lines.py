"""Where each key of a TOML text stands: a scanner that runs only when there is a problem.

tomllib gives lines for syntax errors only. This scanner takes a text that tomllib has accepted,
so it need not be strict: it follows headers, keys and brackets, and skips what values say.
It keeps its own stack and cannot run out of the interpreter's.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

from udplb.config.wording import KeyPath

TOKEN = re.compile(
    r"""
      (?P<string>
          \"{3} (?: [^"\\] | \\. | "(?!"") )*+ \"{3,5}
        | '{3} (?: [^'] | '(?!'') )*+ '{3,5}
        | " (?: [^"\\] | \\. )*+ "
        | ' [^']*+ '
      )
    | (?P<comment> \#[^\n]* )
    | (?P<newline> \n )
    | (?P<mark> [\[\]{},=.] )
    | (?P<word> [^\s\[\]{},=."'\#]+ )
    """,
    re.VERBOSE | re.DOTALL,
)
"""What a TOML text that tomllib has accepted consists of; between tokens there are only blanks."""

DEPTH_MAX = 16
"""Parts of a path that are told apart. The deepest key of ours has six; without a bound, paths of
a text that is all brackets and dots would take memory by the square of its length."""

_Token = tuple[str, int]
"""A piece of text and its line; comments and blanks are left out."""


def scan(text: str) -> dict[KeyPath, int]:
    """The line, from 1, of every table, key and array element in a valid TOML text."""
    return _Scanner(text).run()


def nearest(lines: dict[KeyPath, int], path: KeyPath) -> int:
    """The line of `path`, or of the innermost thing around it that has one; else 1."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _tokens(text: str) -> Iterator[_Token]:
    line, counted = 1, 0
    for match in TOKEN.finditer(text):
        line += text.count("\n", counted, match.start())
        counted = match.start()
        if match.lastgroup != "comment":
            yield match[0], line


def _below(path: KeyPath, part: str | int) -> KeyPath:
    return (*path, part) if len(path) < DEPTH_MAX else path


def key_part(token: str) -> str:
    """One part of a key or header, without its quotes and escapes."""
    if token[0] not in "\"'":
        return token
    part = tomllib.loads(f"key = {token}")["key"]
    assert isinstance(part, str)
    return part


@dataclass(slots=True)
class _Open:
    """A table or an array that the scanner is in."""

    path: KeyPath
    index: int | None = None
    """The present element of an array; None in a table."""
    at: KeyPath = ()
    """What the present value belongs to."""


class _Scanner:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._lines: dict[KeyPath, int] = {}
        self._lengths: dict[KeyPath, int] = {}
        """How many tables each array of tables has so far."""
        self._open = [_Open(())]
        self._key: list[str] = []
        self._key_line = 1
        self._in_value = False

    def run(self) -> dict[KeyPath, int]:
        for token, line in self._tokens:
            if token == "\n":
                # A line's end ends a statement, but means nothing inside brackets.
                if len(self._open) == 1:
                    self._in_value = False
            elif self._in_value:
                self._on_value_token(token, line)
            else:
                self._on_key_token(token, line)
        return self._lines

    def _on_key_token(self, token: str, line: int) -> None:
        inner = self._open[-1]
        match token:
            case "[":
                self._read_header(line)
            case "=":
                inner.at = self._note(inner.path, self._key, self._key_line)
                self._key.clear()
                self._in_value = True
            case "}":
                self._close()
            case "." | ",":
                pass
            case _:
                if not self._key:
                    self._key_line = line
                self._key.append(key_part(token))

    def _on_value_token(self, token: str, line: int) -> None:
        inner = self._open[-1]
        if token in ("]", "}"):
            self._close()
        elif token == "," and inner.index is not None:
            inner.index += 1
        elif token == ",":
            self._in_value = False
        else:
            if inner.index is not None:
                inner.at = _below(inner.path, inner.index)
                self._lines.setdefault(inner.at, line)
            if token == "[":
                self._open.append(_Open(inner.at, index=0))
            elif token == "{":
                self._open.append(_Open(inner.at))
                self._in_value = False

    def _close(self) -> None:
        if len(self._open) > 1:
            self._open.pop()
        self._in_value = True

    def _read_header(self, line: int) -> None:
        parts: list[str] = []
        is_array = False
        for token, _ in self._tokens:
            if token == "\n":
                break
            if token == "[":
                is_array = True
            elif token not in ("]", "."):
                parts.append(key_part(token))
        *around, last = parts
        path: KeyPath = ()
        for part in around:
            path = self._note(path, [part], line)
            if path in self._lengths:
                path = _below(path, self._lengths[path] - 1)
        path = self._note(path, [last], line)
        if is_array:
            index = self._lengths.get(path, 0)
            self._lengths[path] = index + 1
            path = _below(path, index)
        self._lines[path] = line
        self._open = [_Open(path)]

    def _note(self, path: KeyPath, parts: list[str], line: int) -> KeyPath:
        """The path with `parts` added; each step that was not seen before gets this line."""
        for part in parts:
            path = _below(path, part)
            self._lines.setdefault(path, line)
        return path
