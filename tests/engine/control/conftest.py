"""What the tests of the control socket share: a ground, over both kinds of loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.control.ground import LOOPS, Ground


@pytest.fixture(params=LOOPS)
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    """A ground on which nothing is left behind."""
    made = Ground(tmp_path, request.param)
    yield made
    made.over()
