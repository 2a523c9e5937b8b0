"""Places: the same ones for those who serve and those who ask."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from udplb.engine.control.places import (
    PATH_BYTES_MAX,
    ControlSocketError,
    NoPlaceError,
    check_path,
    is_socket,
    place_to_serve,
    places,
    places_to_ask,
)


def test_the_order_of_places() -> None:
    environment = {"RUNTIME_DIRECTORY": "/run/a:/run/b", "XDG_RUNTIME_DIR": "/run/user/0"}
    assert list(map(str, places(environment))) == [
        "/run/a/udplb.sock",
        "/run/user/0/udplb.sock",
        "/run/udplb/udplb.sock",
        "/run/udplb.sock",
    ]
    fixed = ["/run/udplb/udplb.sock", "/run/udplb.sock"]
    assert list(map(str, places({}))) == fixed
    relative = {"RUNTIME_DIRECTORY": "", "XDG_RUNTIME_DIR": "here"}
    assert list(map(str, places(relative))) == fixed, "what is no absolute path is no place"
    twice = {"RUNTIME_DIRECTORY": "/run/udplb", "XDG_RUNTIME_DIR": "/run"}
    assert list(map(str, places(twice))) == fixed


def test_the_first_that_can_be_written_to_serves(tmp_path: Path) -> None:
    environment = {"RUNTIME_DIRECTORY": str(tmp_path / "no"), "XDG_RUNTIME_DIR": str(tmp_path)}
    assert place_to_serve("auto", environment) == tmp_path / "udplb.sock"
    (tmp_path / "no").mkdir()
    assert place_to_serve("auto", environment) == tmp_path / "no/udplb.sock"


def test_a_place_that_is_too_long_is_none(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    environment = {"RUNTIME_DIRECTORY": str(long), "XDG_RUNTIME_DIR": str(tmp_path)}
    assert place_to_serve("auto", environment) == tmp_path / "udplb.sock"


def test_no_place_at_all_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(NoPlaceError) as caught:
        place_to_serve("auto", {"XDG_RUNTIME_DIR": str(tmp_path)})
    assert str(caught.value) == (
        f"control socket: none of {tmp_path}, /run/udplb, /run can be written to;"
        ' set control_socket to a path, or to "off"'
    )


def test_a_path_is_taken_and_off_is_off(tmp_path: Path) -> None:
    assert place_to_serve("off", {}) is None
    assert place_to_serve("/a/b.sock", {}) == Path("/a/b.sock")


@pytest.mark.parametrize(("beyond", "fits"), [(-1, True), (0, True), (1, False)])
def test_a_path_has_its_limit(beyond: int, fits: bool, tmp_path: Path) -> None:
    size = PATH_BYTES_MAX + beyond - len(os.fsencode(tmp_path)) - 1
    path = tmp_path / ("ä" * (size // 2) + "x" * (size % 2))
    with socket.socket(socket.AF_UNIX) as sock:
        if fits:
            check_path(path)
            sock.bind(str(path))
        else:
            with pytest.raises(ControlSocketError, match=rf"at most {PATH_BYTES_MAX} bytes.*108"):
                place_to_serve(str(path), {})


def test_a_path_that_no_file_can_have() -> None:
    with pytest.raises(ControlSocketError, match="NUL"):
        check_path(Path("/a\0b"))
    with pytest.raises(ControlSocketError) as caught:
        check_path(Path("/\x1b[2J" + "x" * 200))
    assert str(caught.value).isprintable()
    assert not is_socket(Path("/a\0b"))


def test_where_to_ask() -> None:
    environment = {"UDPLB_SOCKET": "/named", "XDG_RUNTIME_DIR": "/run/user/0"}
    assert places_to_ask(Path("/given"), environment) == [Path("/given")]
    assert places_to_ask(None, environment) == [Path("/named")]
    environment["UDPLB_SOCKET"] = ""
    assert places_to_ask(None, environment) == places(environment)


def test_what_is_a_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "s"))
    (tmp_path / "f").touch()
    assert is_socket(tmp_path / "s")
    assert not is_socket(tmp_path / "f")
    assert not is_socket(tmp_path)
    assert not is_socket(tmp_path / "none")
