from __future__ import annotations

import io

import pytest

from tests.cli.fakes import Terminal
from tests.show.pictures import NOW, backends
from udplb.cli.output import Output
from udplb.show.backends import page_of_backends
from udplb.show.page import line


def test_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    assert not output.terminal
    assert not output.redraws
    output.show((line("a"),))
    output.show(())
    output.line("b")
    output.document({"c": 1})
    assert capsys.readouterr().out == 'a\nb\n{"c":1}\n'


@pytest.mark.parametrize(
    ("term", "redraws"), [("xterm", True), ("dumb", False), ("unknown", False), ("", False)]
)
def test_a_terminal(monkeypatch: pytest.MonkeyPatch, term: str, redraws: bool) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("COLUMNS", "80")
    output = Output()
    assert output.terminal
    assert output.redraws is redraws
    output.show(page_of_backends(backends(), NOW))
    assert "● UP" in screen.getvalue()
    assert ("\x1b" in screen.getvalue()) is redraws


def test_an_encoding_without_glyphs(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    Output().show((line("● UP → there"),))
    assert raw.getvalue() == b"\\u25cf UP \\u2192 there\n"
