"""Following one flow."""

from __future__ import annotations

import msgspec

from tests.tui import scenes
from udplb.tui.panes.flow_follow import EVERY_S, Followed

FIRST, SECOND, V6 = scenes.flow_rows(3)


def test_it_is_looked_for_by_its_client_and_listener() -> None:
    query = Followed(V6).query()
    query.check()
    assert (query.filter, query.listener) == ("client=[2001:db8:9:2::4]:3478", "game")


def test_it_is_taken_from_where_it_is_found() -> None:
    followed = Followed(FIRST)
    newer = msgspec.structs.replace(FIRST, requests=1)
    assert followed.found_in([SECOND, newer])
    assert followed.row == newer
    assert not followed.found_in([SECOND])
    assert not followed.ended


def test_it_has_ended_when_its_client_does_not_have_it() -> None:
    followed = Followed(FIRST)
    assert followed.is_due(100.0)
    followed.took_answer([SECOND])
    assert followed.ended
    assert not followed.is_due(1_000.0)


def test_it_is_looked_for_every_two_seconds() -> None:
    followed = Followed(FIRST)
    asked = [followed.is_due(at) for at in (100.0, 100.5, 100.0 + EVERY_S, 101.0 + EVERY_S)]
    assert asked == [True, False, True, False]
