"""Editors save in many ways; each save is one reload, and nobody reads half a file."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.e2e.control import Running, Told, backend, cluster, engine, listener, running, text_of
from tests.harness import PATIENCE_S, need, need_linux
from tests.programs import free_port
from udplb.engine.events import ConfigurationChanged, ConfigurationRejected, ConfigurationSaved

pytestmark = pytest.mark.e2e

WEIGHT = "weight = {}"


@contextmanager
def scene(real: Path, path: Path, socket: Path) -> Iterator[Scene]:
    """A proxy that is told `path`, which may lead to `real`."""
    need_linux()
    backends = [backend("127.0.0.1:9", "a", weight=1)]
    text = text_of(engine(socket), listener("l", free_port(), "c"), cluster("c", backends))
    real.write_text(text)
    with running(path, socket) as proxy, Told(proxy) as told:
        yield Scene(proxy, told, text)


class Scene:
    """A proxy, and how often its file was edited."""

    def __init__(self, proxy: Running, told: Told, text: str) -> None:
        self.proxy, self.told, self._text = proxy, told, text
        self.weight = 1
        self.shown: list[str] = []

    @property
    def old(self) -> str:
        """The line that the next edit replaces."""
        return WEIGHT.format(self.weight)

    @property
    def new(self) -> str:
        """The line that replaces it."""
        return WEIGHT.format(self.weight + 1)

    @property
    def new_text(self) -> str:
        """The whole file with that line."""
        return self._text.replace(WEIGHT.format(1), self.new)

    def edited(self, how: str, edit: Callable[..., object], *arguments: object) -> None:
        """Let somebody edit the file; it is in force, and that was one reload."""
        began = time.monotonic()
        verdict = self.told.judged(edit, *arguments)
        assert isinstance(verdict, ConfigurationChanged), (how, verdict)
        before, self.weight = self.weight, self.weight + 1
        assert [f"weight {before} → {self.weight}" in each for each in verdict.sentences] == [True]
        self.shown.append(f"{how} {time.monotonic() - began:.2f} s")
        assert list(self.proxy.weights().values()) == [self.weight], how

    def judge(self) -> None:
        """Each edit so far was one reload: whatever came late would have come by now."""
        self.edited("a last one", self.proxy.file.write_text, self.new_text)
        configuration = self.proxy.status().configuration
        print(f"\nin force after: {', '.join(self.shown)}")
        assert (configuration.reloads, configuration.rejected) == (self.weight - 1, 0)
        assert configuration.generation == self.weight
        assert len(self.told.of(ConfigurationChanged)) == self.weight - 1
        assert not self.told.of(ConfigurationRejected)
        assert not self.told.of(ConfigurationSaved)


def ran(*words: object) -> None:
    """Run a program to its end, which must be good."""
    done = subprocess.run(
        [*map(str, words)], check=False, capture_output=True, text=True, timeout=PATIENCE_S,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done


def vim(path: Path, old: str, new: str, *settings: str) -> None:
    """Replace a line by vim, with its swap file and its backups as they are by default."""
    commands = [word for setting in settings for word in ("-c", f"set {setting}")]
    ran(need("vim"), "-es", *commands, "-c", f"%s/^{old}$/{new}/", "-c", "wq", path)


def nano(path: Path, old: str, new: str) -> None:
    """Replace a line by nano, key by key, on a terminal."""
    line = path.read_text().splitlines().index(old) + 1
    editor, terminal = pty.openpty()
    started = subprocess.Popen(
        [need("nano"), "--ignorercfiles", f"+{line},1", str(path)],
        stdin=terminal, stdout=terminal, stderr=terminal,
        env={**os.environ, "TERM": "xterm"}, start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    screen = bytearray()

    def read_until(words: bytes) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not re.search(words, screen):
            assert time.monotonic() < deadline, bytes(screen)[-2_000:]
            if select.select([editor], [], [], 0.1)[0]:
                screen.extend(os.read(editor, 65_536))
        screen.clear()

    try:
        read_until(b"Exit")
        os.write(editor, b"\x0b" + new.encode() + b"\r")  # ^K cuts the line
        read_until(new[-1:].encode())
        os.write(editor, b"\x0f")  # ^O
        read_until(b"Write")
        os.write(editor, b"\r")
        read_until(b"Wrote")
        os.write(editor, b"\x18")  # ^X
        with suppress(OSError):  # its end of the terminal is gone
            while os.read(editor, 65_536):
                pass
        assert started.wait(PATIENCE_S) == 0
    finally:
        started.kill()
        started.wait()
        os.close(editor)


def emacs_like(path: Path, text: str) -> None:
    """Move the file away to its backup's name, and write another: it vanishes for a moment."""
    os.rename(path, f"{path}~")
    time.sleep(0.4)  # a moment
    path.write_text(text)


