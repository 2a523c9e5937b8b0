"""Watching the file: every editor's way of saving is told once, and nothing else is told."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import watchfiles

from tests.harness import need_linux, until
from udplb.engine import watching
from udplb.engine.watching import LINKS_MAX, FileWatch, look_at

BEFORE, AFTER, MARKER = "before\n", "after it was edited\n", "marker\n"


@pytest.fixture(autouse=True)
def linux() -> None:
    need_linux()


class Told:
    """A watch of a file, and what the file held whenever the watch told of a change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.contents: list[str | None] = []
        self.watch = FileWatch(path, self._changed)

    def _changed(self) -> None:
        try:
            self.contents.append(self.path.read_text())
        except OSError:
            self.contents.append(None)

    def until_told(self, contents: str | None) -> None:
        until(lambda: contents in self.contents, f"{contents!r} in {self.contents}")

    def until_watched(self, *directories: Path) -> None:
        """Until events of all of these directories arrive."""
        wanted = {directory.stat().st_ino for directory in directories}
        until(lambda: wanted <= watched_inodes(), "the watch of its directories")


def watched_inodes() -> set[int]:
    """Whatever this process watches by inotify (proc(5): /proc/pid/fdinfo)."""
    found = set()
    for each in Path("/proc/self/fdinfo").iterdir():
        try:
            lines = each.read_text().splitlines()
        except OSError:
            continue  # closed meanwhile
        found |= {
            int(line.split("ino:")[1].split()[0], 16)
            for line in lines
            if "ino:" in line and line.startswith("inotify")
        }
    return found


@contextmanager
def watched(path: Path, *directories: Path) -> Iterator[Told]:
    """A watch that works already."""
    told = Told(path)
    told.watch.start()
    try:
        told.until_watched(*(directories or (path.parent,)))
        yield told
    finally:
        told.watch.stop()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "etc" / "udplb.toml"
    path.parent.mkdir()
    path.write_text(BEFORE)
    return path


@pytest.fixture
def events_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks without an event."""
    monkeypatch.setattr(watching, "LOOK_S", 3_600.0)


# Editors, by their system calls


def in_place(path: Path, text: str) -> None:
    """nano, cp over it, and whoever opens it for writing."""
    path.write_text(text)


def in_pieces(path: Path, text: str) -> None:
    with path.open("w", buffering=1) as opened:
        for char in text:
            opened.write(char)
            opened.flush()
            os.fsync(opened.fileno())


def same_size(path: Path, text: str) -> None:
    """Not truncated: some bytes are other ones."""
    with path.open("r+") as opened:
        opened.write(text)
        opened.truncate()


def renamed_over(path: Path, text: str) -> None:
    """sed -i, mv over it, vim with backupcopy=no and writebackup off."""
    other = path.with_name("sedXyZ12")
    other.write_text(text)
    other.chmod(0o640)
    other.rename(path)


def renamed_over_from_elsewhere(path: Path, text: str) -> None:
    other = path.parent.parent / "prepared"
    other.write_text(text)
    other.rename(path)


def removed_and_made_anew(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


def as_vim_does(path: Path, text: str) -> None:
    """A swap file, a probe of the directory, the old file aside as a backup, a new one."""
    swap = path.with_name(f".{path.name}.swp")
    swap.write_bytes(b"b0VIM 9.0" + bytes(4_000))
    probe = path.with_name("4913")
    probe.touch()
    probe.unlink()
    backup = path.with_name(f"{path.name}~")
    path.rename(backup)
    with path.open("w") as opened:
        opened.write(text)
        os.fsync(opened.fileno())
    path.chmod(0o644)
    backup.unlink()
    swap.unlink()


def as_vim_does_with_backupcopy(path: Path, text: str) -> None:
    backup = path.with_name(f"{path.name}~")
    shutil.copy2(path, backup)
    path.write_text(text)
    backup.unlink()


def by_a_link(path: Path, text: str) -> None:
    """ln then mv: the file becomes a symbolic link to another one."""
    other = path.parent.parent / "other.toml"
    other.write_text(text)
    link = path.with_name("new-link")
    link.symlink_to(other)
    link.rename(path)


EDITORS: list[Callable[[Path, str], None]] = [
    in_place, in_pieces, same_size, renamed_over, renamed_over_from_elsewhere,
    removed_and_made_anew, as_vim_does, as_vim_does_with_backupcopy, by_a_link,
]  # fmt: skip


@pytest.mark.usefixtures("events_only")
@pytest.mark.parametrize("edit", EDITORS)
def test_every_way_of_saving_is_told_once(file: Path, edit: Callable[[Path, str], None]) -> None:
    with watched(file) as told:
        for number in range(3):
            text = f"edit {number} {AFTER}"
            edit(file, text)
            told.until_told(text)
        renamed_over(file, MARKER)
        told.until_told(MARKER)
    assert told.contents == [*(f"edit {number} {AFTER}" for number in range(3)), MARKER]


@pytest.mark.usefixtures("events_only")
@pytest.mark.parametrize("edit", EDITORS)
def test_the_file_behind_a_link_is_watched_too(
    file: Path, tmp_path: Path, edit: Callable[[Path, str], None]
) -> None:
    """A link to a link in another directory, the last one relative."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "second").symlink_to("../etc/udplb.toml")
    (tmp_path / "here").mkdir()
    path = tmp_path / "here" / "udplb.toml"
    path.symlink_to(tmp_path / "run" / "second")
    with watched(path, path.parent, tmp_path / "run", file.parent) as told:
        edit(file, AFTER)
        told.until_told(AFTER)
        told.until_watched(path.parent, tmp_path / "run", Path(look_at(str(path)).look.path).parent)
        in_place(path, MARKER)
        told.until_told(MARKER)
    assert told.contents == [AFTER, MARKER]


