from __future__ import annotations

import pytest

from tests.engine.probes.replies import PATH, no_part_of_it_counts
from udplb.engine.probes.exchange import ANSWERED
from udplb.engine.probes.payload import PayloadExchange


def test_it_sends_what_the_operator_wrote() -> None:
    assert PayloadExchange(b"\x00ping", b"").request(b"", PATH) == b"\x00ping"


@pytest.mark.parametrize("reply", [b"", b"x", b"\xff" * 4096])
def test_any_reply_counts_where_none_is_expected(reply: bytes) -> None:
    assert PayloadExchange(b"ping", b"").judge(reply, b"") is ANSWERED


def test_what_is_expected_may_stand_anywhere() -> None:
    exchange = PayloadExchange(b"ping", b"po\x00ng")
    for reply in (b"po\x00ng", b"<po\x00ng", b"po\x00ng>", b"<po\x00ng>"):
        assert exchange.judge(reply, b"") is ANSWERED
    for reply in (b"", b"pong", b"PO\x00NG", b"po\x00n"):
        assert exchange.judge(reply, b"") is None
    no_part_of_it_counts(exchange, b"<po\x00ng", b"")
