"""Help in a pipe: the same words as on a terminal, aligned, without frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions, RenderableType


class PipeHelp:
    """What cyclopts calls for each part of a help page."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """Print one group of commands or parameters."""
        from rich.console import Group  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415

        if not panel.entries:
            return
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(width=0)
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for entry in panel.entries:
            grid.add_row("", ", ".join(entry.display_labels_with_metavar), Group(*_said(entry)))
        console.print(panel.title, grid, "", sep="\n", markup=False)

    def render_usage(self, console: Console, options: ConsoleOptions, usage: object) -> None:
        """Print the first line."""
        text = " ".join(str(usage).removeprefix("Usage:").split())
        console.print(f"Usage: {text}\n", markup=False)

    def render_description(
        self, console: Console, options: ConsoleOptions, description: RenderableType
    ) -> None:
        """Print what the command is for."""
        console.print(description, "")


def _said(entry: HelpEntry) -> Iterator[RenderableType]:
    from rich.text import Text  # noqa: PLC0415

    notes = [f"one of {', '.join(entry.choices)}"] if entry.choices else []
    notes += [] if entry.default is None else [f"default {entry.default}"]
    if entry.description is not None:
        yield entry.description
    if notes:
        yield Text(f"({'; '.join(notes)})")
