"""Reasons of drops and closes, with their counts and what they mean."""

from __future__ import annotations

from collections.abc import Mapping

from udplb.core.reasons import DropReason
from udplb.show.quantities import count

_MEANINGS = {reason.value: reason.meaning for reason in DropReason}


def tally(counts: Mapping[str, int]) -> str:
    """`max_flows 14, oversize 2`: the most frequent first."""
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{reason} {count(number)}" for reason, number in ordered if number)


def meaning_of_drop(reason: str) -> str:
    """The sentence for a reason; a proxy of another version may know more of them."""
    return _MEANINGS.get(reason, reason)
