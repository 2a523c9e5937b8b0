"""The pictures of the console in docs/ are those that it draws now."""

from __future__ import annotations

import pytest

from tools.pictures import FOLDER, drawn, names

TRIES = 4


@pytest.mark.parametrize("name", names())
def test_it_is_fresh(name: str) -> None:
    file = FOLDER / name
    assert file.exists(), "python -m tools.pictures draws it"
    # Not compared by pytest: its account of two long texts takes longer than all the rest.
    # A machine that is busy may be caught in the middle of a change: it gets another chance.
    fresh = any(file.read_text(encoding="utf-8") == drawn(name) for _ in range(TRIES))
    assert fresh, "stale; python -m tools.pictures draws it anew, look at it before you commit"


def test_there_are_no_others() -> None:
    assert sorted(file.name for file in FOLDER.glob("*.svg")) == sorted(names())
