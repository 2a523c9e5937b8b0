"""The way in: names, help, and how the process ends."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import REPOSITORY, need_linux
from udplb import __version__
from udplb.cli import app, main

COMMANDS = (
    "run", "demo", "check", "init", "status", "listeners", "backends", "flows", "events",
    "explain", "diff", "tap", "drain", "undrain", "weight", "add", "remove", "close", "reload",
    "save", "revert", "completion",
)  # fmt: skip


def helped(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main([*words, "--help"]) == 0
    return capsys.readouterr().out


def test_help_names_every_command_with_its_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    text = helped(capsys)
    for command in COMMANDS:
        assert re.search(rf"^  {command} +[A-Z]", text, re.MULTILINE), command


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_every_parameter(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = helped(capsys, command)
    shown = " ".join(text.split())
    for argument in app[command].assemble_argument_collection(parse_docstring=True):
        name = argument.names[0] if argument.names else argument.name
        described = (argument.parameter.help or "").split()
        assert described, f"{command}: {name} has no help"
        assert name in shown
        first = " ".join(described[:3]).replace("`", "")
        assert first in shown, f"{command}: {name}"


@pytest.mark.parametrize("command", COMMANDS[COMMANDS.index("status") :])
def test_help_has_an_example_that_can_be_typed(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = helped(capsys, command)
    examples = [each.strip() for each in text.splitlines() if each.startswith(f" udplb {command}")]
    assert examples, text


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("statsu", "status"), ("drian", "drain"), ("undrian", "undrain"), ("flow", "flows"),
        ("backend", "backends"), ("wieght", "weight"), ("explian", "explain"), ("event", "events"),
        ("listener", "listeners"), ("reolad", "reload"), ("rum", "run"),
    ],
)  # fmt: skip
def test_a_wrong_name_suggests_the_right_one(
    typed: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([typed]) == 2
    assert capsys.readouterr().err == (
        f'udplb: Unknown command "{typed}". Did you mean "{meant}"? See: udplb --help\n'
    )


def test_a_name_that_is_like_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["xyzzy"]) == 2
    said = capsys.readouterr().err
    assert 'Unknown command "xyzzy".' in said
    assert len(said.splitlines()) == 1


def test_the_version_waits_for_nobody() -> None:
    """Neither for the engine nor for the terminal's colours."""
    script = (
        "import sys; from udplb.cli import main; assert main(['--version']) == 0;"
        "print(*sorted(sys.modules), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    version, *modules = done.stdout.splitlines()
    assert version == f"udplb {__version__}"
    for late in ("msgspec", "asyncio", "udplb.engine", "udplb.client", "udplb.show", "rich.live"):
        assert late not in modules


@pytest.mark.parametrize("words", [["completion", "bash"], ["status", "--help"]])
def test_a_reader_that_went_away_is_no_traceback(words: list[str]) -> None:
    need_linux()
    done = subprocess.run(
        ["bash", "-c", '"$0" -m udplb "$@" | true; exit ${PIPESTATUS[0]}', sys.executable, *words],
        capture_output=True, text=True, timeout=30, check=False, cwd=REPOSITORY,
    )  # fmt: skip
    assert done.returncode in (0, 1), "it may have written before the reader went"
    assert done.stderr == ""


@pytest.mark.parametrize("words", [["completion", "bash"], ["check", "-c"]])
def test_a_full_disk_is_a_line(words: list[str], tmp_path: Path) -> None:
    """Whether all fits into a buffer or not."""
    need_linux()
    if words[0] == "check":
        words = [*words, str(tmp_path / "udplb.toml")]
        assert main(["init", words[-1]]) == 0
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "udplb", *words],
            cwd=REPOSITORY, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "udplb: no space left on device\n")


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_closed_standard_stream(closed: int) -> None:
    need_linux()
    script = f'"$0" -m udplb status --socket /nowhere/at/all {closed}<&-'
    done = subprocess.run(
        ["bash", "-c", script, sys.executable],
        capture_output=True, text=True, timeout=30, check=False, cwd=REPOSITORY,
    )  # fmt: skip
    assert done.returncode == 3
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == (0 if closed == 2 else 1)
