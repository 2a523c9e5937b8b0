"""Names of keys: those that Textual has, as people write and read them."""

from __future__ import annotations

import pytest

from udplb.tui.actions import ACTIONS
from udplb.tui.key_names import NAMED, RESERVED, SENT_AS, is_deliberate, read_key, sign_of


@pytest.mark.parametrize(
    ("text", "key", "sign"),
    [
        ("D", "D", "D"), ("?", "question_mark", "?"), (",", "comma", ","), ("5", "5", "5"),
        ("ä", "ä", "ä"), (" ", "space", "Space"), ("space", "space", "Space"), ("-", "minus", "-"),
        ("question_mark", "question_mark", "?"), ("ctrl+x", "ctrl+x", "^X"), ("f5", "f5", "F5"),
        ("pagedown", "pagedown", "PgDn"), ("ctrl+pageup", "ctrl+pageup", "Ctrl+PgUp"),
        ("shift+up", "shift+up", "Shift+↑"), ("alt+x", "alt+x", "Alt+x"),
        ("alt+shift+x", "alt+shift+x", "Alt+Shift+x"), ("/", "slash", "/"), ("+", "plus", "+"),
        ("ctrl+backslash", "ctrl+backslash", "^\\"), ("enter", "enter", "Enter"),
    ],
)  # fmt: skip
def test_a_key_is_read_and_shown(text: str, key: str, sign: str) -> None:
    assert read_key(text) == key
    assert read_key(key) == key, "what it is called can be written, too"
    assert sign_of(key) == sign


@pytest.mark.parametrize(
    "text", ["", "ctlr+x", "shift+d", "DD", "<any>", "ctrl-at", "\x1b", "\n", "ctrl+x,y", "alt+?"]
)
def test_what_is_no_key(text: str) -> None:
    assert read_key(text) is None


def test_every_key_of_ours_can_be_written() -> None:
    for action in ACTIONS:
        for key in action.keys:
            assert read_key(key) == key
    assert {*RESERVED} <= NAMED


def test_capitals_and_ctrl_are_deliberate() -> None:
    assert all(map(is_deliberate, ("D", "Ä", "ctrl+d", "ctrl+f5")))
    assert not any(map(is_deliberate, ("d", "5", "f5", "alt+shift+d", "space", "question_mark")))


def test_what_terminals_send_as_another_key_is_known_as_that() -> None:
    for other in SENT_AS.values():
        assert other in NAMED
