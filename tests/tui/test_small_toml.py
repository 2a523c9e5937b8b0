"""Small files: their limits, and what is no file. The rest is told by those who read them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from udplb.config.problems import ConfigError
from udplb.tui.small_toml import LINE_LENGTH_MAX, document_of, read_text


@pytest.mark.parametrize(("size", "good"), [(99, True), (100, True), (101, False)])
def test_a_file_is_read_to_its_limit(tmp_path: Path, size: int, good: bool) -> None:
    path = tmp_path / "a.toml"
    path.write_text("#" * size)
    if good:
        assert read_text(path, 100) == "#" * size
    else:
        with pytest.raises(ConfigError, match=r"a.toml: larger than 0 KiB"):
            read_text(path, 100)


def test_what_is_no_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, said in (("pipe", "is not a regular file"), ("none", "cannot be read")):
        with pytest.raises(ConfigError, match=said):
            read_text(tmp_path / name, 100)


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_a_line_has_a_limit(extra: int) -> None:
    text = "a = 1\n" + "#" * (LINE_LENGTH_MAX + extra)
    if extra <= 0:
        assert document_of(text, "a.toml") == {"a": 1}
    else:
        with pytest.raises(ConfigError, match=r"a.toml:2: a line of more than 500 characters"):
            document_of(text, "a.toml")
