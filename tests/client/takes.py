"""Taking from a stream until something has come."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.harness import PATIENCE_S
from udplb.client import Item, Stream


def take_until(stream: Stream, enough: Callable[[list[Item]], object]) -> list[Item]:
    """All that was taken when it was enough."""
    deadline, items = time.monotonic() + PATIENCE_S, list[Item]()
    while not enough(items):
        assert time.monotonic() < deadline, f"in vain: {items}"
        items += stream.take(1.0)
    return items
