"""Spelling: every change as a command line, which the CLI reads back (tests/cli/test_acting.py)."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from udplb.config.kinds import Duration
from udplb.engine.control.requests import (
    REQUESTS,
    AddBackend,
    Change,
    CloseFlows,
    Drain,
    Reload,
    RemoveBackend,
    Revert,
    Save,
    SetWeight,
    Status,
    Undrain,
)
from udplb.engine.control.spelling import FLOWS_SPELLED_MAX, command_line

NAMED: dict[str, Any] = {"cluster": "dns", "backend": "a"}

LINES: list[tuple[Change[Any], str]] = [
    (Drain(**NAMED), "drain dns/a"),
    (Drain(deadline_s=0.0, **NAMED), "drain dns/a --deadline 0s"),
    (Drain(deadline_s=60.0, **NAMED), "drain dns/a --deadline 60s"),
    (Drain(deadline_s=0.5, **NAMED), "drain dns/a --deadline 0.5s"),
    (
        Drain(deadline_s=1.0, at_deadline="move", **NAMED),
        "drain dns/a --deadline 1s --at-deadline move",
    ),
    (Drain(at_deadline="move", **NAMED), "drain dns/a"),
    (Undrain(**NAMED), "undrain dns/a"),
    (SetWeight(weight=0, **NAMED), "weight dns/a 0"),
    (
        AddBackend(cluster="dns", address="10.0.0.1:53", name="new", weight=3),
        "add dns 10.0.0.1:53 --name new --weight 3",
    ),
    (RemoveBackend(**NAMED), "remove dns/a"),
    (CloseFlows(flows=(1, 2)), "close 1 2"),
    (CloseFlows(filter="backend=a idle>5s"), "close --filter 'backend=a idle>5s'"),
    (Reload(), "reload"),
    (Save(), "save"),
    (Revert(), "revert"),
    (Revert(cluster="dns"), "revert dns"),
    (Revert(**NAMED), "revert dns/a"),
]


@pytest.mark.parametrize(("request_", "line"), LINES)
def test_a_change_is_one_command_line(request_: Change[Any], line: str) -> None:
    assert command_line(request_) == f"udplb {line}"


def test_every_change_of_the_table_has_one() -> None:
    assert {type(request) for request, _ in LINES} == {each for each in REQUESTS if each.changes}


def test_what_changes_nothing_has_none() -> None:
    with pytest.raises(AssertionError):
        command_line(Status())  # type: ignore[arg-type]


def test_many_flows_are_cut_short() -> None:
    most = tuple(range(1, FLOWS_SPELLED_MAX + 1))
    assert command_line(CloseFlows(flows=most)) == "udplb close 1 2 3 4 5"
    assert command_line(CloseFlows(flows=(*most, 6))) == "udplb close 1 2 3 4 5 ..."


@given(some.text(min_size=1, max_size=40))
def test_whatever_the_words_are_it_is_one_line_that_a_shell_takes_apart(word: str) -> None:
    line = command_line(Drain(cluster="c", backend=word))
    assert line.isprintable()
    if word.isprintable():
        assert shlex.split(line) == ["udplb", "drain", f"c/{word}"]


@given(some.floats(min_value=0, max_value=86_400))
def test_every_deadline_is_a_duration_as_the_file_writes_them(span: float) -> None:
    words = shlex.split(command_line(Drain(deadline_s=span, **NAMED)))
    assert words[:4] == ["udplb", "drain", "dns/a", "--deadline"]
    assert Duration("0s", "24h").read(words[4]) == pytest.approx(span, abs=1e-6)
