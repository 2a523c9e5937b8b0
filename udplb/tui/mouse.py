"""The mouse: the console's, or the terminal's own, which can select text with it."""

from __future__ import annotations

from typing import Any


def let_go(driver: Any) -> bool:
    """The terminal gets the mouse; False where this driver cannot do that."""
    return _call(driver, "_disable_mouse_support")


def take_back(driver: Any) -> bool:
    """The console gets the mouse again."""
    return _call(driver, "_enable_mouse_support")


def _call(driver: Any, name: str) -> bool:
    """Textual offers no way but these methods of its drivers (8.2), which flush by themselves."""
    method = getattr(driver, name, None)
    if method is None:
        return False
    method()
    flush = getattr(driver, "flush", None)
    if flush is not None:
        flush()
    return True
