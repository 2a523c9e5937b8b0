from __future__ import annotations

from msgspec.structs import replace

from tests.show.pictures import backend, cluster, later, listener, snapshot, totals
from udplb.show.paces import Pace, paces_between


def test_per_second_between_two_pictures() -> None:
    paces = paces_between(snapshot(), later(2))
    assert paces is not None
    expected = Pace(requests=1_000, request_bytes=100_000, replies=0, reply_bytes=0, admitted=0)
    assert paces.total == paces.listeners["dns"] == expected
    assert paces.backends["dns", "10.0.0.11:5000"].requests == 0


def test_not_of_the_same_moment_or_of_two_processes() -> None:
    assert paces_between(snapshot(), snapshot()) is None
    assert paces_between(later(2), snapshot()) is None
    assert paces_between(snapshot(), later(2, pid=1)) is None
    begun_anew = replace(later(2), totals=totals(admitted=1))
    assert paces_between(snapshot(), begun_anew) is None


def test_who_is_new_has_no_pace_yet() -> None:
    paces = paces_between(
        snapshot(), replace(later(2), listeners=(listener(name="new"),), clusters=())
    )
    assert paces is not None
    assert paces.listeners == {}
    assert paces.backends == {}


def test_a_backend_that_was_away_counts_from_0() -> None:
    again = cluster(backends=(backend(requests=50),))
    paces = paces_between(snapshot(), replace(later(2), clusters=(again,)))
    assert paces is not None
    assert paces.backends["dns", "10.0.0.11:5000"].requests == 25
