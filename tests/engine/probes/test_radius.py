"""Authenticators are computed here by RFC 2104's own definition of HMAC, not by our code."""

from __future__ import annotations

import hashlib

import pytest

from tests.engine.probes.replies import PATH, no_part_of_it_counts, only_its_own_token_counts
from udplb.engine.probes.exchange import ANSWERED
from udplb.engine.probes.radius import RadiusExchange

SECRET = b"xyzzy5461"
RADIUS = RadiusExchange(SECRET)
TOKEN = b"\xda" + bytes.fromhex("8a54f4686fb394c52866e302185d0623")
"""Identifier and request authenticator of RFC 5997, section 6.1."""


def md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def hmac_md5(key: bytes, data: bytes) -> bytes:
    """RFC 2104, section 2: H(K XOR opad, H(K XOR ipad, text))."""
    padded = key.ljust(64, b"\0")
    inner = md5(bytes(byte ^ 0x36 for byte in padded) + data)
    return md5(bytes(byte ^ 0x5C for byte in padded) + inner)


def response(
    code: int = 2,
    attributes: bytes = b"",
    *,
    secret: bytes = SECRET,
    identifier: int = TOKEN[0],
    signed: bool = False,
) -> bytes:
    """A response (RFC 2865, section 3); `signed`: with a Message-Authenticator as well."""
    length = 20 + len(attributes) + (18 if signed else 0)
    head = bytes([code, identifier]) + length.to_bytes(2, "big")
    if signed:
        blank = attributes + b"\x50\x12" + bytes(16)
        attributes += b"\x50\x12" + hmac_md5(secret, head + TOKEN[1:] + blank)
    return head + md5(head + TOKEN[1:] + attributes + secret) + attributes


def test_the_request_is_that_of_the_rfc() -> None:
    """RFC 5997, section 6.1: byte for byte, its Message-Authenticator among them."""
    assert RADIUS.request(TOKEN, PATH) == bytes.fromhex(
        "0cda 0026 8a54f4686fb394c52866e302185d0623 5012 5a665e2e1e8411f3e243822097c84fa3"
    )


def test_the_response_of_the_rfc_is_an_answer() -> None:
    reply = bytes.fromhex("02da 0014 ef0d552a4bf2d693ec2b6fe8b5411d66")
    assert reply == response()
    assert RADIUS.judge(reply, TOKEN) is ANSWERED


NAMED = b"\x12\x06Hiya"
"""A Reply-Message."""


@pytest.mark.parametrize(
    "reply",
    [
        response(),
        response(5),
        response(2, NAMED),
        response(2, NAMED, signed=True),
        response(5, signed=True),
    ],
)
def test_whoever_knows_the_secret_answers(reply: bytes) -> None:
    assert RADIUS.judge(reply, TOKEN) is ANSWERED
    assert RADIUS.judge(reply + b"padding", TOKEN) is ANSWERED
    no_part_of_it_counts(RADIUS, reply, TOKEN)
    only_its_own_token_counts(RADIUS, reply, TOKEN)


def signed_by_another(attributes: bytes = NAMED) -> bytes:
    """The response authenticator is right, the Message-Authenticator is not."""
    return response(2, attributes + b"\x50\x12" + bytes(16))


@pytest.mark.parametrize(
    "reply",
    [
        response(secret=b"another"),
        response(3),
        response(11),
        response(12),
        response(identifier=1),
        response(2, NAMED)[:-1] + b"x",
        signed_by_another(),
        response(2, b"\x50\x03x"),
        response(2, b"\x12\x01"),
        response(2, b"\x12\x00"),
        response(2, b"\x12"),
        response(2, b"\x12\x07Hiya"),
    ],
)
def test_everything_else_is_none(reply: bytes) -> None:
    assert RADIUS.judge(reply, TOKEN) is None


def test_a_length_that_lies_is_no_reply() -> None:
    reply = bytearray(response(2, NAMED))
    for length in (0, 19, len(reply) - 1, len(reply) + 1, 65_535):
        reply[2:4] = length.to_bytes(2, "big")
        assert RADIUS.judge(bytes(reply), TOKEN) is None


def test_the_secret_is_not_shown() -> None:
    assert "xyzzy" not in repr(RADIUS)
