from __future__ import annotations

from udplb.core.reasons import DropReason
from udplb.show.reasons import meaning_of_drop, tally


def test_the_most_frequent_comes_first() -> None:
    assert tally({"oversize": 2, "max_flows": 1_400, "denied": 0, "empty": 2}) == (
        "max_flows 1,400, empty 2, oversize 2"
    )
    assert tally({}) == ""


def test_every_drop_has_its_meaning() -> None:
    for reason in DropReason:
        assert meaning_of_drop(reason.value) == reason.meaning
    assert meaning_of_drop("of another version") == "of another version"
