"""The ntp probe: a client's packet and a server's reply (RFC 5905, section 7.3)."""

from __future__ import annotations

from udplb.engine.probes.exchange import ANSWERED, Exchange, Judgement, Path

_SIZE = 48
_VERSION_4_CLIENT = 0x23
"""Leap indicator 0, version 4, mode 3."""
_MODE, _SERVER = 0x07, 4
_LEAP, _UNKNOWN_LEAP = 0xC0, 0xC0
"""Leap indicator 3: the server's clock is not synchronised."""
_ORIGIN = slice(24, 32)
_REFERENCE = slice(12, 16)
_UNSPECIFIED, _UNSYNCHRONISED = 0, 16


class NtpExchange(Exchange):
    """Asks for the time; a reply of a server whose clock is right is good.

    The transmit timestamp is random, as the reply repeats it and a client's clock concerns nobody.
    """

    __slots__ = ()

    token_bytes = 8

    def request(self, token: bytes, path: Path) -> bytes:
        return bytes([_VERSION_4_CLIENT]) + bytes(39) + token

    def judge(self, reply: bytes, token: bytes) -> Judgement | None:
        if len(reply) < _SIZE or reply[0] & _MODE != _SERVER or reply[_ORIGIN] != token:
            return None
        stratum = reply[1]
        if stratum > _UNSYNCHRONISED:
            return None
        if stratum == _UNSPECIFIED and (code := _kiss_code(reply[_REFERENCE])):
            return Judgement(False, f"answered kiss code {code}")
        if stratum in (_UNSPECIFIED, _UNSYNCHRONISED) or reply[0] & _LEAP == _UNKNOWN_LEAP:
            return Judgement(False, "answered unsynchronised")
        return ANSWERED


def _kiss_code(reference: bytes) -> str:
    """The code of a kiss-o'-death packet: four letters such as RATE (section 7.4), or nothing."""
    text = reference.decode("latin-1")
    return text if text.isascii() and text.isalnum() and text.isupper() else ""
