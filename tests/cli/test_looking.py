from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from tests.cli.conftest import Run
from tests.cli.fakes import CtrlC, without_styles
from tests.show.pictures import (
    HOSTILE,
    QUERY,
    backends,
    cluster,
    difference,
    explanation,
    later,
    listener,
    snapshot,
    window,
)
from udplb.engine.control.requests import (
    Backends,
    Diff,
    Explain,
    Flows,
    Listeners,
    Request,
    Status,
    Subscribe,
    answer_type,
)
from udplb.engine.ranking import FlowQuery

LOOKS: list[tuple[str, Request[Any], object]] = [
    ("status", Status(), snapshot()),
    ("listeners", Listeners(), (listener(),)),
    ("backends", Backends(), backends()),
    ("backends dns", Backends(cluster="dns"), backends()),
    ("flows", Flows(query=FlowQuery(sort="rate")), window()),
    ("flows --sort rate --limit 3", Flows(query=QUERY), window()),
    (
        "flows --sort idle --ascending --limit 1000 --offset 1000 --listener dns --backend"
        " [2001:db8::1]:53 --filter !state=leaving",
        Flows(
            query=FlowQuery(
                sort="idle", ascending=True, limit=1_000, offset=1_000, listener="dns",
                backend="[2001:db8::1]:53", filter="!state=leaving",
            )
        ),
        window(),
    ),
    ("explain dns 203.0.113.9", Explain(listener="dns", client="203.0.113.9"), explanation()),
    (
        "explain dns ::ffff:203.0.113.9 --without a --without 10.0.0.1:53",
        Explain(listener="dns", client="203.0.113.9", without=("a", "10.0.0.1:53")),
        explanation(),
    ),
    (
        "explain dns [2001:DB8::0:1]:5353",
        Explain(listener="dns", client="[2001:db8::1]:5353"),
        explanation(),
    ),
    ("diff", Diff(), difference()),
]  # fmt: skip


@pytest.mark.parametrize(("line", "request_", "answer"), LOOKS)
def test_the_request_is_exactly_this(
    run: Run, line: str, request_: Request[Any], answer: object
) -> None:
    ran = run(line, answer)
    assert (ran.code, ran.err) == (0, "")
    assert ran.client.asked == [request_]
    assert ran.client.closed
    assert ran.client.socket is None
    assert ran.out


@pytest.mark.parametrize(("line", "request_", "answer"), LOOKS)
def test_json_is_the_answer(run: Run, line: str, request_: Request[Any], answer: object) -> None:
    ran = run(f"{line} --json", answer)
    assert (ran.code, ran.err) == (0, "")
    (document,) = ran.out.splitlines()
    assert msgspec.json.decode(document, type=answer_type(type(request_))) == answer


@pytest.mark.parametrize(("line", "request_", "answer"), LOOKS)
def test_a_pipe_gets_no_boxes_and_no_escapes(
    run: Run, line: str, request_: Request[Any], answer: object
) -> None:
    text = run(line, answer).out
    assert all(each.isprintable() for each in text.splitlines())
    assert not any(char in text for char in "─│╭━┃…")


@pytest.mark.parametrize(("line", "request_", "answer"), LOOKS)
def test_a_terminal_gets_no_line_too_wide(
    run: Run, line: str, request_: Request[Any], answer: object
) -> None:
    ran = run(line, answer, terminal=80)
    assert ran.code == 0
    assert max(map(len, without_styles(ran.out).splitlines())) <= 80


def test_a_terminal_gets_colours_unless_it_says_no(run: Run) -> None:
    assert "\x1b[32m● UP" in run("backends", backends(), terminal=80).out
    text = run("backends", backends(), terminal=80, NO_COLOR="1").out
    assert "● UP" in text
    assert "\x1b[3" not in text
    text = run("backends", backends(), terminal=80, TERM="dumb").out
    assert "● UP" in text
    assert "\x1b" not in text


def test_the_socket_is_handed_on(run: Run) -> None:
    assert str(run("status --socket /run/x.sock", snapshot()).client.socket) == "/run/x.sock"


