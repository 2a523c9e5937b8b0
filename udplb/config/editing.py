"""The overlay, written into the text of the file.

The text is cut at its headers, and only the tables that are concerned go through tomlkit: it keeps
comments and formatting within a table, but moves or corrupts tables that are out of order, and
takes long over thousands of them. Nothing else of the text is touched. What comes out must say
exactly what is desired, or the edit is refused.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from udplb.config.backend_overlay import ByAddress
from udplb.config.lines import TOKEN
from udplb.config.load import Loaded, parse
from udplb.config.overlay import Overlay
from udplb.config.problems import ConfigError
from udplb.config.segments import Segment, belongings, segments
from udplb.config.wording import escape
from udplb.core.settings import BackendSettings, ClusterSettings, Configuration

SENTENCES_SHOWN_MAX = 10
"""Entries that a refusal repeats, so that they can be written by hand."""

_MARK = "\ufeff"
"""A byte order mark, which some editors put in front; TOML knows none."""

# What tomlkit raises, and what its bugs do.
_FAILURES = (TOMLKitError, LookupError, TypeError, ValueError, AttributeError, RecursionError)


class EditError(Exception):
    """The overlay is not written; the message is one line that says what to do instead."""


class _TooHardError(Exception):
    """The text is of a shape that is not edited safely."""


@dataclass(frozen=True, slots=True)
class Edited:
    """A text with the overlay in it."""

    text: str
    loaded: Loaded
    """What it says: exactly the desired state."""


def edit(text: str, overlay: Overlay, file: Configuration, filename: str) -> Edited:
    """The text of a file with the overlay written into it; `file` is what the text says.

    Only the keys concerned change; comments, order and formatting stay. Raises EditError.
    """
    mark = _MARK if text.startswith(_MARK) else ""
    body = text.removeprefix(_MARK)
    try:
        for step in (_with_values, _without_removed):
            body = step(body, overlay, file)
        loaded = parse(body, filename)
    except (*_FAILURES, _TooHardError, ConfigError) as error:
        raise EditError(_by_hand(overlay, file, filename)) from error
    if loaded.configuration != overlay.over(file):
        raise EditError(_by_hand(overlay, file, filename))
    return Edited(mark + body, loaded)


def _by_hand(overlay: Overlay, file: Configuration, filename: str) -> str:
    sentences = overlay.drift(file)
    shown = "; ".join(sentences[:SENTENCES_SHOWN_MAX])
    more = len(sentences) - SENTENCES_SHOWN_MAX
    return (
        f"{escape(filename)} is written in a way that cannot be edited safely; save it by hand:"
        f" {shown}{f'; and {more} more' if more > 0 else ''}"
    )


# Steps: each takes a text and gives a text

_Patch = tuple[int, int, str]
"""From where to where, and what stands there instead."""


def _with_values(text: str, overlay: Overlay, file: Configuration) -> str:
    """Fields are set, backends added."""
    cuts = segments(text)
    patches: list[_Patch] = []
    inline = _Inline()
    for cluster, parts in _concerned(overlay, file):
        homes = _homes(text, cuts, cluster)
        if not isinstance(homes, Segment):
            for backend, home in zip(cluster.backends, homes, strict=False):
                fields = _fields(parts, backend)
                if fields:
                    table = _edited_table(text[home.start : home.end], cluster.name, fields, text)
                    patches.append((home.start, home.end, table))
            patches += _new_tables(text, cuts, homes[-1], _added(cluster, parts))
            continue

        def change(
            array: Any, cluster: ClusterSettings = cluster, parts: ByAddress = parts
        ) -> None:
            for backend, table in zip(cluster.backends, array, strict=True):
                _set_inline(table, _fields(parts, backend))
            for added in _added(cluster, parts):
                _add_inline(array, added)

        inline.add(homes, cluster.name, change)
    return _patched(text, [*patches, *inline.patches(text)])


def _without_removed(text: str, overlay: Overlay, file: Configuration) -> str:
    """Backends are removed; those that were added stand behind them by now."""
    cuts = segments(text)
    places = {cut.start: place for place, cut in enumerate(cuts)}
    ranges: list[tuple[int, int]] = []
    inline = _Inline()
    for cluster, parts in _concerned(overlay, file):
        gone = [
            index
            for index, backend in enumerate(cluster.backends)
            if backend.address in parts and parts[backend.address].present is False
        ]
        homes = _homes(text, cuts, cluster)
        if not isinstance(homes, Segment):
            ranges += [belongings(text, cuts, places[homes[index].start]) for index in gone]
            continue

        def change(array: Any, gone: list[int] = gone) -> None:
            for index in reversed(gone):
                del array[index]

        if gone:
            inline.add(homes, cluster.name, change)
    removals = [(start, end, "") for start, end in _with_blanks(text, ranges)]
    return _patched(text, [*removals, *inline.patches(text)])


def _concerned(
    overlay: Overlay, file: Configuration
) -> Iterable[tuple[ClusterSettings, ByAddress]]:
    parts = overlay.by_cluster()
    return [(each, parts[each.name]) for each in file.clusters if each.name in parts]


def _fields(parts: ByAddress, backend: BackendSettings) -> dict[str, Any]:
    part = parts.get(backend.address)
    return part.fields if part is not None and part.present is None else {}


def _added(cluster: ClusterSettings, parts: ByAddress) -> list[dict[str, Any]]:
    """The keys of the backends that are to be added; one is written as shortly as can be."""
    written = {backend.address for backend in cluster.backends}
    return [
        {
            **({"name": part.name} if part.name is not None else {}),
            "address": str(address),
            **{name: value for name, value in part.fields.items() if name != "name"},
        }
        for address, part in parts.items()
        if part.present and address not in written
    ]


def _patched(text: str, patches: list[_Patch]) -> str:
    pieces: list[str] = []
    at = 0
    for start, end, instead in sorted(patches, key=lambda patch: patch[:2]):
        if start < at:
            raise _TooHardError
        pieces += [text[at:start], instead]
        at = end
    return "".join([*pieces, text[at:]])


def _homes(text: str, cuts: list[Segment], cluster: ClusterSettings) -> list[Segment] | Segment:
    """The tables of a cluster's backends, or the one segment that has them as an inline array."""
    path = ("clusters", cluster.name, "backends")
    tables = [cut for cut in cuts if cut.is_array and cut.path == path]
    if len(tables) >= len(cluster.backends):
        return tables
    for cut in cuts:
        if not tables and not cut.is_array and cut.path == path[: len(cut.path)]:
            inner: Any = tomllib.loads(text[cut.start : cut.end])
            for part in path:
                inner = inner.get(part) if isinstance(inner, dict) else None
            if isinstance(inner, list):
                return cut
    raise _TooHardError


