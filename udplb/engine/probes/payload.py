"""The udp probe: a payload of the operator's, and any reply or one that contains another."""

from __future__ import annotations

from udplb.engine.probes.exchange import ANSWERED, Exchange, Judgement, Path


class PayloadExchange(Exchange):
    """Sends `send`; a reply that contains `expect` is good. An empty `expect` is in every reply."""

    __slots__ = ("_expect", "_send")

    def __init__(self, send: bytes, expect: bytes) -> None:
        self._send = send
        self._expect = expect

    def request(self, token: bytes, path: Path) -> bytes:
        return self._send

    def judge(self, reply: bytes, token: bytes) -> Judgement | None:
        return ANSWERED if self._expect in reply else None