def test_hostile_names_reach_no_terminal(run: Run) -> None:
    evil = snapshot(
        version=HOSTILE, listeners=(listener(name=HOSTILE),), clusters=(cluster(HOSTILE),)
    )
    for terminal in (0, 80):
        text = run("status", evil, terminal=terminal).out
        assert "\x1b[2J" not in text
        assert "\x1b[31m[red]" not in text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["flows", "--limit", "0"], "--limit: found 0; allowed: a whole number from 1 to 1000"),
        (["flows", "--limit", "1001"], "from 1 to 1000"),
        (["flows", "--offset", "-1"], "--offset"),
        (["flows", "--offset", "1001"], "from 0 to 1000"),
        (["flows", "--sort", "rat"], 'Did you mean "rate"?'),
        (["flows", "--filter", "backnd=x"], 'did you mean "backend"?'),
        (["flows", "--listener", ""], "the name of the listener is empty"),
        (["backends", "x" * 257], "more than 256 characters"),
        (["explain", "dns", "host"], "write its IP address"),
        (["explain", "dns", "1.2.3.4:99999"], "write its IP address"),
        (["explain", "dns"], "CLIENT"),
        (["explain", "dns", "1.2.3.4", *["--without", "x"] * 65], "at most 64"),
        (["status", "--interval", "2s"], "--interval goes with --watch"),
        (["status", "--watch", "--interval", "99ms"], "from 100ms to 60s"),
        (["status", "--watch", "--interval", "61s"], "from 100ms to 60s"),
        (["status", "--wacht"], "Did you mean --watch?"),
        (["status", "\x1b[31m"], "there is no place for"),
    ],
)
def test_bad_usage_is_said_before_anybody_is_asked(run: Run, line: list[str], said: str) -> None:
    ran = run(line)
    assert ran.code == 2
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1
    assert ran.err.rstrip("\n").isprintable()
    assert ran.client.socket == "nobody connected"


def test_an_invalid_file_is_2_and_its_problems_are_lines(run: Run) -> None:
    problems = ("udplb.toml:31: weight: found -5", f"udplb.toml:32: {HOSTILE}")
    told = difference(problems=problems, on_reload=())
    ran = run("diff", told)
    assert ran.code == 2
    first, *_, last = ran.err.splitlines()
    assert first == problems[0]
    assert "\x1b" not in ran.err
    assert "a reload would change nothing" in last
    assert "Operators changed" in ran.out
    assert run("diff --json", told).code == 2


# --watch


def test_watching_asks_for_pictures(run: Run) -> None:
    ran = run("status --watch", script=[[snapshot()]])
    assert ran.client.subscribed == Subscribe(events=False, interval_s=1.0)
    assert (ran.code, ran.client.asked, ran.client.stream.closed) == (0, [], True)
    ran = run("flows --limit 3 --watch --interval 2.5", script=[[snapshot(window=window())]])
    assert ran.client.subscribed == Subscribe(events=False, window=QUERY, interval_s=2.5)


def test_watching_shows_paces(run: Run) -> None:
    first, second = run("listeners --watch", script=[[snapshot()], [later(2)]]).out.split("\n\n")
    assert "REQUESTS_PER_S" not in first
    assert "1000.0" in second


def test_watched_flows_come_when_they_are_ranked(run: Run) -> None:
    ran = run("flows --watch", script=[[snapshot()], [snapshot(window=window())]])
    assert ran.out.count("FLOW ") == 1


def test_watched_backends_of_one_cluster(run: Run) -> None:
    both = snapshot(clusters=(cluster(), cluster("ntp", backends=())))
    assert "dns/edge-1" not in run("backends ntp --watch", script=[[both]]).out
    assert "dns/edge-1" in run("backends dns --watch", script=[[both]]).out
    ran = run("backends nts --watch", script=[[both]])
    assert (ran.code, ran.err) == (1, 'udplb: there is no cluster "nts"\n')


@pytest.mark.parametrize("line", ["status", "listeners", "backends", "flows"])
def test_watched_json_is_a_document_a_line(run: Run, line: str) -> None:
    pictures = [[snapshot(window=window())], [later(2, window=window())]]
    ran = run(f"{line} --watch --json", script=[*pictures, CtrlC])
    assert (ran.code, ran.err) == (0, "")
    kinds: dict[str, Any] = {
        "status": Status, "listeners": Listeners, "backends": Backends, "flows": Flows,
    }  # fmt: skip
    documents = [
        msgspec.json.decode(each, type=answer_type(kinds[line])) for each in ran.out.splitlines()
    ]
    expected = {
        "status": [each for (each,) in pictures],
        "listeners": [each.listeners for (each,) in pictures],
        "backends": [backends()] * 2,
        "flows": [window()] * 2,
    }
    assert documents == expected[line]


def test_explained_now_is_not_of_another_time(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_795_000_000.0)
    assert "applied 2h11m ago" in run("status", snapshot(), terminal=80).out
