"""The driver: Textual's own, on a terminal that may go away.

Textual's writer thread ends at the first write that fails, and whoever writes next waits for it for
ever. Here such writes go nowhere, so that the console can end and the proxy in its process go on.
"""

from __future__ import annotations

from typing import Any, TextIO

from textual.drivers.linux_driver import LinuxDriver

from udplb.tui.breath import breathe


class Forgiving:
    """A stream whose failures are nobody's business."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or do not."""
        try:
            return self._stream.write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        """Likewise."""
        try:
            self._stream.flush()
        except OSError:
            return

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class TerminalDriver(LinuxDriver):
    """For terminals, on every POSIX system."""

    def __init__(self, *arguments: Any, **how: Any) -> None:
        super().__init__(*arguments, **how)
        self._file: Any = Forgiving(self._file)

    def write(self, data: str) -> None:
        breathe()
        super().write(data)
