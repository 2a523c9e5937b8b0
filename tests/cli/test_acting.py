from __future__ import annotations

import shlex
from typing import Any

import msgspec
import pytest

from tests.cli.conftest import Run
from tests.show.pictures import window
from udplb.engine.control.requests import (
    CLOSES_MAX,
    AddBackend,
    Change,
    Closed,
    CloseFlows,
    Done,
    Drain,
    Flows,
    Reload,
    RemoveBackend,
    Request,
    Revert,
    Save,
    SetWeight,
    Undrain,
)
from udplb.engine.control.spelling import command_line
from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import FlowWindow

DONE = Done(sentences=("dns/a: so it is now",), generation=3, warnings=("mind the gap",))
NAMED: dict[str, Any] = {"cluster": "dns", "backend": "a"}
CHANGES: list[tuple[str, Change[Any]]] = [
    ("drain dns/a", Drain(**NAMED)),
    ("drain dns/10.0.0.1:53", Drain(cluster="dns", backend="10.0.0.1:53")),
    ("drain dns/[2001:db8::1]:53", Drain(cluster="dns", backend="[2001:db8::1]:53")),
    ("drain dns/a/b", Drain(cluster="dns", backend="a/b")),
    ("drain dns/a --deadline 60s", Drain(deadline_s=60.0, **NAMED)),
    ("drain dns/a --deadline 2m", Drain(deadline_s=120.0, **NAMED)),
    ("drain dns/a --deadline 500ms", Drain(deadline_s=0.5, **NAMED)),
    ("drain dns/a --deadline 90", Drain(deadline_s=90.0, **NAMED)),
    ("drain dns/a --deadline 0", Drain(deadline_s=0.0, **NAMED)),
    ("drain dns/a --deadline 86400", Drain(deadline_s=86_400.0, **NAMED)),
    (
        "drain dns/a --deadline 1h --at-deadline close",
        Drain(deadline_s=3_600.0, at_deadline="close", **NAMED),
    ),
    ("undrain dns/a", Undrain(**NAMED)),
    ("weight dns/a 0", SetWeight(weight=0, **NAMED)),
    ("weight dns/a 1000", SetWeight(weight=1_000, **NAMED)),
    ("add dns 10.0.0.1:53", AddBackend(cluster="dns", address="10.0.0.1:53")),
    (
        "add dns [2001:DB8::0:1]:53 --name edge-4 --weight 2",
        AddBackend(cluster="dns", address="[2001:db8::1]:53", name="edge-4", weight=2),
    ),
    ("remove dns/a", RemoveBackend(**NAMED)),
    ("reload", Reload()),
    ("save", Save()),
    ("revert", Revert()),
    ("revert dns", Revert(cluster="dns")),
    ("revert dns/a", Revert(**NAMED)),
]


@pytest.mark.parametrize(("line", "change"), CHANGES)
def test_the_request_is_exactly_this(run: Run, line: str, change: Change[Any]) -> None:
    ran = run(line, DONE)
    assert ran.client.asked == [change]
    assert (ran.code, ran.out) == (0, "dns/a: so it is now\n")
    assert ran.err == "udplb: warning: mind the gap\n"
    assert ran.client.closed


@pytest.mark.parametrize(("line", "change"), CHANGES)
def test_what_events_spell_can_be_typed(run: Run, line: str, change: Change[Any]) -> None:
    program, *words = shlex.split(command_line(change))
    assert program == "udplb"
    assert run(words, DONE).client.asked == [change]


@pytest.mark.parametrize(("line", "change"), CHANGES)
def test_nothing_had_to_be_changed(run: Run, line: str, change: Change[Any]) -> None:
    ran = run(line, Done(sentences=(), generation=3))
    assert (ran.code, ran.err) == (0, "")
    assert len(ran.out.splitlines()) == 1


@pytest.mark.parametrize(("line", "change"), CHANGES)
def test_json_is_the_answer(run: Run, line: str, change: Change[Any]) -> None:
    ran = run(f"{line} --json", DONE)
    assert msgspec.json.decode(ran.out, type=Done) == DONE


