"""Commands are a closed union of immutable tuples that name what they concern."""

from __future__ import annotations

from typing import get_args

import pytest

from tests.core.test_flow import new_flow
from udplb.core.commands import CloseUpstream, Command, OpenUpstream, Postpone
from udplb.core.reasons import CloseReason
from udplb.core.train import Train


def test_the_union_is_of_tuples_with_names() -> None:
    for command in get_args(Command):
        assert issubclass(command, tuple)
        assert ("flow" in command._fields) is (command is not Postpone)


def test_commands_are_immutable() -> None:
    command = OpenUpstream(new_flow(), Train.of([b"x"]))
    with pytest.raises(AttributeError):
        command.flow = new_flow()  # type: ignore[misc]
    flow, reason = CloseUpstream(command.flow, CloseReason.IDLE)
    assert (flow, reason) == (command.flow, "idle")
