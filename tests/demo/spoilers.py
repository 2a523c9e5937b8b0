"""Bad backends, and the traffic's process with them: `python -m tests.demo.spoilers losing`."""

from __future__ import annotations

import sys
from collections.abc import Callable

from udplb.demo.play import Answer
from udplb.demo.traffic import main

Spoiler = Callable[[Answer], Answer]


def losing(answer: Answer) -> Answer:
    """Every tenth datagram is lost."""
    count = 0

    def spoiled(datagram: bytes) -> bytes | None:
        nonlocal count
        count += 1
        return answer(datagram) if count % 10 else None

    return spoiled


def garbling(answer: Answer) -> Answer:
    """Every tenth reply is another."""
    count = 0

    def spoiled(datagram: bytes) -> bytes | None:
        nonlocal count
        count += 1
        reply = answer(datagram)
        return reply if reply is None or count % 10 else reply[:-1] + bytes([reply[-1] ^ 1])

    return spoiled


def good(answer: Answer) -> Answer:
    """Nothing is wrong."""
    return answer


SPOILERS: dict[str, Spoiler] = {each.__name__: each for each in (losing, garbling, good)}

if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer, SPOILERS[sys.argv[1]])