# Tables of their own


def _document(text: str) -> Any:
    """A part of the text for tomlkit, which must give it back as it was."""
    document = tomlkit.parse(text)
    if tomlkit.dumps(document) != text:
        raise _TooHardError
    return document


def _line_end(text: str) -> str:
    """How the lines of the file end."""
    return "\r\n" if "\r\n" in text else "\n"


def _edited_table(table: str, cluster: str, fields: Mapping[str, Any], text: str) -> str:
    """A backend's table with other values; keys that it did not have go behind the others."""
    document = _document(table)
    (backend,) = document["clusters"][cluster]["backends"]
    new = {key: value for key, value in fields.items() if key not in backend}
    for key, value in fields.items():
        if key not in new:
            backend[key] = value
    edited: str = tomlkit.dumps(document)
    line_end = _line_end(text)
    before = "" if not new or edited.endswith("\n") else line_end
    after = "" if before else line_end
    lines = _lines(new, *_style(backend))
    return edited + before + line_end.join(lines) + (after if new else "")


def _style(table: Any) -> tuple[str, str]:
    """How a table's keys are indented, and what stands between key and value."""
    for key, value in table.value.body:
        if key is not None:
            return value.trivia.indent, key.sep if key.sep in ("=", " = ") else " = "
    return "", " = "


def _lines(fields: Mapping[str, Any], indent: str, between: str) -> list[str]:
    return [
        f"{indent}{key}{between}{tomlkit.item(value).as_string()}" for key, value in fields.items()
    ]


def _new_tables(
    text: str, cuts: list[Segment], last: Segment, added: list[dict[str, Any]]
) -> list[_Patch]:
    """More backends behind the last one of the cluster, written as that one is."""
    if not added:
        return []
    place = cuts.index(last)
    _, at = belongings(text, cuts, place)
    table = text[last.start : last.end]
    (backend,) = _document(table)["clusters"][last.path[1]]["backends"]
    line_end = _line_end(text)
    above = text[cuts[place - 1].end : last.start] if place else ""
    spaced = any(not line.strip() for line in above.split("\n")[:-1])
    lines: list[str] = []
    for fields in added:
        lines += [""] if spaced else []
        lines += [_header(table), *_lines(fields, *_style(backend))]
    if at == len(text) and not text.endswith("\n"):
        return [(at, at, line_end + line_end.join(lines))]
    return [(at, at, line_end.join(lines) + line_end)]


def _header(table: str) -> str:
    """A table's header as it is written, without a comment behind it."""
    end = 0
    for match in TOKEN.finditer(table):
        if match[0] == "\n" or match.lastgroup == "comment":
            break
        end = match.end()
    return table[:end]


def _with_blanks(text: str, ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is removed, with the blank lines that would be left over.

    Of those above and below what is removed the ones above stay, but for the end of the file.
    """
    joined: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if joined and not text[joined[-1][1] : start].strip():
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return [_with_blanks_around(text, *each) for each in joined]


def _with_blanks_around(text: str, start: int, end: int) -> tuple[int, int]:
    above = text[:start].rstrip()
    below = text[end:].lstrip()
    first = text.find("\n", len(above)) + 1 if above else 0
    if not below:
        return first, len(text)
    if first < start or not above:
        # Back to the beginning of a line, whose indentation stays.
        end = text.rfind("\n", 0, len(text) - len(below)) + 1
    return start, end


# Inline arrays


class _Inline:
    """Changes of inline arrays; several of them may stand in one segment."""

    def __init__(self) -> None:
        self._changes: dict[Segment, list[tuple[str, Callable[[Any], None]]]] = {}

    def add(self, home: Segment, cluster: str, change: Callable[[Any], None]) -> None:
        """One more change, of the array of a cluster's backends."""
        self._changes.setdefault(home, []).append((cluster, change))

    def patches(self, text: str) -> list[_Patch]:
        """The segments with all of their changes."""
        found: list[_Patch] = []
        for home, changes in self._changes.items():
            document = _document(text[home.start : home.end])
            for cluster, change in changes:
                change(document["clusters"][cluster]["backends"])
            found.append((home.start, home.end, tomlkit.dumps(document)))
        return found


def _set_inline(table: Any, fields: Mapping[str, Any]) -> None:
    for key, value in fields.items():
        item = tomlkit.item(value)
        if key not in table and table.as_string().endswith(" }"):
            item.trivia.trail = " "
        table[key] = item


def _add_inline(array: Any, fields: Mapping[str, Any]) -> None:
    space = " " if array[-1].as_string().startswith("{ ") else ""
    inner = ", ".join(_lines(fields, "", " = "))
    array.append(tomlkit.parse(f"it = {{{space}{inner}{space}}}")["it"])
