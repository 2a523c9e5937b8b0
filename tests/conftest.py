"""Two parts of the suite run side by side: `pytest -n 2 --dist loadgroup`, as in `make test`.

The tests of one room share sockets, files and patience with each other and with nobody else, so
each room is a group. The end-to-end tests take the longest, and come first.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


@pytest.fixture(autouse=True)
def usual_garbage() -> Iterator[None]:
    """A proxy in this process sets the collector for itself; the next test is not concerned."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def room_of(item: pytest.Item) -> str:
    """The folder below tests/ that a test is in."""
    parts = item.path.relative_to(TESTS).parts
    return parts[0] if len(parts) > 1 else "tests"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the rooms, and let each be one group."""
    items.sort(key=lambda item: room_of(item) != "e2e")
    for item in items:
        item.add_marker(pytest.mark.xdist_group(room_of(item)))
