from __future__ import annotations

import pytest

from tests.show.pictures import backend, drain
from udplb.engine.snapshot import DrainSnapshot
from udplb.show.drains import progress, what_is_left
from udplb.show.plain import text_of


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (drain(), "312 active, 892 quiet (gone within 48s); deadline in 22s, then move"),
        (
            drain(active=1, quiet=0, quiet_for_s=None, deadline_s=None),
            "1 active, 0 quiet; for 38s, no deadline",
        ),
        (
            drain(active=None, quiet=None, quiet_for_s=None, way="close"),
            "deadline in 22s, then close",
        ),
        (drain(deadline_s=0.0, active=None), "its deadline is over, the rest goes (move)"),
        (drain(drained=True), "begun 38s ago"),
    ],
)
def test_what_is_left(given: DrainSnapshot, said: str) -> None:
    assert what_is_left(given) == said


def test_progress_is_one_line() -> None:
    told = progress("dns/edge-3", backend(draining=True, drain=drain(), flows=1_204))
    assert text_of((told,)) == (
        "dns/edge-3  ◐ DRAIN  1,204 flows left: 312 active, 892 quiet (gone within 48s);"
        " deadline in 22s, then move\n"
    )
    told = progress("dns/a", backend(draining=True, drain=None, flows=1))
    assert text_of((told,)) == "dns/a  ◐ DRAIN  1 flow left, drains since the start\n"
