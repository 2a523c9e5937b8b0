"""The radius probe: Status-Server, and the server's response to it (RFC 5997).

Both carry proof that the sender knows the shared secret: an HMAC over the packet
(Message-Authenticator, RFC 2869, section 5.14), and in the response an MD5 over the packet and the
request's authenticator (RFC 2865, section 3).
"""

from __future__ import annotations

import hmac
from functools import partial
from hashlib import md5

from udplb.engine.probes.exchange import ANSWERED, Exchange, Judgement, Path

_HEADER_SIZE = 20
_STATUS_SERVER = 12
_ACCESS_ACCEPT, _ACCOUNTING_RESPONSE = 2, 5
_MESSAGE_AUTHENTICATOR = 80
_PROOF_SIZE = 16
"""Bytes of an MD5."""
_ATTRIBUTE = bytes([_MESSAGE_AUTHENTICATOR, 2 + _PROOF_SIZE])
_LENGTH = (_HEADER_SIZE + len(_ATTRIBUTE) + _PROOF_SIZE).to_bytes(2, "big")

_md5 = partial(md5, usedforsecurity=False)
"""The protocol has no other; machines that forbid MD5 for security allow it so."""


class RadiusExchange(Exchange):
    """Asks for the server's status; an accept that proves to know the secret is good."""

    __slots__ = ("_secret",)

    token_bytes = 17
    """The identifier, then the request's authenticator."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def request(self, token: bytes, path: Path) -> bytes:
        header = bytes([_STATUS_SERVER, token[0]]) + _LENGTH + token[1:]
        proof = self._hmac(header + _ATTRIBUTE + bytes(_PROOF_SIZE))
        return header + _ATTRIBUTE + proof

    def judge(self, reply: bytes, token: bytes) -> Judgement | None:
        length = int.from_bytes(reply[2:4], "big")
        if not _HEADER_SIZE <= length <= len(reply):
            return None
        packet = reply[:length]  # what is behind it is padding (RFC 2865, section 3)
        if packet[0] not in (_ACCESS_ACCEPT, _ACCOUNTING_RESPONSE) or packet[1] != token[0]:
            return None
        head, attributes = packet[:4] + token[1:], packet[_HEADER_SIZE:]
        proof = _md5(head + attributes + self._secret).digest()
        if not hmac.compare_digest(proof, packet[4:_HEADER_SIZE]):
            return None
        return ANSWERED if self._attributes_hold(head, attributes) else None

    def _attributes_hold(self, head: bytes, attributes: bytes) -> bool:
        """Whether they are well-formed, and a Message-Authenticator among them is right."""
        at = 0
        while at < len(attributes):
            kind, size = attributes[at], attributes[at + 1] if at + 1 < len(attributes) else 0
            if size < 2 or at + size > len(attributes):
                return False
            if kind == _MESSAGE_AUTHENTICATOR:
                proof = attributes[at + 2 : at + size]
                blank = attributes[: at + 2] + bytes(len(proof)) + attributes[at + size :]
                if not hmac.compare_digest(proof, self._hmac(head + blank)):
                    return False
            at += size
        return True

    def _hmac(self, packet: bytes) -> bytes:
        return hmac.new(self._secret, packet, _md5).digest()
