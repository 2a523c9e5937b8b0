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
from udplb.tui.actions import ACTIONS, BY_NAME, FIRST, GROUPS, Action, bindings

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


def test_every_action_has_a_binding_that_can_be_bound_anew() -> None:
    made = {binding.id: binding for binding in bindings()}
    assert made.keys() == BY_NAME.keys()
    for name, binding in made.items():
        assert isinstance(binding, Binding)
        assert binding.action == f"do('{name}')"
    assert [binding.id for binding in bindings() if binding.id in FIRST] == [
        each.id for each in list(bindings())[: len(FIRST)]
    ], "what nobody may miss stands first in the footer"
