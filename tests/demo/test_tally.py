"""What the verdict is made of."""

from __future__ import annotations

import pytest

from udplb.demo.tally import Tally, passes, verdict


@pytest.mark.parametrize(
    ("tally", "calm", "with_acts"),
    [
        (Tally(), False, False),
        (Tally(sent=5), False, False),
        (Tally(sent=5, answered=5), True, True),
        (Tally(sent=5, answered=4), False, True),
        (Tally(sent=5, answered=5, twice=1), False, True),
        (Tally(sent=5, answered=5, wrong=1), False, False),
        (Tally(sent=5, answered=4, wrong=1), False, False),
        (Tally(sent=5, answered=5, intrusions=9), True, True),
    ],
)
def test_who_passes(tally: Tally, calm: bool, with_acts: bool) -> None:
    assert passes(tally, acts=False) is calm
    assert passes(tally, acts=True) is with_acts


def test_the_verdict_says_all_of_it() -> None:
    assert verdict(Tally(sent=1_500, answered=1_400, twice=2, wrong=3)) == (
        "1,400 of 1,500 datagrams answered, 100 missing, 3 wrong, 2 twice"
    )
