"""The slab against a plain list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.core.test_flow import new_flow
from udplb.core.flow import Flow
from udplb.core.slab import Slab


@given(st.lists(st.one_of(st.none(), st.integers(0, 30)), max_size=100))
def test_every_flow_has_a_place_of_its_own(steps: list[int | None]) -> None:
    slab = Slab()
    live: list[Flow] = []
    most = 0
    for step in steps:
        if step is None:
            live.append(new_flow())
            slab.add(live[-1])
        elif live:
            slab.remove(live.pop(step % len(live)))
        most = max(most, len(live)) if live else 0
        assert len(slab) == len(live)
        assert all(slab.places[flow.index] is flow for flow in live)
        assert sum(place is not None for place in slab.places) == len(live)
        assert len(slab.places) <= most, "freed places are used again"
    for flow in live:
        slab.remove(flow)
    assert slab.places == []
