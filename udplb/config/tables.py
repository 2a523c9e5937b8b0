"""The walk over the table of keys: a parsed document becomes tables of values that core takes.

Every mistake goes into the report and the walk goes on; a value that could not be read is simply
not there, so that the checks which follow can still look at all the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from udplb.config.keys import ROOT, sections
from udplb.config.kinds import ListOf, Name
from udplb.config.problems import Report
from udplb.config.section import Key, Origin, Section
from udplb.config.wording import KeyPath, choices, echo, spell_path

_ABSENT = object()
_SECTION_NAME = Name(without="/")
"""A cluster's name; CLUSTER/BACKEND on a command line splits at the slash."""


@dataclass(slots=True)
class Table:
    """One table of the file."""

    section: Section
    path: KeyPath
    written: frozenset[str]
    """The names that stand in the file; what else has a value is a default."""
    values: dict[str, Any] = field(default_factory=dict)
    """Values as core takes them; none for a key that was wrong, or that has no default."""
    sections: dict[str, list[Table]] = field(default_factory=dict)
    """The tables inside: one for a plain section, any number for the others."""

    @property
    def name(self) -> str:
        """The last part of its path: for a cluster, its name."""
        return str(self.path[-1])

    def only(self, name: str) -> Table:
        """The one table of a plain section."""
        (table,) = self.sections[name]
        return table


def read_document(document: dict[str, Any], report: Report) -> Table:
    """The whole file, checked key by key. What concerns several keys is not seen here."""
    return _read_table(ROOT, document, (), report)


def _read_table(section: Section, written: dict[str, Any], path: KeyPath, report: Report) -> Table:
    table = Table(section, path, frozenset(written))
    for name in written:
        if name not in section.names:
            _report_unknown(section, name, path, report)
    for key in section.keys:
        value = _read_key(key, written.get(key.name, _ABSENT), (*path, key.name), report)
        if value is not _ABSENT:
            table.values[key.name] = value
    for child in section.sections:
        inner = (*path, child.name)
        table.sections[child.name] = _read_section(
            child, written.get(child.name, _ABSENT), inner, report
        )
    return table


def _read_key(key: Key, value: object, path: KeyPath, report: Report) -> object:
    """The value for core, or _ABSENT where there is none."""
    if value is _ABSENT:
        if key.default is Origin.REQUIRED:
            report.add(path, "missing", f"allowed: {key.kind.allowed()}")
        return _ABSENT if isinstance(key.default, Origin) else key.default_value()
    kind = key.kind
    try:
        if not isinstance(kind, ListOf):
            return kind.read(value)
        elements = kind.elements(value)
    except ValueError as refusal:
        report.add(path, kind.found(value), str(refusal))
        return _ABSENT
    return _read_elements(kind, elements, path, report)


def _read_elements(kind: ListOf, elements: list[object], path: KeyPath, report: Report) -> object:
    read: list[object] = []
    for index, element in enumerate(elements):
        try:
            read.append(kind.element.read(element))
        except ValueError as refusal:
            report.add((*path, index), kind.element.found(element), str(refusal))
    return tuple(read) if len(read) == len(elements) else _ABSENT


def _read_section(section: Section, value: object, path: KeyPath, report: Report) -> list[Table]:
    if value is _ABSENT:
        value = [] if section.shape == "array" else {}
    spelled = spell_path(path)
    tables: dict[KeyPath, object]
    match section.shape, value:
        case "table", dict():
            tables = {path: value}
        case "named", dict():
            tables = {(*path, name): inner for name, inner in value.items()}
            _check_names(list(value), path, report)
        case "array", list():
            tables = {(*path, index): inner for index, inner in enumerate(value)}
            if section.required and not value:
                report.add(path, "missing", f"at least one [[{spelled}]] is needed")
        case _:
            header = {"table": f"[{spelled}]", "array": f"[[{spelled}]]"}.get(
                section.shape, f"[{spelled}.NAME]"
            )
            report.add(path, f"found {echo(value)}", f"write it as {header}")
            return []
    read: list[Table] = []
    for inner_path, inner in tables.items():
        if isinstance(inner, dict):
            read.append(_read_table(section, inner, inner_path, report))
        else:
            report.add(inner_path, f"found {echo(inner)}", "allowed: a table")
    return read


def _check_names(names: list[str], path: KeyPath, report: Report) -> None:
    for name in names:
        try:
            _SECTION_NAME.read(name)
        except ValueError as refusal:
            report.add((*path, name), _SECTION_NAME.found(name), str(refusal))


def _report_unknown(section: Section, name: str, path: KeyPath, report: Report) -> None:
    homes = [
        header
        for header, home in sections()
        if name == home.name or name in (key.name for key in home.keys)
    ]
    # What is meant here comes first: a key of the same name elsewhere is the rarer mistake.
    hint = report.did_you_mean(name, section.names)
    if not hint and homes:
        hint = f"it belongs in {choices(homes)}"
    report.add((*path, name), "unknown key", hint or f"known here: {', '.join(section.names)}")
