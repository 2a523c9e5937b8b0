"""What the tests of the core share: playbooks, each of which is played to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.register_assert_rewrite("tests.core.playbook")

from tests.core.playbook import Playbook  # noqa: E402 - its asserts are to tell what they saw

Stage = Callable[..., Playbook]


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Makes playbooks; at the end of the test nothing may be left over in any of them."""
    playbooks: list[Playbook] = []

    def make(**keys: Any) -> Playbook:
        playbooks.append(Playbook(**keys))
        return playbooks[-1]

    yield make
    for playbook in playbooks:
        playbook.over()
