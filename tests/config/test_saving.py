"""The file on disk: replaced in one step, or left as it was."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from udplb.config import saving
from udplb.config.editing import EditError
from udplb.config.load import load
from udplb.config.overlay import Overlay
from udplb.config.saving import FileChangedError, SaveError, save

TEXT = """\
# Mine.
[[listeners]]
name = "l"
address = "192.0.2.1:53"
cluster = "c"
[[clusters.c.backends]] # one
address = "10.0.0.1:53"
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to somebody else")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    directory = tmp_path / "etc"
    directory.mkdir()
    path = directory / "udplb.toml"
    path.write_text(TEXT)
    path.chmod(0o640)
    return path


def saved(path: Path, weight: int = 5) -> saving.Saved:
    """The file with another weight, as `save` leaves it."""
    loaded = load(path)
    overlay = Overlay().with_weight(loaded.configuration, "c", "10.0.0.1:53", weight)
    return save(path, loaded.digest, overlay, loaded.configuration)


def beside(path: Path) -> list[str]:
    return sorted(os.listdir(path.parent))


def test_the_overlay_is_in_the_file_and_nothing_else_is_beside_it(path: Path) -> None:
    result = saved(path)
    assert path.read_text() == TEXT + "weight = 5\n"
    assert result.loaded == load(path)
    assert result.text_digest == load(path).digest
    assert beside(path) == ["udplb.toml"]


def test_mode_and_owner_stay(path: Path) -> None:
    before = path.stat()
    saved(path)
    after = path.stat()
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino


@needs_root
def test_the_owner_stays_when_it_is_somebody_else(path: Path) -> None:
    os.chown(path, 12345, 23456)
    path.chmod(0o4640)
    saved(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)
    assert stat.S_IMODE(path.stat().st_mode) == 0o4640


@needs_root
def test_an_owner_that_cannot_be_kept_leaves_the_file_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", refuse)
    saved(path)  # the owner is right already
    os.chown(path, 12345, 23456)
    with pytest.raises(SaveError, match=r"another user or group.*; save it by hand$"):
        saved(path, 6)
    assert "weight = 5" in path.read_text()
    assert beside(path) == ["udplb.toml"]


def test_a_symlink_stays_and_its_target_is_replaced(path: Path, tmp_path: Path) -> None:
    """As Kubernetes has it: a link to a link in another directory."""
    data = tmp_path / "data"
    data.symlink_to(path.parent)
    link = tmp_path / "udplb.toml"
    link.symlink_to("data/udplb.toml")
    saved(link)
    assert link.is_symlink()
    assert data.is_symlink()
    assert path.read_text() == TEXT + "weight = 5\n"
    assert sorted(os.listdir(tmp_path)) == ["data", "etc", "udplb.toml"]


def test_a_byte_order_mark_and_windows_line_ends_stay(path: Path) -> None:
    content = b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode()
    path.write_bytes(content)
    saved(path)
    assert path.read_bytes() == content + b"weight = 5\r\n"


def test_a_file_that_was_changed_is_left_alone(path: Path) -> None:
    loaded = load(path)
    path.write_text(TEXT + "# mine, too\n")
    overlay = Overlay().with_weight(loaded.configuration, "c", "10.0.0.1:53", 5)
    with pytest.raises(FileChangedError, match="was changed since it was read"):
        save(path, loaded.digest, overlay, loaded.configuration)
    assert path.read_text() == TEXT + "# mine, too\n"
    path.unlink()
    with pytest.raises(FileChangedError, match="is not there any more"):
        save(path, loaded.digest, overlay, loaded.configuration)
    assert beside(path) == []


def test_a_file_that_is_changed_meanwhile_is_left_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*arguments: Any) -> Any:
        path.write_text(TEXT + "# quick\n")
        return real(*arguments)

    real = saving._make_alike
    monkeypatch.setattr(saving, "_make_alike", write)
    with pytest.raises(FileChangedError):
        saved(path)
    assert path.read_text() == TEXT + "# quick\n"
    assert beside(path) == ["udplb.toml"]


@pytest.mark.parametrize("step", ["fsync", "fchmod", "rename"])
def test_whatever_fails_leaves_the_file_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(SaveError) as refused:
        saved(path)
    assert str(refused.value) == (
        f"{path} cannot be written: No space left on device; the directory of the file has to be"
        " writable for the user of the proxy, and have room; or save it by hand"
    )
    monkeypatch.undo()
    assert path.read_text() == TEXT
    assert beside(path) == ["udplb.toml"]


def test_the_new_file_is_on_the_disk_before_it_takes_the_place_of_the_old_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def noted(name: str, real: Any) -> Any:
        def call(*arguments: Any) -> Any:
            kind = name
            if name == "fsync":
                is_directory = stat.S_ISDIR(os.fstat(arguments[0]).st_mode)
                kind = "fsync directory" if is_directory else "fsync file"
            steps.append(kind)
            return real(*arguments)

        return call

    for name in ("fsync", "fchmod", "rename"):
        monkeypatch.setattr(os, name, noted(name, getattr(os, name)))
    saved(path)
    assert steps == ["fchmod", "fsync file", "rename", "fsync directory"]


def test_what_is_no_regular_file_is_refused(path: Path) -> None:
    loaded = load(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(SaveError, match="is no regular file; save it by hand"):
        save(path, loaded.digest, Overlay(), loaded.configuration)


def test_an_edit_that_is_refused_leaves_the_file_as_it_was(path: Path) -> None:
    loaded = load(path)
    other = path.parent / "other.toml"
    other.write_text(TEXT.replace("10.0.0.1", "10.0.0.2"))
    overlay = Overlay().with_weight(loaded.configuration, "c", "10.0.0.1:53", 5)
    with pytest.raises(EditError, match="save it by hand: cluster c"):
        save(other, load(other).digest, overlay, loaded.configuration)
    assert other.read_text() == TEXT.replace("10.0.0.1", "10.0.0.2")
    assert beside(path) == ["other.toml", "udplb.toml"]


def test_extended_attributes_stay(path: Path) -> None:
    try:
        os.setxattr(path, "user.note", b"mine")
    except (OSError, AttributeError):
        pytest.skip("no extended attributes here")
    saved(path)
    assert os.getxattr(path, "user.note") == b"mine"


def test_control_characters_of_a_path_are_escaped(path: Path) -> None:
    strange = path.with_name("a\x1b[2J.toml")
    path.rename(strange)
    loaded = load(strange)
    with pytest.raises(FileChangedError, match=r"a\\x1b\[2J.toml was changed"):
        save(strange, b"", Overlay(), loaded.configuration)
