"""A proxy that is not there: it answers what a test says, and notes what it was asked."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from typing import Any

from udplb.client.interface import Answer, Client, Item, Stream
from udplb.engine.control.requests import Request, Subscribe


class CtrlC(Exception):  # noqa: N818 - a key
    """Stands in a script where somebody presses it."""


Step = list[Item] | type[CtrlC] | Callable[[], list[Item]]


class FakeStream(Stream):
    """Gives what the script says, step by step; at its end somebody presses Ctrl-C."""

    def __init__(self, script: Iterable[Step]) -> None:
        self._script = iter(script)
        self.closed = False

    def take(self, timeout_s: float) -> list[Item]:
        assert not self.closed
        step = next(self._script, CtrlC)
        if step is CtrlC:
            raise KeyboardInterrupt
        return step if isinstance(step, list) else step()  # type: ignore[return-value]

    def close(self) -> None:
        self.closed = True


class FakeClient(Client):
    """Answers in turn; an answer that is an exception is raised."""

    def __init__(self, *answers: object, script: Iterable[Step] = ()) -> None:
        self.answers = list(answers)
        self.asked: list[Request[Any]] = []
        self.order: list[str] = []
        self.stream = FakeStream(script)
        self.subscribed: Subscribe | None = None
        self.closed = False
        self.socket: object = "nobody connected"

    def ask(self, request: Request[Answer], timeout_s: float = 30.0) -> Answer:
        assert not self.closed
        self.asked.append(request)
        self.order.append("ask")
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer  # type: ignore[return-value]

    def subscribe(self, request: Subscribe) -> Stream:
        self.subscribed = request
        self.order.append("subscribe")
        return self.stream

    def close(self) -> None:
        self.closed = True


def without_styles(text: str) -> str:
    """What a terminal shows, but for colours and the moves of its cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


class Terminal(io.StringIO):
    """Standard output that somebody looks at."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True
