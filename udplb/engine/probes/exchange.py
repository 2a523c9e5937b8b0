"""What a probe over UDP is: a request that it sends, and a judgement on each reply.

Pure: chance comes in as `token`, and nothing that arrives can raise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple


class Judgement(NamedTuple):
    """What the reply to a probe says about the backend."""

    good: bool
    why: str = ""
    """Where it is not good: what the backend did, to be read behind "3 dns probes "."""


ANSWERED = Judgement(True)


@dataclass(frozen=True, slots=True)
class Path:
    """Both ends of a probe, as `192.0.2.1:5060` or `[2001:db8::1]:5060`."""

    local: str
    remote: str


class Exchange(ABC):
    """One kind of probe under one cluster's settings."""

    __slots__ = ()

    token_bytes: int = 0
    """Random bytes that tell one probe's replies from all others."""

    @abstractmethod
    def request(self, token: bytes, path: Path) -> bytes:
        """The datagram that asks."""

    @abstractmethod
    def judge(self, reply: bytes, token: bytes) -> Judgement | None:
        """What a datagram says that came back; None: it is no reply to the probe of this token."""
