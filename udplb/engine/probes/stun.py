"""The stun probe: a binding request and its response (RFC 8489, sections 5 and 6)."""

from __future__ import annotations

from udplb.engine.probes.exchange import ANSWERED, Exchange, Judgement, Path

_HEADER_SIZE = 20
_REQUEST = b"\x00\x01\x00\x00"
"""A binding request without attributes."""
_RESPONSES = (b"\x01\x01", b"\x01\x11")
"""Success and error: an error is an answer, too; the server lives and may want credentials."""
_COOKIE = b"\x21\x12\xa4\x42"


class StunExchange(Exchange):
    """Asks for a binding; a response with the transaction's id is good."""

    __slots__ = ()

    token_bytes = 12

    def request(self, token: bytes, path: Path) -> bytes:
        return _REQUEST + _COOKIE + token

    def judge(self, reply: bytes, token: bytes) -> Judgement | None:
        length = int.from_bytes(reply[2:4], "big")
        matches = (
            len(reply) >= _HEADER_SIZE
            and reply[:2] in _RESPONSES
            and reply[4:_HEADER_SIZE] == _COOKIE + token
            and length == len(reply) - _HEADER_SIZE
            and length % 4 == 0
        )
        return ANSWERED if matches else None
