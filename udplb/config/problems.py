"""What is wrong with a file, and where: the one way in which this room refuses one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from udplb.config.wording import KeyPath, escape, meant

GUESSES_MAX = 50
"""Near misses searched for per file: each costs a comparison with every known name."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake, or one warning. Printed as `FILE:LINE: key: message`."""

    file: str
    line: int
    """Counted from 1; 0 when the file as a whole is meant."""
    key: str
    """The key path as text; empty when no key is concerned."""
    found: str
    """What stands there, and what is wrong with it."""
    allowed: str
    """What may stand there, or what to do."""

    @property
    def message(self) -> str:
        """What was found and what is allowed, in one line."""
        return "; ".join(part for part in (self.found, self.allowed) if part)

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (escape(place), self.key, self.message) if part)


class ConfigError(Exception):
    """A file that cannot be used; carries every problem that was found in it."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem whose line is not known yet: lines are looked up only when there are any."""

    path: KeyPath
    found: str
    allowed: str = ""
    other: KeyPath | None = None
    """The place that this one is in conflict with."""


@dataclass(slots=True)
class Report:
    """Collects the findings of one file."""

    findings: list[Finding] = field(default_factory=list)
    _guesses: int = 0

    def add(
        self, path: KeyPath, found: str, allowed: str = "", other: KeyPath | None = None
    ) -> None:
        """Note one finding; the walk goes on."""
        self.findings.append(Finding(path, found, allowed, other))

    def did_you_mean(self, word: str, known: Iterable[str]) -> str:
        """`did you mean X?`, or nothing when no known name is near or too much was asked."""
        self._guesses += 1
        near = meant(word, known) if self._guesses <= GUESSES_MAX else ""
        return f"did you mean {near}?" if near else ""
