"""Reasons: words for machines, sentences for people."""

from __future__ import annotations

import pytest

from udplb.core.flow import State, Step
from udplb.core.reasons import SHED_REASONS, CloseReason, DropReason, Explained


@pytest.mark.parametrize("family", [CloseReason, DropReason, State, Step])
def test_every_word_is_plain_and_has_a_meaning(family: type[Explained]) -> None:
    meanings = [member.meaning for member in family]
    assert all(meanings)
    assert len(set(meanings)) == len(meanings)
    for member in family:
        assert member == member.value == member.name.lower()
        assert member in {str(member): 1}, "it hashes as its word does"


def test_what_is_shed_is_a_drop_whose_meaning_says_so() -> None:
    saying = {reason for reason in DropReason if reason.meaning.startswith("shed")}
    assert saying == SHED_REASONS
