from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.fakes import FakeClient, Step, Terminal
from udplb.cli import main


class Ran(NamedTuple):
    """What became of a command."""

    code: int
    out: str
    err: str
    client: FakeClient


Run = Callable[..., Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line against a fake proxy; `terminal`: as somebody sees it."""

    def run(
        line: str | list[str],
        *answers: object,
        script: Iterable[Step] = (),
        terminal: int = 0,
        keys: str | None = None,
        **environment: str,
    ) -> Ran:
        client = FakeClient(*answers, script=script)

        def connect(socket: Path | None, *, read_only: bool = False) -> FakeClient:
            client.socket = socket
            return client

        monkeypatch.setattr("udplb.client.connect", connect)
        screen = Terminal()
        with monkeypatch.context() as patch:
            if terminal:
                patch.delenv("NO_COLOR", raising=False)
                size = {"COLUMNS": str(terminal), "LINES": "50"}
                for name, value in ({"TERM": "xterm"} | size | environment).items():
                    patch.setenv(name, value)
                patch.setattr("sys.stdout", screen)
            if keys is not None:
                patch.setattr("sys.stdin", Terminal(keys))
                patch.setattr("sys.stderr.isatty", lambda: True)
            code = main(line.split() if isinstance(line, str) else line)
        caught = capsys.readouterr()
        return Ran(code, screen.getvalue() if terminal else caught.out, caught.err, client)

    return run