def in_pieces(path: Path, text: str) -> None:
    """Write in place, with pauses in the middle of a line."""
    with path.open("w") as file:
        for start in range(0, len(text), len(text) // 4):
            file.write(text[start : start + len(text) // 4])
            file.flush()
            time.sleep(0.02)  # a slow disk


def copied(path: Path, text: str, program: str, *options: str) -> None:
    """Put another file in its place, or into it, by cp or mv."""
    other = path.with_name("other")
    other.write_text(text)
    ran(program, *options, other, path)


def test_editors(tmp_path: Path) -> None:
    file = tmp_path / "udplb.toml"
    with scene(file, file, tmp_path / "s") as s:
        s.edited("vim", vim, file, s.old, s.new)
        s.edited("vim, backupcopy=yes", vim, file, s.old, s.new, "backupcopy=yes", "bk")
        s.edited("vim, backupcopy=no", vim, file, s.old, s.new, "backupcopy=no", "wb")
        s.edited("nano", nano, file, s.old, s.new)
        s.edited("sed -i", ran, "sed", "-i", f"s/^{s.old}$/{s.new}/", file)
        s.edited("cp", copied, file, s.new_text, "cp")
        s.edited("cp --remove-destination", copied, file, s.new_text, "cp", "--remove-destination")
        s.edited("mv", copied, file, s.new_text, "mv")
        s.edited("rename and write", emacs_like, file, s.new_text)
        s.edited("four writes", in_pieces, file, s.new_text)
        s.judge()


def test_editing_through_a_symlink(tmp_path: Path) -> None:
    for name in ("etc", "kept"):
        (tmp_path / name).mkdir()
    file, link = tmp_path / "kept" / "real.toml", tmp_path / "etc" / "udplb.toml"
    link.symlink_to("../kept/real.toml")
    with scene(file, link, tmp_path / "s") as s:
        s.edited("vim on the link", vim, link, s.old, s.new)
        s.edited("nano on the link", nano, link, s.old, s.new)
        s.edited(
            "sed on the link", ran, "sed", "-i", "--follow-symlinks", f"s/^{s.old}$/{s.new}/", link
        )
        s.edited("cp onto the link", copied, link, s.new_text, "cp")
        s.edited("mv onto its target", copied, file, s.new_text, "mv")
        assert link.is_symlink()
        s.judge()


def test_a_symlink_swap_as_kubernetes_does_it(tmp_path: Path) -> None:
    """The file is a link to ..data/udplb.toml, and ..data a link to a directory of that version."""
    folder = tmp_path / "config"
    first = folder / "..2026_01"
    first.mkdir(parents=True)
    (folder / "..data").symlink_to(first.name)
    file = folder / "udplb.toml"
    file.symlink_to("..data/udplb.toml")

    def swap(text: str, number: int) -> None:
        before = os.readlink(folder / "..data")
        version = folder / f"..2026_{number:02}"
        version.mkdir()
        (version / "udplb.toml").write_text(text)
        (folder / "..data_tmp").symlink_to(version.name)
        os.rename(folder / "..data_tmp", folder / "..data")
        shutil.rmtree(folder / before)

    with scene(first / "udplb.toml", file, tmp_path / "s") as s:
        for number in range(2, 6):
            s.edited("swap", swap, s.new_text, number)
        s.judge()