BAD: list[tuple[list[str], str]] = [
    (["drain", "edge-3"], '"edge-3" names no backend; write CLUSTER/BACKEND, as dns/edge-3'),
    (["drain", "/a"], "CLUSTER/BACKEND"),
    (["drain", "dns/"], "CLUSTER/BACKEND"),
    (["drain", "dns/" + "x" * 257], "more than 256 characters"),
    (["drain"], "CLUSTER/BACKEND"),
    (["drain", "dns/a", "dns/b"], 'no place for "dns/b"'),
    (["drain", "dns/a", "--deadline", "soon"], '--deadline: found "soon"'),
    (["drain", "dns/a", "--deadline", "-1s"], "--deadline"),
    (["drain", "dns/a", "--deadline", "25h"], "from 0s to 24h"),
    (["drain", "dns/a", "--deadline", "nan"], "from 0s to 24h"),
    (["drain", "dns/a", "--deadline", "1e9"], "from 0s to 24h"),
    (["drain", "dns/a", "--deadline", "1s", "--at-deadline", "mov"], 'Did you mean "move"?'),
    (["drain", "dns/a", "--at-deadline", "move"], "--at-deadline goes with --deadline"),
    (["drain", "dns/a", "--wait", "--json"], "--json does not go with --wait"),
    (["drain", "dns/a", "--wiat"], "Did you mean --wait?"),
    (["undrain", "dns/a", "--wait"], "Unknown option: --wait"),
    (["weight", "dns/a", "1001"], "NUMBER: found 1001; allowed: a whole number from 0 to 1000"),
    (["weight", "dns/a", "-1"], "NUMBER: found -1"),
    (["weight", "dns/a", "two"], "NUMBER"),
    (["weight", "dns/a"], "NUMBER"),
    (["add", "dns", "10.0.0.1"], "no port"),
    (["add", "dns", "example.com:53"], "host names are not looked up"),
    (["add", "dns", "0.0.0.0:53"], "a wildcard is no backend"),
    (["add", "dns", "10.0.0.1:53", "--name", ""], "--name"),
    (["add", "dns", "10.0.0.1:53", "--name", "\x1b[31m"], "--name"),
    (["add", "dns", "10.0.0.1:53", "--weight", "1001"], "--weight"),
    (["add", "", "10.0.0.1:53"], "the name of the cluster is empty"),
    (["revert", "dns/"], "CLUSTER/BACKEND"),
    (["revert", ""], "the name of the cluster is empty"),
    (["close"], "say which"),
    (["close", "1", "--filter", "x"], "say which"),
    (["close", "0"], "numbers from 1 on"),
    (["close", "x"], "FLOWS"),
    (["close", "--filter", ""], "an empty filter means all flows"),
    (["close", "--filter", " "], "an empty filter means all flows"),
    (["close", "--filter", "backnd=x"], 'did you mean "backend"?'),
    (["close", *map(str, range(1, CLOSES_MAX + 2))], "10,000 at most"),
]


@pytest.mark.parametrize(("line", "said"), BAD)
def test_bad_usage_is_said_before_anybody_is_asked(run: Run, line: list[str], said: str) -> None:
    ran = run(line)
    assert ran.code == 2
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1
    assert ran.err.rstrip("\n").isprintable()
    assert ran.client.socket == "nobody connected"


# close


def test_flows_by_number(run: Run) -> None:
    ran = run("close 7 9 7", Closed(flows=2))
    assert ran.client.asked == [CloseFlows(flows=(7, 9))]
    assert (ran.code, ran.out, ran.err) == (0, "2 flows closed\n", "")
    ran = run("close 7 9 --json", Closed(flows=2))
    assert msgspec.json.decode(ran.out, type=Closed) == Closed(flows=2)


def test_a_flow_that_is_not_there(run: Run) -> None:
    ran = run("close 7 9", Closed(flows=1))
    assert (ran.code, ran.out) == (1, "1 flow closed\n")
    assert ran.err == "udplb: 1 of 2 flows not found\n"
    ran = run("close 7", Closed(flows=0))
    assert (ran.code, ran.out, ran.err) == (1, "", "udplb: 1 of 1 flow not found\n")


def test_by_filter_in_a_script(run: Run) -> None:
    ran = run(["close", "--filter", "client=192.0.2.0/24 idle>5s"], Closed(flows=212))
    assert ran.client.asked == [CloseFlows(filter="client=192.0.2.0/24 idle>5s")]
    assert (ran.code, ran.out) == (0, "212 flows closed\n")
    ran = run("close --filter x", Closed(flows=0))
    assert (ran.code, ran.out) == (0, 'no flow matches "x"\n')


@pytest.mark.parametrize("yes", ["y\n", "yes\n", "Y\n"])
def test_by_filter_on_a_terminal_after_a_yes(run: Run, yes: str) -> None:
    ran = run("close --filter x", window(), Closed(flows=18_402), terminal=80, keys=yes)
    first: Request[Any] = Flows(query=FlowQuery(filter="x", limit=5))
    assert ran.client.asked == [first, CloseFlows(filter="x")]
    assert "Close 18,402 flows? [y/N]" in ran.err
    assert "203.0.113.9:51820" in ran.out
    assert ran.code == 0


@pytest.mark.parametrize("no", ["n\n", "\n", "", "yesterday\n"])
def test_by_filter_on_a_terminal_without_a_yes(run: Run, no: str) -> None:
    ran = run("close --filter x", window(), terminal=80, keys=no)
    assert len(ran.client.asked) == 1
    assert ran.code == 1
    assert "nothing is closed" in ran.err


def test_nobody_is_asked_about_one_flow_or_with_yes(run: Run) -> None:
    one = FlowWindow(rows=window().rows[:1], matched=1, at=1.0)
    ran = run("close --filter x", one, Closed(flows=1), terminal=80, keys="")
    assert (ran.code, len(ran.client.asked)) == (0, 2)
    ran = run("close --filter x --yes", Closed(flows=99), terminal=80, keys="")
    assert ran.client.asked == [CloseFlows(filter="x")]
    ran = run("close 1 2 3", Closed(flows=3), terminal=80, keys="")
    assert ran.code == 0
