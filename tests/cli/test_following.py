from __future__ import annotations

import msgspec
import pytest

from tests.cli.conftest import Run
from tests.cli.fakes import CtrlC
from tests.show.pictures import HOSTILE, NOW
from udplb.client.interface import Lost, Resumed
from udplb.engine.control.requests import Subscribe
from udplb.engine.events import BackendWentDown, ConfigurationRejected, FlowAdmitted, Missed

DOWN = BackendWentDown(at=NOW, cluster="dns", backend="a", address="1.2.3.4:5", reason=HOSTILE)
BAD = ConfigurationRejected(at=NOW, problems=("f:1: x",))
FLOW = FlowAdmitted(at=NOW, flow=1, listener="dns", client="1.2.3.4:5", backend="a")
MISSED = Missed(at=NOW, count=7)


@pytest.mark.parametrize(
    ("line", "flows"), [("events", False), ("events --watch", False), ("events --flows", True)]
)
def test_events_are_followed(run: Run, line: str, flows: bool) -> None:
    ran = run(line, script=[[DOWN, FLOW], [], [MISSED], CtrlC])
    assert (ran.code, ran.err) == (0, "")
    assert ran.client.subscribed == Subscribe(snapshots=False, flow_events=flows)
    assert ran.client.stream.closed
    assert ran.client.closed
    assert [each.split()[1] for each in ran.out.splitlines()] == [
        "backend_went_down", "flow_admitted", "missed",
    ]  # fmt: skip
    assert "\x1b" not in ran.out


def test_on_a_terminal(run: Run) -> None:
    text = run("events", script=[[DOWN, BAD]], terminal=200).out
    assert "dns/a (1.2.3.4:5) is down: " in text
    assert "\x1b[2J" not in text
    assert "            f:1: x" in text


def test_json_is_an_object_a_line(run: Run) -> None:
    first, second = run("events --json", script=[[DOWN], [MISSED]]).out.splitlines()
    assert msgspec.json.decode(first, type=BackendWentDown) == DOWN
    assert msgspec.json.decode(second, type=Missed) == MISSED


def test_the_proxy_goes_and_comes(run: Run) -> None:
    gone = Lost(at=NOW, why="it ended", retry_in_s=1.0)
    ran = run("events", script=[[gone], [gone], [Resumed(missed_s=2.0)], [FLOW]])
    assert ran.code == 0
    assert ran.err.splitlines() == [
        "udplb: lost the proxy: it ended; waiting for it",
        "udplb: the proxy is there again; what happened meanwhile is not told",
    ]
    assert "flow_admitted" in ran.out
