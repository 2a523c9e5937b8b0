"""Small TOML files of the user's: themes, settings. They are read whole, within limits."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from udplb.config.load import decoded, document
from udplb.config.problems import ConfigError, Problem
from udplb.config.wording import escape

LINE_LENGTH_MAX = 500
"""Characters. tomllib takes time and memory by the square of a key's parts."""


def read_text(path: Path, size_max: int) -> str:
    """The text of a regular file of at most `size_max` bytes. Raises ConfigError."""
    return decoded(path, _read(path, size_max))


def document_of(text: str, filename: str) -> dict[str, Any]:
    """What the text says; `filename` is for messages. Raises ConfigError."""
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LINE_LENGTH_MAX:
            raise _unusable(filename, f"a line of more than {LINE_LENGTH_MAX} characters", number)
    return document(text, filename)


def _read(path: Path, size_max: int) -> bytes:
    try:
        # A FIFO would keep us waiting for whoever writes into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _unusable(str(path), "is not a regular file")
            content = file.read(size_max + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _unusable(str(path), f"cannot be read: {escape(reason)}") from None
    if len(content) > size_max:
        raise _unusable(str(path), f"larger than {size_max >> 10} KiB")
    return content


def _unusable(filename: str, found: str, line: int = 0) -> ConfigError:
    return ConfigError((Problem(filename, line, "", found, ""),))
