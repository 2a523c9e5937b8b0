"""Settings: what the user's file means, and every mistake in it, in one go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udplb.tui.actions import ACTIONS, DEFAULTS
from udplb.tui.settings import (
    FILE_SIZE_MAX,
    PROBLEMS_MAX,
    NamedProxy,
    Settings,
    UnknownProxyError,
    load_settings,
    parse_settings,
)

THEMES = ("dark", "light", "red")


def parsed(text: str) -> Settings:
    return parse_settings(text, "console.toml", THEMES)


def mistakes(text: str) -> list[str]:
    return [str(problem) for problem in parsed(text).problems]


def keys_of(name: str, keys: str) -> tuple[str, ...]:
    settings = parsed(f"[console.keys]\n{name} = {keys}\n")
    assert settings.problems == ()
    return settings.actions[name].keys


# The file


def test_no_file_means_the_usual(tmp_path: Path) -> None:
    for environ in ({}, {"HOME": str(tmp_path)}, {"XDG_CONFIG_HOME": str(tmp_path / "none")}):
        assert load_settings(environ, THEMES) == Settings()
    assert Settings().actions is DEFAULTS


@pytest.mark.parametrize("variable", ["XDG_CONFIG_HOME", "HOME"])
def test_where_it_is(tmp_path: Path, variable: str) -> None:
    folder = tmp_path / "udplb" if variable != "HOME" else tmp_path / ".config" / "udplb"
    folder.mkdir(parents=True)
    (folder / "console.toml").write_text('console.keys.drain = "ctrl+x"\n')
    settings = load_settings({variable: str(tmp_path)}, THEMES)
    assert settings.actions["drain"].keys == ("ctrl+x",)


@pytest.mark.parametrize("extra", [0, 1])
def test_how_large_it_may_be(tmp_path: Path, extra: int) -> None:
    (tmp_path / "udplb").mkdir()
    line = "#" * 99 + "\n"
    text = line * (FILE_SIZE_MAX // len(line))
    text += "#" * (FILE_SIZE_MAX + extra - len(text))
    (tmp_path / "udplb" / "console.toml").write_text(text)
    settings = load_settings({"XDG_CONFIG_HOME": str(tmp_path)}, THEMES)
    told = [str(each) for each in settings.problems]
    if extra:
        assert "larger than 1024 KiB" in told[0]
    else:
        assert told == []


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "udplb"
    folder.mkdir()
    os.mkfifo(folder / "console.toml")
    settings = load_settings({"XDG_CONFIG_HOME": str(tmp_path)}, THEMES)
    assert settings.actions is DEFAULTS
    assert "is not a regular file" in str(settings.problems[0])


def test_no_toml_is_told_with_its_line() -> None:
    assert mistakes("[console.keys]\ndrain = \n")[0].startswith("console.toml:2: not valid TOML")


# Keys


def test_other_keys() -> None:
    assert keys_of("drain", '"ctrl+x"') == ("ctrl+x",)
    assert keys_of("help", '"h"') == ("h",)
    assert keys_of("filter", '["&", "f7", "&"]') == ("ampersand", "f7")
    assert keys_of("back", '"b"') == ("b", "escape")


def test_two_actions_may_change_their_keys() -> None:
    settings = parsed('[console.keys]\ndrain = "U"\nundrain = "D"\n')
    assert settings.problems == ()
    assert settings.actions["drain"].keys == ("U",)
    assert settings.actions["undrain"].keys == ("D",)
    settings = parsed('[console.keys]\nunits = "v"\nwhich = "u"\n')
    assert settings.problems == (), "a key that was given up is free"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('drian = "ctrl+x"', "drian: unknown action; did you mean drain?"),
        ('zzz = "ctrl+x"', "zzz: unknown action; known: overview, backends, "),
        ('drain = "crtl+x"', 'drain: no key "crtl+x"; did you mean ctrl+x?'),
        ('drain = "%%%%"', 'drain: no key "%%%%"; a key is written "D", "?", "ctrl+x"'),
        ('drain = ""', 'drain: no key ""'),
        ("drain = 7", "drain: is 7; a text is wanted"),
        ('drain = ["X", 7]', "drain[1]: is 7; a text is wanted"),
        ("drain = []", "drain: is an empty array; an action has at least one key"),
        ('drain = "x"', 'drain: is "x"; what changes the proxy has a capital or a key with ctrl'),
        ('drain = "f5"', 'drain: is "f5"; what changes the proxy has a capital'),
        ('units = "ctrl+q"', 'units: "ctrl+q" is reserved: it always leaves the console'),
        ('units = "ctrl+c"', 'units: "ctrl+c" is reserved: it always says how to leave'),
        ('palette = "ctrl+p"', 'palette: "ctrl+p" is reserved: it always opens the palette'),
        ('units = "escape"', 'units: "escape" is reserved: it always goes back'),
        ('units = "ctrl+i"', 'units: terminals send "ctrl+i" as "tab"'),
        ('units = "p"', 'units: "p" is the key of pause, too; give pause another one'),
        ('units = "\\u001b[2J"', r'units: no key "\x1b[2J"'),
    ],
)
def test_a_mistake_leaves_all_keys_as_they_were(line: str, said: str) -> None:
    settings = parsed(f'[console.keys]\nflows = "F"\n{line}\n')
    told = [str(each) for each in settings.problems]
    assert len(told) == 1, told
    assert told[0].startswith(f"console.toml:3: console.keys.{said}"), told[0]
    assert "\x1b" not in told[0]
    assert settings.actions is DEFAULTS


def test_both_are_told_where_both_were_given_one_key() -> None:
    told = mistakes('[console.keys]\ndrain = "X"\nundrain = "X"\n')
    assert [each.split(" is the key of ")[1].split(",")[0] for each in told] == ["undrain", "drain"]


# Proxies


def test_proxies_that_have_a_name() -> None:
    settings = parsed('[attach.prod]\nsocket = "/run/a.sock"\ntheme = "red"\n'
                      '[attach."the other"]\nsocket = "/run/b.sock"\n')  # fmt: skip
    assert settings.problems == ()
    assert settings.proxies == (
        NamedProxy("prod", Path("/run/a.sock"), "red"),
        NamedProxy("the other", Path("/run/b.sock")),
    )
    assert settings.socket_of("prod") == Path("/run/a.sock")
    assert settings.socket_of("./prod") == Path("prod"), "a path has a slash"


def test_a_path_may_begin_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ana")
    settings = parsed('[attach.lab]\nsocket = "~/udplb.sock"\n')
    assert settings.proxies[0].socket == Path("/home/ana/udplb.sock")


def test_a_file_is_a_path_and_a_folder_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = parsed('[attach.prod]\nsocket = "/run/a.sock"\n')
    (tmp_path / "prod").mkdir()
    assert settings.socket_of("prod") == Path("/run/a.sock")
    (tmp_path / "prod").rmdir()
    (tmp_path / "prod").touch()
    assert settings.socket_of("prod") == Path("prod")


def test_a_name_that_nobody_has_is_told_with_those_that_there_are() -> None:
    with pytest.raises(UnknownProxyError, match=r'no proxy "prod"; \[attach.NAME\] in console'):
        Settings().socket_of("prod")
    settings = parsed('[attach.prod]\nsocket = "/a"\n[attach.lab]\nsocket = "/b"\n')
    with pytest.raises(UnknownProxyError, match=r"did you mean prod\? known: prod or lab"):
        settings.socket_of("prd")


def test_a_proxy_is_known_by_any_path_to_its_socket(tmp_path: Path) -> None:
    socket, link = tmp_path / "a.sock", tmp_path / "link"
    socket.touch()
    link.symlink_to(socket)
    text = (f'[attach.plain]\nsocket = "{socket}"\n'
            f'[attach.prod]\nsocket = "{socket}"\ntheme = "red"\n')  # fmt: skip
    settings = parsed(text)
    assert settings.problems == ()
    for path in (socket, link, tmp_path / "x" / ".." / "a.sock"):
        found = settings.proxy_at(path)
        assert found is not None
        assert found.theme == "red", "what marks it is not to be missed"
    assert settings.proxy_at(tmp_path / "b.sock") is None


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('theme = "red"', "prod.socket: is missing; the path of its control socket"),
        ('socket = "udplb.sock"', 'prod.socket: is "udplb.sock"; a path from / or ~ on'),
        ("socket = 7", "prod.socket: is 7; a path from / or ~ on, at most 107 bytes"),
        (f'socket = "/{"a" * 107}"', 'prod.socket: is "/aaa'),
        ('socket = "/a\\u0000"', r'prod.socket: is "/a\x00"'),
        ('socket = "/a"\ntheme = "rde"', 'prod.theme: no theme "rde"; did you mean red?'),
        (
            'socket = "/a"\ntheme = []',
            "prod.theme: no theme an array; there are dark, light or red",
        ),
        ('socket = "/a"\nsoket = "/b"', "prod.soket: unknown key; did you mean socket?"),
    ],
)
def test_a_proxy_with_a_mistake_is_left_out_and_the_rest_holds(table: str, said: str) -> None:
    text = ('[console.keys]\ndrain = "ctrl+x"\n'
            f'[attach.lab]\nsocket = "/b"\n[attach.prod]\n{table}\n')  # fmt: skip
    settings = parsed(text)
    told = [str(each) for each in settings.problems]
    assert len(told) == 1, told
    assert f": attach.{said}" in told[0]
    assert [each.name for each in settings.proxies] == ["lab"]
    assert settings.actions["drain"].keys == ("ctrl+x",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("consol = 1", "consol: unknown key; did you mean console?"),
        ("console = 1", "console: is 1; a table is wanted"),
        ("console.keys = 1", "console.keys: is 1; a table is wanted"),
        ("console.key = 1", "console.key: unknown key; did you mean keys?"),
        ("attach = 1", "attach: is 1; a table is wanted"),
        ("attach.prod = 1", "attach.prod: is 1; a table is wanted"),
        ('[attach."a/b"]\nsocket = "/a"', 'attach."a/b": "a/b" is no name; 1 to'),
    ],
)
def test_what_stands_in_the_wrong_place(text: str, said: str) -> None:
    told = mistakes(text)
    assert len(told) == 1, told
    assert said in told[0]


def test_all_mistakes_come_in_one_go_and_not_without_end() -> None:
    text = '[console.keys]\ndrian = "x"\nunits = "p"\n[attach.prod]\ntheme = "rde"\n'
    told = mistakes(text)
    assert len(told) == 4
    line = Settings(problems=parsed(text).problems).told(":")
    assert line.startswith("4 mistakes in the settings (: Mistakes): console.toml:2:")
    one = parsed("a = 1")
    assert one.told(":") == str(one.problems[0])
    many = mistakes("".join(f"a{n} = 1\n" for n in range(PROBLEMS_MAX + 5)))
    assert many[-1] == "console.toml: and 5 more"
    assert len(many) == PROBLEMS_MAX + 1


@given(
    st.dictionaries(
        st.sampled_from([action.name for action in ACTIONS]),
        st.sampled_from(["a", "D", "ctrl+x", "f5", "?", "X", "tab", "crtl", "p"]),
        max_size=5,
    )
)
def test_whatever_is_wanted_no_key_does_two_things(wanted: dict[str, str]) -> None:
    lines = "".join(f'{name} = "{key}"\n' for name, key in wanted.items())
    settings = parsed(f"[console.keys]\n{lines}")
    keys = [key for action in settings.actions for key in action.keys]
    assert len(keys) == len(set(keys))
    if settings.problems:
        assert settings.actions is DEFAULTS
    for action in settings.actions:
        for key in action.keys:
            assert not (action.changes and len(key) == 1 and key.islower())


@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    for problem in parsed(text).problems:
        assert str(problem).isprintable()
