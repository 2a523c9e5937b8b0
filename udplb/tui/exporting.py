"""Exporting: what is shown, as a file of the operator's choice, which never replaces another."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from udplb.config.wording import escape, quote
from udplb.show.quantities import size
from udplb.tui.dialogs.dialog import Answers, Dialog, Field
from udplb.tui.ink import Piece

if TYPE_CHECKING:
    from udplb.tui.console import Console

MODE = 0o600
"""Who talks to whom is nobody else's business."""

Take = Callable[[str, Callable[[bytes], None], Callable[[str], None]], None]
"""Called with the file's name, what to do with the content, and whom to tell why there is none."""


class ExportError(Exception):
    """Nothing was written. The message is one line that says why."""


def proposed(kind: str, suffix: str, now: float) -> str:
    """A file name with the date: `udplb-flows-20261122T120102Z.jsonl`."""
    try:
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    except (ValueError, OverflowError, OSError):
        stamp = "now"
    return f"udplb-{kind}-{stamp}.{suffix}"


def write_new(name: str, content: bytes) -> Path:
    """Write a file that was not there, for its owner alone; where it is. Raises ExportError."""
    try:
        path = Path(os.path.abspath(Path(name).expanduser()))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(path, flags, MODE)
    except FileExistsError:
        raise ExportError(f"{quote(name)} is there already, and nothing is overwritten") from None
    except (OSError, ValueError, RuntimeError) as error:
        raise ExportError(_why(name, error)) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        path.unlink(missing_ok=True)  # a part of it would be taken for the whole
        raise ExportError(_why(name, error)) from None
    return path


def _why(name: str, error: Exception) -> str:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"cannot write {quote(name)}: {escape(why)}"


def ask_where(
    console: Console,
    title: str,
    lines: Sequence[Sequence[Piece]],
    name: str,
    take: Take,
) -> None:
    """Ask for a file's name, and write what `take` gives into it; tell where, or why not."""

    def accept(answers: Answers) -> str | None:
        wanted = answers["file"]
        if not wanted:
            return "a file name is needed"
        take(wanted, lambda content: _write(console, dialog, wanted, content), dialog.complain)
        return None

    dialog = Dialog(title, lines, accept, verb="Write", fields=(Field("file", "file", name),))
    console.open(dialog)


def _write(console: Console, dialog: Dialog, name: str, content: bytes) -> None:
    async def work() -> None:
        try:
            path = await asyncio.to_thread(write_new, name, content)
        except ExportError as error:
            dialog.complain(str(error))
        else:
            dialog.done()
            console.news.told(f"written: {escape(str(path))} ({size(len(content))})")
        console.draw()

    console.run_worker(work(), group="exporting")
