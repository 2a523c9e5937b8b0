"""The table of requests: complete, bounded, and the same on both ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from udplb.core.settings import WEIGHT_MAX
from udplb.engine.control.requests import (
    CLOSES_MAX,
    INTERVAL_MAX_S,
    INTERVAL_MIN_S,
    REQUESTS,
    WITHOUT_MAX,
    AnyRequest,
    Change,
    CloseFlows,
    Drain,
    Request,
    Subscribe,
    answer_type,
)


def decoded(**fields: Any) -> Any:
    """The request that a client spells with these fields."""
    return msgspec.convert(fields, AnyRequest)


def test_the_table_has_every_request() -> None:
    known: list[type[Any]] = [Request, Change]
    for kind in known:
        known += [each for each in kind.__subclasses__() if each not in known]
    assert set(REQUESTS) == set(known) - {Request, Change}
    tags = [kind.__struct_config__.tag for kind in REQUESTS]
    assert len(set(tags)) == len(tags)
    # DESIGN.md, Control: what there has to be.
    assert {
        "status", "listeners", "clusters", "backends", "flows", "explain", "drain", "undrain",
        "set_weight", "add_backend", "remove_backend", "close_flows", "reload", "diff", "save",
        "revert", "subscribe", "file", "lock",
    } == set(tags)  # fmt: skip


@pytest.mark.parametrize("kind", REQUESTS)
def test_each_says_what_it_is_and_what_it_answers(kind: type[Request[Any]]) -> None:
    assert kind.__doc__
    assert kind.changes is issubclass(kind, Change)
    assert ("generation" in kind.__struct_fields__) is kind.changes
    msgspec.json.Decoder(answer_type(kind))  # TypeError for what no client could read


def test_nothing_in_a_request_can_be_changed() -> None:
    with pytest.raises(AttributeError):
        Drain(cluster="c", backend="b").cluster = "d"  # type: ignore[misc]


MANY = [1] * CLOSES_MAX
BACKEND = {"cluster": "c", "backend": "b"}


@pytest.mark.parametrize(
    ("fields", "key", "inside", "outside"),
    [
        ({"request": "set_weight", **BACKEND}, "weight", [0, WEIGHT_MAX], [-1, WEIGHT_MAX + 1]),
        ({"request": "drain", **BACKEND}, "deadline_s", [0, 86_400.0], [-0.001, 86_400.001]),
        ({"request": "drain", **BACKEND}, "at_deadline", ["move", "close"], ["keep", ""]),
        ({"request": "undrain", "cluster": "c"}, "backend", ["b", "b" * 256], ["", "b" * 257]),
        ({"request": "close_flows"}, "flows", [[1], MANY], [[0], [*MANY, 1]]),
        ({"request": "close_flows"}, "filter", ["x", "x" * 256], ["", "x" * 257]),
        (
            {"request": "explain", "listener": "l", "client": "192.0.2.1"},
            "without",
            [[], ["b"] * WITHOUT_MAX],
            [[""], ["b"] * (WITHOUT_MAX + 1)],
        ),
        (
            {"request": "subscribe"},
            "interval_s",
            [INTERVAL_MIN_S, INTERVAL_MAX_S],
            [INTERVAL_MIN_S - 0.001, INTERVAL_MAX_S + 0.001],
        ),
    ],
)  # fmt: skip
def test_fields_are_bounded(
    fields: Mapping[str, Any], key: str, inside: list[Any], outside: list[Any]
) -> None:
    for value in inside:
        assert decoded(**fields, **{key: value})
    for value in outside:
        with pytest.raises(msgspec.ValidationError, match=key):
            decoded(**fields, **{key: value})


def test_what_no_request_has_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `deadlines`"):
        decoded(request="drain", cluster="c", backend="b", deadlines=1)
    with pytest.raises(msgspec.ValidationError, match="missing required field `backend`"):
        decoded(request="drain", cluster="c")
    with pytest.raises(msgspec.ValidationError, match="'drains'"):
        decoded(request="drains")


def test_numbers_of_flows_are_kept_in_order() -> None:
    assert decoded(request="close_flows", flows=[3, 1, 2]) == CloseFlows(flows=(3, 1, 2))


def test_an_older_proxy_is_told_nothing_of_what_was_not_asked_for() -> None:
    """It refuses fields that it does not know."""
    assert msgspec.json.decode(msgspec.json.encode(Subscribe())) == {"request": "subscribe"}
    told = msgspec.json.decode(msgspec.json.encode(Subscribe(id=3, tap=7, interval_s=0.25)))
    assert told == {"request": "subscribe", "id": 3, "tap": 7, "interval_s": 0.25}


@pytest.mark.parametrize(("flow", "good"), [(0, False), (1, True), (-1, False), ("x", False)])
def test_a_tap_is_the_number_of_a_flow(flow: object, good: bool) -> None:
    line = msgspec.json.encode({"request": "subscribe", "tap": flow})
    if good:
        assert msgspec.json.decode(line, type=Subscribe) == Subscribe(tap=1)
    else:
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(line, type=Subscribe)
