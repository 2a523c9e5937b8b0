"""How commands end: exit codes, and the one way in which they complain."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from udplb.config.wording import escape

DONE, FAILED, BAD_USAGE, NO_PROXY = 0, 1, 2, 3


class Complaint(Exception):  # noqa: N818 - what it is
    """Ends a command: one line for standard error, more where there are problems, and the code."""

    def __init__(self, message: str, code: int = FAILED, problems: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.problems = tuple(problems)
        """Lines of their own, as editors and scripts read them: FILE:LINE: key: what."""


def misused(message: str) -> Complaint:
    """The command line itself is wrong."""
    return Complaint(message, BAD_USAGE)


def complain(message: str, code: int) -> int:
    """Print the line; the exit code."""
    say(message)
    return code


def say(message: str) -> None:
    """A line on standard error that is no output of the command."""
    print(f"udplb: {' '.join(escape_lines(message))}", file=sys.stderr, flush=True)


def escape_lines(text: str) -> list[str]:
    """The lines of a text, without what a terminal would obey."""
    return [escape(line.strip()) for line in text.splitlines() if line.strip()]
