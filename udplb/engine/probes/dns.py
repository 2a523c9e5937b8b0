"""The dns probe: a real query (RFC 1035, section 4.1), made and checked by dnspython.

The query is built once; a probe only puts its id in front.
"""

from __future__ import annotations

from collections.abc import Iterable

import dns.exception
import dns.message
import dns.name
import dns.rcode

from udplb.engine.probes.exchange import ANSWERED, Exchange, Judgement, Path

_HEADER_SIZE = 12
_RESPONSE, _OPCODE = 0x80, 0x78
"""Bits of a header's third byte: QR, and the opcode, which is 0 for a query."""


class DnsExchange(Exchange):
    """Asks for one name and type; a response with one of `rcodes` is good, another is not."""

    __slots__ = ("_query", "_rcodes", "_wire")

    token_bytes = 2

    def __init__(self, name: str, record_type: str, rcodes: Iterable[str]) -> None:
        self._rcodes = frozenset(rcodes)
        self._query = dns.message.make_query(_name(name), record_type)
        self._wire = self._query.to_wire()

    def request(self, token: bytes, path: Path) -> bytes:
        return token + self._wire[2:]

    def judge(self, reply: bytes, token: bytes) -> Judgement | None:
        if not _looks_like_reply(reply, token):
            return None
        try:
            # The query knows its own id alone, so the reply gets that one for the comparison.
            message = dns.message.from_wire(self._wire[:2] + reply[2:], question_only=True)
        except dns.exception.DNSException:
            return None
        if not self._query.is_response(message):
            return None
        rcode = dns.rcode.to_text(message.rcode())
        return ANSWERED if rcode in self._rcodes else Judgement(False, f"answered {rcode}")


def _looks_like_reply(reply: bytes, token: bytes) -> bool:
    """A response of opcode 0 with our id, and one question at most (RFC 9619).

    What passes costs little to parse, however long it is.
    """
    return (
        len(reply) >= _HEADER_SIZE
        and reply[:2] == token
        and reply[2] & (_RESPONSE | _OPCODE) == _RESPONSE
        and int.from_bytes(reply[4:6], "big") <= 1
    )


def _name(text: str) -> dns.name.Name:
    """A name as the configuration allows it; a backslash in it is a backslash."""
    labels = text.removesuffix(".").split(".") if text != "." else []
    return dns.name.Name([*(label.encode() for label in labels), b""])
