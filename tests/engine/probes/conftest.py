from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.probes.ground import Ground


@pytest.fixture
def ground() -> Iterator[Ground]:
    """A checker that leaves nothing behind."""
    made = Ground()
    yield made
    made.checker.stop()
    assert made.checker.in_flight == 0
    assert made.loop.waiting == 0