@pytest.mark.usefixtures("events_only")
def test_a_link_that_is_turned_to_another_file_is_told(tmp_path: Path, file: Path) -> None:
    other = tmp_path / "elsewhere" / "other.toml"
    other.parent.mkdir()
    other.write_text(AFTER)
    path = tmp_path / "here" / "udplb.toml"
    path.parent.mkdir()
    path.symlink_to(file)
    with watched(path, path.parent, file.parent) as told:
        path.unlink()
        path.symlink_to(other)
        told.until_told(AFTER)
        told.until_watched(other.parent)
        in_place(file, "nobody's concern any more\n")
        in_place(other, MARKER)
        told.until_told(MARKER)
    assert told.contents == [AFTER, MARKER]


@pytest.mark.usefixtures("events_only")
def test_the_swap_of_kubernetes_is_told_once(tmp_path: Path) -> None:
    """A mounted ConfigMap: udplb.toml -> ..data/udplb.toml, ..data -> ..2024_x."""

    def version(name: str, text: str) -> None:
        (tmp_path / name).mkdir()
        (tmp_path / name / "udplb.toml").write_text(text)
        (tmp_path / "..data_tmp").symlink_to(name)
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")

    version("..2024_1", BEFORE)
    path = tmp_path / "udplb.toml"
    path.symlink_to("..data/udplb.toml")
    with watched(path, tmp_path, tmp_path / "..2024_1") as told:
        for number in (2, 3, 4):
            version(f"..2024_{number}", f"version {number}\n")
            shutil.rmtree(tmp_path / f"..2024_{number - 1}")
            told.until_told(f"version {number}\n")
            told.until_watched(tmp_path, tmp_path / f"..2024_{number}")
    assert told.contents == [f"version {number}\n" for number in (2, 3, 4)]


@pytest.mark.usefixtures("events_only")
def test_what_happens_beside_the_file_is_not_told(file: Path) -> None:
    with watched(file) as told:
        for number in range(50):
            beside = file.with_name(f"beside-{number}")
            beside.write_text("x")
            beside.rename(file.with_name(f"udplb.toml.{number}"))
        file.with_name("udplb.toml.3").unlink()
        file.read_text()
        in_place(file, MARKER)
        told.until_told(MARKER)
    assert told.contents == [MARKER]


