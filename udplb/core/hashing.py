"""Hashes and seeded chance. Never Python's `hash`: these are equal on every machine.

A client is hashed once, keyed with the operator's secret; what follows per backend is only an
integer mix (the finaliser of splitmix64: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number
Generators", 2014).
"""

from __future__ import annotations

from hashlib import blake2b

MASK_64 = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def keyed_hash(data: bytes, seed: bytes) -> int:
    """64 bits of blake2b (RFC 7693) over `data`; `seed` is the key, at most 64 bytes."""
    return int.from_bytes(blake2b(data, digest_size=8, key=seed).digest(), "big")


def mix64(number: int) -> int:
    """A bijection of 64-bit integers in which every input bit moves every output bit."""
    number &= MASK_64
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & MASK_64
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & MASK_64
    return number ^ (number >> 31)


def rehash(client_hash: int, attempt: int) -> int:
    """The client's hash for the `attempt`-th try; attempt 0 differs from the hash itself."""
    return mix64(client_hash + (attempt + 1) * _GOLDEN)


class Chance:
    """A seeded generator (splitmix64): the same seed gives the same numbers for ever."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & MASK_64

    def below(self, limit: int) -> int:
        """An integer from 0 to limit - 1; the bias is below limit / 2**64."""
        self._state = (self._state + _GOLDEN) & MASK_64
        return (mix64(self._state) * limit) >> 64
