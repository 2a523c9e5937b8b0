from __future__ import annotations

import pytest

from tests.engine.probes.replies import PATH, no_part_of_it_counts, only_its_own_token_counts
from udplb.engine.probes.exchange import ANSWERED
from udplb.engine.probes.stun import StunExchange

STUN = StunExchange()
TOKEN = bytes(range(1, 13))

MAPPED = bytes.fromhex("0020 0008 0001 a147 e112a643")
"""XOR-MAPPED-ADDRESS 192.0.2.1:32853 (RFC 5769, section 2.2)."""
ERROR_401 = bytes.fromhex("0009 0004 00000401")


def response(kind: str = "0101", attributes: bytes = MAPPED, cookie: str = "2112a442") -> bytes:
    head = bytes.fromhex(kind) + len(attributes).to_bytes(2, "big") + bytes.fromhex(cookie)
    return head + TOKEN + attributes


def test_the_request_is_a_binding_request_without_attributes() -> None:
    assert STUN.request(TOKEN, PATH) == bytes.fromhex("0001 0000 2112a442") + TOKEN


@pytest.mark.parametrize(
    "reply", [response(), response("0111", ERROR_401), response(attributes=b"")]
)
def test_success_and_error_are_answers(reply: bytes) -> None:
    assert STUN.judge(reply, TOKEN) is ANSWERED
    no_part_of_it_counts(STUN, reply, TOKEN)
    only_its_own_token_counts(STUN, reply, TOKEN)


@pytest.mark.parametrize(
    "reply",
    [
        response("0001"),
        response("0011"),
        response("0103"),
        response(cookie="2112a443"),
        response() + b"x",
        response() + b"xxxx",
        response(attributes=b"abc"),
    ],
)
def test_everything_else_is_none(reply: bytes) -> None:
    assert STUN.judge(reply, TOKEN) is None
