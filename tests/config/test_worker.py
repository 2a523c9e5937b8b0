"""The process that reads and saves files: its answers, and how it is run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.config.configurations import large, text_of
from udplb import __version__
from udplb.config.editing import EditError
from udplb.config.load import load
from udplb.config.overlay import Overlay
from udplb.config.pieces import (
    Assembly,
    Load,
    Save,
    framed,
    frames,
    pieces_of,
    pieces_of_overlay,
)
from udplb.config.problems import ConfigError
from udplb.config.saving import FileChangedError
from udplb.config.worker import answer

ROOT = Path(__file__).parent.parent.parent


def ask(question: bytes) -> Assembly:
    """The answer of a function call."""
    return assembled(b"".join(answer(question)))


def assembled(content: bytes) -> Assembly:
    assembly = Assembly()
    for piece in frames(content):
        assembly.add(piece)
    return assembly


def run(question: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """A real process."""
    return subprocess.run(
        [sys.executable, "-m", "udplb.config.worker", *arguments],
        input=question,
        capture_output=True,
        cwd=ROOT,
        check=False,
        timeout=60,
    )


def saving(path: Path, overlay: Overlay) -> bytes:
    loaded = load(path)
    return b"".join(
        map(
            framed,
            (
                Save(str(path), loaded.digest),
                *pieces_of_overlay(overlay),
                *pieces_of(loaded.configuration),
            ),
        )
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "udplb.toml"
    path.write_text(text_of(large(200)))
    return path


def test_a_file_is_read(path: Path) -> None:
    assert ask(framed(Load(str(path)))).loaded() == load(path)
    assert load(path).warnings


def test_a_process_reads_the_same(path: Path) -> None:
    done = run(framed(Load(str(path))), __version__)
    assert (done.returncode, done.stderr) == (0, b"")
    assert assembled(done.stdout).loaded() == load(path)


def test_the_problems_of_a_file_are_told(path: Path) -> None:
    path.write_text(path.read_text().replace("weight = 3", "weihgt = 3"))
    with pytest.raises(ConfigError) as error:
        load(path)
    told = ask(framed(Load(str(path))))
    assert told.digest is None
    assert tuple(told.problems) == error.value.problems
    missing = ask(framed(Load(str(path) + "x")))
    assert "no such file" in str(missing.problems[0])


def test_an_overlay_is_saved(path: Path) -> None:
    file = load(path).configuration
    overlay = Overlay()
    for backend in file.clusters[0].backends:
        overlay = overlay.with_weight(file, "many", backend.name, 77)
    told = ask(saving(path, overlay))
    assert told.error is None
    assert load(path).configuration == overlay.over(file)
    assert (told.digest, tuple(told.problems)) == (load(path).digest, load(path).warnings)


def test_what_prevents_a_save_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    question = saving(path, Overlay())
    path.write_text(path.read_text() + "#")
    told = ask(question).error
    assert isinstance(told, FileChangedError)
    assert str(told) == f"{path} was changed since it was read; reload it first"

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    question = saving(path, Overlay())
    monkeypatch.setattr(os, "rename", fail)
    told = ask(question).error
    assert isinstance(told, EditError)
    assert "No space left on device" in str(told)
    assert told.__cause__ is None


def test_another_version_is_refused(path: Path) -> None:
    done = run(framed(Load(str(path))), "0.0.0")
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.decode().strip() == (
        f"udplb {__version__} is installed by now, and another one runs; restart it"
    )


def test_whoever_asked_may_be_gone(path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "udplb.config.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stdin.write(framed(Load(str(path))))
    process.stdin.close()
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait()
