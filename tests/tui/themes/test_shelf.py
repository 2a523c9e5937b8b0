from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

import pytest

from tests.tui.themes.themes import written
from udplb.tui.themes import shelf as shelves
from udplb.tui.themes.loading import ThemeError
from udplb.tui.themes.shelf import FILES_MAX, PACKAGED, Saved, Shelf, open_shelf, user_folder


def named(name: str, up: str = "#56b4e9") -> str:
    return f'name = "{name}"\n[colors]\nprimary = "#56b4e9"\n[tokens]\nup = "{up}"\n'


def up_of(shelf: Shelf, name: str) -> str:
    return shelf.find(name).looks["up"].color


def test_an_installed_package_has_six() -> None:
    names = sorted(each.name for each in files("udplb").joinpath("themes").iterdir())
    assert names == [
        "cb-safe.toml", "dark.toml", "high-contrast.toml", "light.toml", "mono.toml", "red.toml",
    ]  # fmt: skip


def test_the_package_then_the_users_folder_then_the_command_line(tmp_path: Path) -> None:
    folder = tmp_path / "udplb" / "themes"
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert up_of(open_shelf(None, environ, no_color=False).shelf, "dark") == "#8CC98A"
    written(folder, "any.toml", named("dark", "#111111"))
    opened = open_shelf(None, environ, no_color=False)
    assert opened.theme.name == "dark"
    assert up_of(opened.shelf, "dark") == "#111111"
    assert len(opened.shelf.themes) == 6
    extra = written(tmp_path, "extra.toml", named("dark", "#222222"))
    opened = open_shelf(str(extra), environ, no_color=False)
    assert opened.theme.looks["up"].color == "#222222"
    assert not opened.errors


def test_within_a_folder_the_later_file_wins(tmp_path: Path) -> None:
    written(tmp_path, "b.toml", named("mine", "#222222"))
    written(tmp_path, "a.toml", named("mine", "#111111"))
    written(tmp_path, ".c.toml", named("hidden"))
    written(tmp_path, "d.toml~", named("kept"))
    shelf = Shelf((tmp_path,))
    assert [theme.name for theme in shelf.poll().themes] == ["mine"]
    assert up_of(shelf, "mine") == "#222222"


# What is chosen


@pytest.mark.parametrize(
    ("choice", "no_color", "name"),
    [
        (None, False, "dark"),
        (None, True, "mono"),
        ("light", False, "light"),
        ("light", True, "light"),
    ],
)
def test_the_theme_to_begin_with(choice: str | None, no_color: bool, name: str) -> None:
    assert open_shelf(choice, {}, no_color=no_color).theme.name == name


def test_a_path_is_what_looks_like_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "mine.toml")
    monkeypatch.chdir(tmp_path)
    for choice in ("mine.toml", "./mine.toml", str(tmp_path / "mine.toml")):
        opened = open_shelf(choice, {}, no_color=False)
        assert opened.theme.source == str(tmp_path / "mine.toml")
    with pytest.raises(ThemeError, match=r"none.toml: cannot be read"):
        open_shelf("none.toml", {}, no_color=False)
    with pytest.raises(ThemeError, match="cannot be read"):
        open_shelf("~nobody/none.toml", {}, no_color=False)


def test_a_theme_that_is_not_there() -> None:
    with pytest.raises(ThemeError) as caught:
        open_shelf("drak", {}, no_color=False)
    assert str(caught.value) == (
        '--theme: no theme "drak"; did you mean dark? there are'
        " cb-safe, dark, high-contrast, light, mono or red"
    )
    with pytest.raises(ThemeError, match=r'no theme "\\x1bx"; there are'):
        open_shelf("\x1bx", {}, no_color=False)


def test_an_empty_shelf() -> None:
    with pytest.raises(ThemeError, match='no theme "dark"; there are none'):
        Shelf(()).find("dark")


def test_a_theme_whose_file_has_mistakes(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    written(tmp_path / "udplb" / "themes", "mine.toml", "nme = 1")
    with pytest.raises(ThemeError, match=r"mine.toml:1: nme: unknown key; did you mean name\?"):
        open_shelf("mine", environ, no_color=False)
    opened = open_shelf("dark", environ, no_color=False)
    assert ["mine.toml" in str(error) for error in opened.errors] == [True]


def test_where_the_users_folder_is() -> None:
    assert user_folder({"XDG_CONFIG_HOME": "/x", "HOME": "/h"}) == Path("/x/udplb")
    for base in ("", "relative"):
        environ = {"XDG_CONFIG_HOME": base, "HOME": "/h"}
        assert user_folder(environ) == Path("/h/.config/udplb")
    assert user_folder({}) is None
    assert user_folder({"HOME": "here"}) is None


# What is saved


def test_a_saved_file_is_told_of_once(tmp_path: Path) -> None:
    path = written(tmp_path, "mine.toml", named("mine"))
    shelf = Shelf((PACKAGED, tmp_path))
    assert len(shelf.poll().themes) == 7
    assert shelf.poll() == Saved()
    written(tmp_path, "mine.toml", named("mine", "#ABCDEF"))
    (theme,) = shelf.poll().themes
    assert theme.looks["up"].color == "#ABCDEF"
    assert shelf.find("mine") is theme
    os.utime(path)  # saved, but the same
    assert shelf.poll() == Saved()


def test_a_file_put_in_its_place_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path, "mine.toml", named("mine", "#111111"))
    shelf = Shelf((tmp_path,))
    shelf.poll()
    before = path.stat()
    other = written(tmp_path, "other", named("mine", "#222222"))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert other.stat().st_size == before.st_size
    other.replace(path)
    assert [theme.looks["up"].color for theme in shelf.poll().themes] == ["#222222"]


