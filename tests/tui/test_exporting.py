"""Exporting: a file of one's own, never somebody else's."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.tui.fake_proxy import NOW
from udplb.tui.exporting import ExportError, proposed, write_new


def test_a_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = write_new(str(tmp_path / "rows.jsonl"), b"{}\n")
    finally:
        os.umask(before)
    assert path.read_bytes() == b"{}\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_is_overwritten_and_no_link_is_followed(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("precious")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    for name in (there, link):
        with pytest.raises(ExportError, match="is there already, and nothing is overwritten"):
            write_new(str(name), b"x")
    assert there.read_text() == "precious"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["no/such/folder/x", "\0", "~nobody-of-this-name/x", "."])
def test_names_that_are_none_are_refused_in_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExportError) as refused:
        write_new(name, b"x")
    assert str(refused.value).isprintable()


def test_a_name_is_taken_in_the_folder_where_we_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert write_new("rows", b"") == tmp_path / "rows"


def test_a_part_of_a_file_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk:
        def __enter__(self) -> FullDisk:
            return self

        def __exit__(self, *what: object) -> None: ...

        def write(self, content: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    def opened(descriptor: int, mode: str) -> FullDisk:
        os.close(descriptor)
        return FullDisk()

    monkeypatch.setattr(os, "fdopen", opened)
    with pytest.raises(ExportError, match="No space left on device"):
        write_new(str(tmp_path / "rows"), b"x")
    assert list(tmp_path.iterdir()) == []


def test_names_have_the_date() -> None:
    assert proposed("flows", "jsonl", NOW) == "udplb-flows-20261122T120102Z.jsonl"
    assert proposed("flows", "jsonl", 1e300) == "udplb-flows-now.jsonl"
