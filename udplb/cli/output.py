"""Where commands print: a terminal gets colours and units, a pipe plain text, a program JSON."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from udplb.show.page import Page
from udplb.show.plain import text_of

if TYPE_CHECKING:
    from rich.console import Console


class Output:
    """Standard output, as it is now."""

    def __init__(self) -> None:
        self.terminal = sys.stdout.isatty()
        """Whether somebody looks at it."""
        if hasattr(sys.stdout, "reconfigure"):
            # A terminal that has no glyph for a state still has its word.
            sys.stdout.reconfigure(errors="backslashreplace")

    @cached_property
    def console(self) -> Console:
        """The terminal, by rich, which knows NO_COLOR, TERM and COLUMNS."""
        from rich.console import Console  # noqa: PLC0415

        return Console(
            highlight=False,
            markup=False,
            emoji=False,
            color_system="auto" if self.redraws else None,
        )

    @property
    def redraws(self) -> bool:
        """Whether lines that stand there can be written anew."""
        return self.terminal and os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")

    def show(self, page: Page) -> None:
        """Print a page."""
        if not page:
            return
        if not self.terminal:
            print(text_of(page), end="", flush=True)
            return
        from udplb.show.paint import painted  # noqa: PLC0415

        self.console.print(painted(page, self.console.width))

    def line(self, text: str) -> None:
        """Print a line that holds nothing a terminal would obey."""
        print(text, flush=True)

    def document(self, value: object) -> None:
        """Print a JSON document on one line."""
        self.line(msgspec.json.encode(value).decode())
