"""LIFECYCLE.md says what the code says."""

from __future__ import annotations

import pytest

from tools.lifecycle import BLOCKS, PAGE, rendered
from udplb.core.reasons import CloseReason, DropReason


def test_the_page_is_fresh() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert rendered(page) == page, "stale: make docs"


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_stands_in_the_page(block: str) -> None:
    assert f"<!-- generated: {block} -->" in PAGE.read_text(encoding="utf-8")


def test_a_changed_table_makes_the_page_stale() -> None:
    page = PAGE.read_text(encoding="utf-8")
    meaning = CloseReason.IDLE.meaning
    assert rendered(page.replace(meaning, "it was bored")) == page


@pytest.mark.parametrize("reason", [*CloseReason, *DropReason])
def test_every_reason_is_told(reason: CloseReason | DropReason) -> None:
    assert f"`{reason.value}`" in PAGE.read_text(encoding="utf-8")
    assert reason.meaning in PAGE.read_text(encoding="utf-8")