def test_a_busy_directory_holds_nothing_up(file: Path) -> None:
    busy = True

    def keep_busy() -> None:
        beside = file.with_name("beside")
        while busy:
            beside.write_text("x")
            beside.unlink()

    neighbour = threading.Thread(target=keep_busy)
    with watched(file) as told:
        neighbour.start()
        try:
            for text in (AFTER, MARKER):
                renamed_over(file, text)
                told.until_told(text)
        finally:
            busy = False
            neighbour.join()
    assert told.contents == [AFTER, MARKER]


@pytest.mark.usefixtures("events_only")
def test_a_new_mode_is_told_as_the_file_may_be_readable_now(file: Path) -> None:
    with watched(file) as told:
        file.chmod(0o600)
        told.until_told(BEFORE)
        in_place(file, MARKER)
        told.until_told(MARKER)
    assert told.contents == [BEFORE, MARKER]


# Files that come and go


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Editors may take as long as a test does."""
    monkeypatch.setattr(watching, "ABSENT_MAX_S", 3_600.0)
    monkeypatch.setattr(watching, "SETTLE_MAX_S", 3_600.0)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[watching.Look]:
    """Every look that was taken at a file."""
    taken: list[watching.Look] = []

    def spy(path: str) -> watching.Sight:
        sight = look_at(path)
        taken.append(sight.look)
        return sight

    monkeypatch.setattr(watching, "look_at", spy)
    return taken


@pytest.mark.usefixtures("events_only", "patient")
@pytest.mark.parametrize("gone", [Path.unlink, Path.touch, lambda path: path.write_text("")])
def test_a_slow_editor_is_waited_for(
    file: Path, looks: list[watching.Look], gone: Callable[[Path], Any]
) -> None:
    """The file is away, or empty, for several looks: that is not what the edit is about."""
    if gone is Path.touch:
        file.write_text("")
    with watched(file) as told:
        gone(file)
        before = len(looks)
        until(lambda: len(looks) > before + 3, "some looks")
        in_place(file, AFTER)
        told.until_told(AFTER)
    assert told.contents == [AFTER]


@pytest.mark.usefixtures("events_only", "patient")
def test_a_file_that_goes_on_changing_is_told_when_it_stops(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever somebody has looked at it, it changes, but not for ever."""
    edits = [*(f"part {number}\n" for number in range(5)), AFTER]
    with watched(file) as told:

        def look_and_edit(path: str) -> watching.Sight:
            sight = look_at(path)
            if edits:
                in_place(file, edits.pop(0))
            return sight

        monkeypatch.setattr(watching, "look_at", look_and_edit)
        in_place(file, "begun\n")
        told.until_told(AFTER)
        in_place(file, MARKER)
        told.until_told(MARKER)
    assert told.contents == [AFTER, MARKER]


@pytest.mark.usefixtures("events_only", "patient")
def test_a_directory_that_is_away_for_a_moment_is_not_told(
    file: Path, tmp_path: Path, looks: list[watching.Look]
) -> None:
    with watched(file) as told:
        before = len(looks)
        file.parent.rename(tmp_path / "away")
        file.parent.mkdir()
        until(lambda: len(looks) > before, "a look")
        file.parent.rmdir()
        (tmp_path / "away").rename(file.parent)
        in_place(file.with_name("beside"), "x")
        told.until_watched(file.parent)
        in_place(file, MARKER)
        told.until_told(MARKER)
    assert told.contents == [MARKER]