def test_a_file_whose_time_was_put_back_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path, "mine.toml", named("mine", "#111111"))
    shelf = Shelf((tmp_path,))
    shelf.poll()
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # clocks of file systems are coarse
        written(tmp_path, "mine.toml", named("mine", "#222222"))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert [theme.looks["up"].color for theme in shelf.poll().themes] == ["#222222"]


def test_what_was_wrong_once_is_forgotten(tmp_path: Path) -> None:
    for mended in (True, False):
        path = written(tmp_path, "mine.toml", "nme = 1")
        shelf = Shelf((PACKAGED, tmp_path))
        assert shelf.poll().errors
        with pytest.raises(ThemeError, match="unknown key"):
            shelf.find("mine")
        if mended:
            written(tmp_path, "mine.toml", named("other"))
        else:
            path.unlink()
        shelf.poll()
        with pytest.raises(ThemeError, match='no theme "mine"'):
            shelf.find("mine")


def test_a_mistake_keeps_the_old_theme_and_is_told_once(tmp_path: Path) -> None:
    written(tmp_path, "mine.toml", named("mine", "#111111"))
    shelf = Shelf((tmp_path,))
    shelf.poll()
    written(tmp_path, "mine.toml", named("mine", "blu"))
    saved = shelf.poll()
    assert not saved.themes
    (error,) = saved.errors
    assert "mine.toml:5: tokens.up: " in str(error)
    assert up_of(shelf, "mine") == "#111111"
    assert shelf.poll() == Saved()
    written(tmp_path, "mine.toml", named("mine", "#222222 bold"))
    assert len(shelf.poll().themes) == 1
    assert up_of(shelf, "mine") == "#222222"


def test_a_theme_can_come_and_go(tmp_path: Path) -> None:
    shelf = Shelf((PACKAGED, tmp_path / "later"))
    shelf.poll()
    path = written(tmp_path / "later", "dark.toml", named("dark", "#111111"))
    assert [theme.source for theme in shelf.poll().themes] == [str(path)]
    path.unlink()
    assert [theme.source for theme in shelf.poll().themes] == [str(PACKAGED / "dark.toml")]
    written(tmp_path / "later", "mine.toml", named("mine"))
    assert len(shelf.poll().themes) == 1
    (tmp_path / "later" / "mine.toml").unlink()
    assert shelf.poll() == Saved()
    assert "mine" not in shelf.themes


def test_a_file_that_is_empty_is_given_a_moment(tmp_path: Path) -> None:
    """Editors empty a file before they write it."""
    path = written(tmp_path, "mine.toml", named("mine"))
    shelf = Shelf((tmp_path,))
    shelf.poll()
    path.write_text("")
    assert shelf.poll() == Saved()
    assert "mine" in shelf.themes
    (error,) = shelf.poll().errors
    assert "name: is missing" in str(error)
    assert "mine" in shelf.themes
    assert shelf.poll() == Saved()
    written(tmp_path, "mine.toml", named("mine", "#111111"))
    assert up_of(shelf, "mine") != "#111111"
    assert len(shelf.poll().themes) == 1


def test_the_chosen_file_may_vanish_for_a_moment(tmp_path: Path) -> None:
    extra = written(tmp_path, "mine.toml", named("mine", "#111111"))
    shelf = open_shelf(str(extra), {}, no_color=False).shelf
    extra.unlink()
    assert shelf.poll() == Saved()
    (error,) = shelf.poll().errors
    assert "cannot be read" in str(error)
    assert up_of(shelf, "mine") == "#111111"
    written(tmp_path, "mine.toml", named("mine", "#222222"))
    assert [theme.name for theme in shelf.poll().themes] == ["mine"]
    extra.unlink()
    assert shelf.poll() == Saved()
    assert len(shelf.poll().errors) == 1


def test_folders_that_are_none(tmp_path: Path) -> None:
    file = written(tmp_path, "file", "")
    assert Shelf((tmp_path / "none", file)).poll() == Saved()


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_the_number_of_files(tmp_path: Path, extra: int) -> None:
    for at in range(FILES_MAX + extra):
        written(tmp_path, f"{at:04}.toml", named(f"n{at}"))
    shelf = Shelf((tmp_path,))
    names = {theme.name for theme in shelf.poll().themes}
    assert names == {f"n{at}" for at in range(min(FILES_MAX, FILES_MAX + extra))}


def test_the_number_of_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelves, "ENTRIES_MAX", 3)
    for at in range(5):
        written(tmp_path, f"{at}.toml", named(f"n{at}"))
    assert len(Shelf((tmp_path,)).poll().themes) == 3
