"""From a file to a configuration, or to every problem that it has."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from udplb.config.advice import give_advice
from udplb.config.build import build
from udplb.config.lines import nearest, scan
from udplb.config.problems import ConfigError, Problem, Report
from udplb.config.relations import check_relations
from udplb.config.tables import read_document
from udplb.config.wording import cut, escape, spell_path
from udplb.core.settings import Configuration

NO_SUCH_FILE = "no such file"
"""What is found of one that is not there."""
FILE_SIZE_MAX = 64 << 20
"""Bytes read of a file; what is larger was not meant to be one."""

_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_MESSAGE_MAX = 200


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid file: what it says, and what deserves a second look."""

    configuration: Configuration
    warnings: tuple[Problem, ...]
    digest: bytes
    """SHA-256 of the bytes that were read: whether a file is still the same."""


def digest_of(content: bytes) -> bytes:
    """What stands for the bytes of a file in comparisons."""
    return hashlib.sha256(content).digest()


def load(path: str | Path) -> Loaded:
    """Read and check a file. Raises ConfigError with all of its problems."""
    content = _read(path)
    return _parse(decoded(path, content), str(path), digest_of(content))


def parse(text: str, filename: str) -> Loaded:
    """Check the text of a file; `filename` is for messages only. Raises ConfigError."""
    # A text that cannot be encoded is refused below, whatever stands for it.
    return _parse(text, filename, digest_of(text.encode(errors="replace")))


def _parse(text: str, filename: str, digest: bytes) -> Loaded:
    report = Report()
    root = read_document(document(text, filename), report)
    check_relations(root, report)
    if report.findings:
        raise ConfigError(located(report, text, filename))
    give_advice(root, report)
    return Loaded(build(root), located(report, text, filename), digest)


def _read(path: str | Path) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(FILE_SIZE_MAX + 1)
    except FileNotFoundError:
        raise _unusable(path, NO_SUCH_FILE, f"`udplb init {path}` writes one") from None
    except PermissionError:
        raise _unusable(path, "no permission to read it", "change its owner or mode") from None
    except IsADirectoryError:
        raise _unusable(path, "is a directory", "name the file in it") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _unusable(path, f"cannot be read: {reason}", "name another file") from None
    if len(content) > FILE_SIZE_MAX:
        raise _unusable(path, f"larger than {FILE_SIZE_MAX >> 20} MiB", "name another file")
    return content


def decoded(path: str | Path, content: bytes) -> str:
    """The text of a file's bytes. Raises ConfigError where they are not UTF-8."""
    try:
        # Some editors put a byte order mark in front, which means nothing in UTF-8.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unusable(path, "not UTF-8", "save the file in UTF-8", line) from None


def _unusable(path: str | Path, found: str, allowed: str, line: int = 0) -> ConfigError:
    return ConfigError((Problem(str(path), line, "", found, allowed),))


def document(text: str, filename: str) -> dict[str, Any]:
    """What a TOML text says. Raises ConfigError with the line where it is none."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise _unusable(filename, "not UTF-8", "save the file in UTF-8", line) from None
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise _unusable(filename, "brackets are nested too deeply", "nest them less") from None
    except ValueError as error:
        # TOMLDecodeError, or what int() says about thousands of digits.
        message = str(error)
        place = _TOML_PLACE.search(message)
        line = 1
        if place:
            message = message[: place.start()]
            line = int(place[1]) if place[1] else text.rstrip().count("\n") + 1
        found = cut(escape(message), _MESSAGE_MAX)
        raise _unusable(filename, f"not valid TOML: {found}", "", line) from None


def located(report: Report, text: str, filename: str) -> tuple[Problem, ...]:
    """The findings with their lines, in the file's order."""
    if not report.findings:
        return ()
    lines = scan(text)
    problems: list[Problem] = []
    for finding in report.findings:
        allowed = finding.allowed
        if finding.other is not None:
            allowed += f" (the other is on line {nearest(lines, finding.other)})"
        line = nearest(lines, finding.path)
        problems.append(Problem(filename, line, spell_path(finding.path), finding.found, allowed))
    return tuple(sorted(problems, key=lambda problem: problem.line))
