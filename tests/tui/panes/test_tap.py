"""The tap's rows; on the screen they are in test_flows.py."""

from __future__ import annotations

import msgspec

from tests.tui.fake_proxy import NOW
from udplb.engine.snapshot import TAP_DATAGRAMS_MAX, TappedDatagram, TapSnapshot
from udplb.tui.panes.tap import joined


def tap(*numbers: int, seen: int, flow: int = 7) -> TapSnapshot:
    return TapSnapshot(
        flow=flow, live=True, client="192.0.2.1:5", local="192.0.2.2:53", backend="a", seen=seen,
        datagrams=tuple(
            TappedDatagram(at=NOW + number, to_backend=True, size=1, payload=b"x")
            for number in numbers
        ),
    )  # fmt: skip


def numbers(of: TapSnapshot) -> list[int]:
    return [round(each.at - NOW) for each in of.datagrams]


def test_a_tap_that_goes_on_is_shown_as_it_is() -> None:
    assert joined(None, tap(1, 2, seen=2)) == tap(1, 2, seen=2)
    assert joined(tap(1, 2, seen=2), tap(2, 3, seen=3)) == tap(2, 3, seen=3)


def test_a_tap_that_begins_anew_goes_on_below_what_was_seen() -> None:
    first = joined(tap(1, 2, 3, seen=9), tap(seen=0))
    assert (numbers(first), first.seen) == ([1, 2, 3], 9)
    second = joined(first, tap(4, seen=1))
    assert (numbers(second), second.seen) == ([1, 2, 3, 4], 10)
    third = joined(second, tap(4, 5, seen=2))
    assert (numbers(third), third.seen) == ([1, 2, 3, 4, 5], 11)


def test_what_is_kept_is_bounded_and_ends_with_the_flow() -> None:
    full = tap(*range(TAP_DATAGRAMS_MAX), seen=1_000)
    more = joined(full, tap(900, 901, seen=2))
    assert len(more.datagrams) == TAP_DATAGRAMS_MAX
    assert numbers(more)[-2:] == [900, 901]
    assert not joined(full, msgspec.structs.replace(tap(seen=0), live=False)).live
    assert joined(full, tap(1, seen=1, flow=8)) == tap(1, seen=1, flow=8)
