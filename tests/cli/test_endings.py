from __future__ import annotations

import pytest

from tests.show.pictures import HOSTILE
from udplb.cli.endings import BAD_USAGE, FAILED, complain, escape_lines, misused


def test_one_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert complain(f"two\n  lines {HOSTILE}", FAILED) == FAILED
    caught = capsys.readouterr()
    assert caught.out == ""
    assert caught.err == "udplb: two lines \\x1b[31m[red]evil[/red]\\x1b[2J next\n"


def test_bad_usage() -> None:
    assert misused("x").code == BAD_USAGE


def test_lines_without_what_a_terminal_would_obey() -> None:
    assert escape_lines(" a\x1b \n\n b ") == ["a\\x1b", "b"]
