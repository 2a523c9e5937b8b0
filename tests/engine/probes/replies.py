"""What every exchange has to keep, whatever comes back."""

from __future__ import annotations

from udplb.engine.probes.exchange import Exchange, Path

PATH = Path("192.0.2.1:40000", "192.0.2.2:5060")


def token_of(exchange: Exchange, first: int = 1) -> bytes:
    """A token of the right size: different bytes, none of them zero."""
    return bytes(first + number for number in range(exchange.token_bytes))


def no_part_of_it_counts(exchange: Exchange, reply: bytes, token: bytes) -> None:
    """A reply that was cut off, at any byte, is no reply."""
    for size in range(len(reply)):
        assert exchange.judge(reply[:size], token) is None, size


def only_its_own_token_counts(exchange: Exchange, reply: bytes, token: bytes) -> None:
    """With any one bit of the token wrong it is no reply."""
    for place in range(len(token)):
        other = bytearray(token)
        other[place] ^= 0x10
        assert exchange.judge(reply, bytes(other)) is None, place