def test_where_no_event_comes_it_is_looked_at_all_the_same(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on some network file systems."""
    monkeypatch.setattr(watching, "LOOK_S", 0.05)
    monkeypatch.setattr(
        watching, "watch", lambda *_, **options: watchfiles.watch(tmp_path, **options)
    )
    with watched(file, tmp_path) as told:
        for text in (AFTER, MARKER):
            in_place(file, text)
            told.until_told(text)
    assert told.contents == [AFTER, MARKER]


def test_a_file_that_never_stops_changing_is_told_of_all_the_same(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SETTLE_MAX_S", 0.2)
    monkeypatch.setattr(watching, "STEP_S", 0.01)
    growing = True

    def grow() -> None:
        with file.open("a") as opened:
            while growing:
                opened.write("more\n")
                opened.flush()

    with watched(file) as told:
        writer = threading.Thread(target=grow)
        writer.start()
        try:
            until(lambda: len(told.contents) >= 2, "two tellings of a growing file")
        finally:
            growing = False
            writer.join()


def test_a_file_that_stays_away_is_told_once_and_so_is_its_return(file: Path) -> None:
    with watched(file) as told:
        file.unlink()
        told.until_told(None)
        file.with_name("beside").touch()
        file.write_text(AFTER)
        told.until_told(AFTER)
        in_place(file, "")
        told.until_told("")
        in_place(file, MARKER)
        told.until_told(MARKER)
    assert told.contents == [None, AFTER, "", MARKER]


def test_a_directory_that_is_removed_and_made_anew(file: Path) -> None:
    with watched(file) as told:
        for number in range(2):
            shutil.rmtree(file.parent)
            until(lambda number=number: told.contents.count(None) == number + 1, "its end")  # type: ignore[misc]
            file.parent.mkdir()
            file.write_text(f"again {number}\n")
            told.until_told(f"again {number}\n")
        told.until_watched(file.parent)
        renamed_over(file, MARKER)
        told.until_told(MARKER)
    assert told.contents == [None, "again 0\n", None, "again 1\n", MARKER]


def test_a_directory_that_is_replaced_at_once(file: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    (new / file.name).write_text(AFTER)
    with watched(file) as told:
        file.parent.rename(tmp_path / "old")
        new.rename(file.parent)
        told.until_told(AFTER)
        told.until_watched(file.parent)
        in_place(file, MARKER)
        told.until_told(MARKER)
    assert told.contents == [AFTER, MARKER]


def test_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "udplb.toml"
    with watched(path, tmp_path) as told:
        path.parent.mkdir(parents=True)
        path.write_text(AFTER)
        told.until_told(AFTER)
        told.until_watched(path.parent)
        in_place(path, MARKER)
        told.until_told(MARKER)
    assert told.contents == [AFTER, MARKER]


def test_a_link_to_nothing_and_its_end(tmp_path: Path, file: Path) -> None:
    path = tmp_path / "udplb.toml"
    path.symlink_to(file)
    with watched(path, tmp_path, file.parent) as told:
        path.unlink()
        path.symlink_to(tmp_path / "nowhere" / "x.toml")
        told.until_told(None)
        (tmp_path / "nowhere").mkdir()
        (tmp_path / "nowhere" / "x.toml").write_text(MARKER)
        told.until_told(MARKER)
    assert told.contents == [None, MARKER]


# The watch itself


@pytest.mark.usefixtures("events_only")
def test_what_changed_since_it_was_made_is_told(file: Path) -> None:
    told = Told(file)
    renamed_over(file, AFTER)
    told.watch.start()
    told.until_told(AFTER)
    told.watch.stop()
    assert told.contents == [AFTER]


@pytest.mark.usefixtures("events_only")
def test_a_relative_path_is_that_of_the_beginning(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    told = Told(Path("udplb.toml"))
    monkeypatch.chdir(tmp_path)
    told.path = file
    told.watch.start()
    told.until_watched(file.parent)
    in_place(file, AFTER)
    told.until_told(AFTER)
    told.watch.stop()
    assert told.watch.path == str(file)


def test_it_ends_when_it_is_told_to(file: Path) -> None:
    told = Told(file)
    told.watch.start()
    told.until_watched(file.parent)
    (thread,) = [each for each in threading.enumerate() if each.name == "udplb-watch"]
    assert thread.daemon
    told.watch.stop()
    assert not thread.is_alive()
    inode = file.parent.stat().st_ino
    until(lambda: inode not in watched_inodes(), "the end of its inotify")
    told.watch.stop()
    in_place(file, AFTER)
    assert told.contents == []


@pytest.mark.usefixtures("patient")
def test_it_ends_in_the_middle_of_an_edit_too(file: Path, looks: list[watching.Look]) -> None:
    with watched(file) as told:
        file.unlink()
        until(lambda: looks[-1].identity == (), "a look at nothing")
    assert told.contents == []


def test_one_that_never_began_can_be_ended(file: Path) -> None:
    FileWatch(file, lambda: None).stop()


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "OS file watch limit reached\n\x1b[2J"),
        RuntimeError("Error creating recommended watcher: Too many open files (os error 24)"),
        PermissionError(13, "Permission denied"),
    ],
)
def test_without_events_it_looks_and_says_so(
    file: Path,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise error
        yield  # a generator, like the real one

    monkeypatch.setattr(watching, "watch", refuse)
    monkeypatch.setattr(watching, "LOOK_S", 0.02)
    monkeypatch.setattr(watching, "RETRY_S", 0.1)
    told = Told(file)
    with caplog.at_level(logging.WARNING, "udplb"):
        told.watch.start()
        for edit in (renamed_over, in_place, removed_and_made_anew):
            edit(file, edit.__name__)
            told.until_told(edit.__name__)
        told.watch.stop()
    assert told.contents == ["renamed_over", "in_place", "removed_and_made_anew"]
    (line,) = [record.getMessage() for record in caplog.records]
    for part in (str(file), "SIGHUP", "udplb reload", "max_user_watches", "max_user_instances"):
        assert part in line
    assert line.isprintable()


def test_events_are_tried_for_again(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refused: list[Any] = []

    def refuse_twice(*paths: Any, **options: Any) -> Any:
        if len(refused) < 2:
            refused.append(paths)
            raise OSError(28, "No space left on device")
        return watchfiles.watch(*paths, **options)

    monkeypatch.setattr(watching, "watch", refuse_twice)
    monkeypatch.setattr(watching, "LOOK_S", 0.02)
    monkeypatch.setattr(watching, "RETRY_S", 0.05)
    with watched(file) as told:
        in_place(file, AFTER)
        told.until_told(AFTER)
    assert len(caplog.records) == 1


def test_a_directory_that_goes_before_it_is_watched_is_no_trouble(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refused: list[Any] = []

    def gone_at_first(*paths: Any, **options: Any) -> Any:
        if not refused:
            refused.append(paths)
            raise FileNotFoundError(2, "No such file or directory")
        return watchfiles.watch(*paths, **options)

    monkeypatch.setattr(watching, "watch", gone_at_first)
    with watched(file) as told:
        in_place(file, AFTER)
        told.until_told(AFTER)
    assert not caplog.records


def test_the_library_tells_nothing_of_every_event(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with watched(file) as told:
        in_place(file, AFTER)
        told.until_told(AFTER)
    assert not caplog.records


# Where links lead to


def directories_of(path: Path) -> set[Path]:
    return {Path(directory) for directory, _, _ in look_at(str(path)).directories}


def test_the_directories_that_decide_on_a_path(tmp_path: Path, file: Path) -> None:
    assert directories_of(file) == {file.parent}
    assert directories_of(file.parent / "missing") == {file.parent}
    assert directories_of(tmp_path / "no" / "such" / "file") == {tmp_path}
    assert directories_of(file / "below") == {file}, "not that it could ever be there"
    (tmp_path / "link").symlink_to("etc")
    assert directories_of(tmp_path / "link" / "udplb.toml") == {tmp_path, file.parent}
    (tmp_path / "up").symlink_to("./etc/../etc//udplb.toml")
    assert directories_of(tmp_path / "up") == {tmp_path, file.parent}
    assert look_at(str(tmp_path / "up")).look == look_at(str(file)).look
    assert directories_of(Path("/")) == set()


def test_a_circle_of_links_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    look = look_at(str(tmp_path / "a")).look
    assert look.identity == ()
    assert directories_of(tmp_path / "a") == {tmp_path}


@pytest.mark.parametrize("links", [1, LINKS_MAX - 1, LINKS_MAX, LINKS_MAX + 1])
def test_as_many_links_as_the_kernel_follows(tmp_path: Path, file: Path, links: int) -> None:
    at = file
    for number in range(links):
        link = tmp_path / f"link-{number}"
        link.symlink_to(at)
        at = link
    try:
        at.read_text()
        readable = True
    except OSError:
        readable = False
    assert bool(look_at(str(at)).look.identity) is readable


def test_a_directory_of_the_same_name_is_another_one(file: Path, tmp_path: Path) -> None:
    before = look_at(str(file)).directories
    assert look_at(str(file)).directories == before
    file.parent.rename(tmp_path / "old")
    file.parent.mkdir()
    assert look_at(str(file)).directories != before
