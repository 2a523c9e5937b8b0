"""The table of actions: one key each, one method each, and capitals for what changes the proxy."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from textual.binding import Binding

import udplb.tui
from udplb.tui.actions import ACTIONS, BY_NAME, DEFAULTS, FIRST, GROUPS, Action

ROOM = Path(udplb.tui.__file__).parent
OF_THE_CONSOLE = ("asides.py", "acting.py", "console.py")


def classes() -> Iterator[type]:
    """All classes of the console."""
    for path in sorted(ROOM.rglob("*.py")):
        parts = path.relative_to(ROOM.parent.parent).with_suffix("").parts
        module = import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
        for _, each in inspect.getmembers(module, inspect.isclass):
            if each.__module__ == module.__name__:
                yield each


METHODS = {
    name.removeprefix("do_"): each
    for each in classes()
    for name in vars(each)
    if name.startswith("do_")
}


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_every_action_is_carried_out_somewhere(action: Action) -> None:
    assert action.name in METHODS


def test_every_method_stands_in_the_table() -> None:
    assert sorted(METHODS.keys() - BY_NAME.keys()) == []


def test_no_key_and_no_name_is_there_twice() -> None:
    keys = Counter(key for action in ACTIONS for key in action.keys)
    assert [key for key, count in keys.items() if count > 1] == []
    assert len(BY_NAME) == len(ACTIONS)


def test_caps_lock_is_harmless_and_lower_case_changes_nothing() -> None:
    """What changes the proxy needs Shift or Ctrl."""
    for action in ACTIONS:
        for key in action.keys:
            changes = (len(key) == 1 and key.isupper()) or key.startswith("ctrl+")
            if action.changes:
                assert changes, action
            if len(key) == 1 and key.islower():
                assert not action.changes, action


def test_every_action_says_what_it_is_for() -> None:
    for action in ACTIONS:
        assert action.group in GROUPS
        assert action.sentence
        assert action.title
        assert len(action.title) <= 14
        assert len(action.sentence) <= 60


def test_every_action_has_its_binding() -> None:
    made = [*DEFAULTS.bindings()]
    assert sorted(each.action for each in made) == sorted(f"do('{name}')" for name in BY_NAME)
    for binding in made:
        assert isinstance(binding, Binding)
        action = BY_NAME[binding.action[len("do('") : -len("')")]]
        assert binding.key.split(",") == [*action.keys]
        assert (binding.key_display, binding.show) == (action.key, action.footer)
    first = [each.action for each in made[: len(FIRST)]]
    assert sorted(first) == sorted(f"do('{name}')" for name in FIRST), "nobody may miss them"


def test_keys_are_shown_as_people_read_them() -> None:
    shown = {action.name: action.key for action in ACTIONS}
    assert {name: shown[name] for name in ("help", "problem", "filter", "faster", "slower")} == {
        "help": "?", "problem": "!", "filter": "/", "faster": "+", "slower": "-",
    }  # fmt: skip
    assert shown["down"] == "j ↓"
    assert (shown["remove"], shown["open"], shown["back"]) == ("^D", "Enter", "Esc")


def test_a_table_with_other_keys() -> None:
    table = DEFAULTS.rebound({"drain": ("ctrl+x", "f5"), "down": ("n",)})
    assert (table["drain"].keys, table["drain"].key) == (("ctrl+x", "f5"), "^X")
    assert table["down"].key == "n", "the usual keys are not shown any more"
    assert [each.name for each in table.named_by("f5")] == ["drain"]
    assert [*table.named_by("D")] == []
    assert len([*table]) == len(ACTIONS)
    assert DEFAULTS["drain"].keys == ("D",), "that of others is as it was"


def test_lines_to_type_in_are_left_with_escape_whatever_back_is() -> None:
    table = DEFAULTS.rebound({"back": ("b",), "next_part": ("n",)})
    assert table["back"].keys == ("b", "escape")
    assert table["back"].key == "b"
    assert table["next_part"].keys == ("n", "tab")
