from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tests.cli.conftest import Run
from tests.cli.fakes import CtrlC, FakeClient
from tests.show.pictures import NOW, backend, cluster, configuration, drain, snapshot
from udplb.cli.arguments import Target
from udplb.cli.draining import wait_until_drained
from udplb.cli.output import Output
from udplb.client.interface import Lost, Resumed
from udplb.engine.control.requests import Done, Drain, Subscribe
from udplb.engine.events import BackendDrainBegan, BackendDrained, BackendDrainEnded
from udplb.engine.snapshot import BackendSnapshot, Snapshot

LINE = "drain dns/edge-3 --wait"
ADDRESS = "10.0.0.13:5000"
DONE = Done(sentences=("cluster dns: backend edge-3 drains",), generation=15)
BEGAN = BackendDrainBegan(
    at=NOW, cluster="dns", backend="edge-3", address=ADDRESS, flows=9, deadline_s=None, way="move"
)
DRAINED = BackendDrained(at=NOW, cluster="dns", backend="edge-3", address=ADDRESS, took_s=3.0)
ENDED = BackendDrainEnded(at=NOW, cluster="dns", backend="edge-3", address=ADDRESS)
OF_ANOTHER = replace(DRAINED, backend="edge-4", address="10.0.0.14:5000")
BACK = Resumed(missed_s=1.0)
LOST = Lost(at=NOW, why="it ended", retry_in_s=1.0)


def picture(*backends: BackendSnapshot, generation: int = 15) -> Snapshot:
    return snapshot(
        configuration=configuration(generation=generation), clusters=(cluster(backends=backends),)
    )


def draining(flows: int, *, drained: bool = False) -> Snapshot:
    state = drain(active=flows, quiet=0, quiet_for_s=None, deadline_s=None, drained=drained)
    return picture(backend("edge-3", address=ADDRESS, draining=True, drain=state, flows=flows))


EDGE = backend("edge-3", address=ADDRESS)
ACTIVE = picture(EDGE)
NO_CLUSTER = snapshot(clusters=(), configuration=configuration(generation=16))
GONE = picture(backend("edge-1"))


def test_who_waits_subscribes_before_it_asks(run: Run) -> None:
    ran = run(f"{LINE} --deadline 60s --at-deadline close", DONE, script=[[DRAINED]])
    assert ran.client.order == ["subscribe", "ask"]
    assert ran.client.subscribed == Subscribe(interval_s=0.5)
    assert ran.client.asked == [
        Drain(cluster="dns", backend="edge-3", deadline_s=60.0, at_deadline="close")
    ]
    assert ran.client.stream.closed


@pytest.mark.parametrize(
    "script",
    [
        [[BEGAN, DRAINED]],
        [[DRAINED]],
        [[draining(9)], [DRAINED]],
        [[draining(9)], [draining(0, drained=True)]],
        [[draining(0, drained=True)]],
        [[OF_ANOTHER], [draining(1)], [DRAINED]],
        [[ENDED, BEGAN], [draining(1)], [DRAINED]],
        [[replace(ACTIVE, configuration=configuration(generation=14))] * 3, [DRAINED]],
        [[ACTIVE], [draining(3)], [DRAINED]],
        [[GONE], [draining(3)], [DRAINED]],
        [[draining(3)], [LOST], [BACK], [draining(0, drained=True)]],
        [[picture(backend("edge-3", address=ADDRESS, draining=True, flows=0))]],
    ],
)
def test_drained(run: Run, script: list[list[object]]) -> None:
    ran = run(LINE, DONE, script=script)
    assert ran.code == 0
    assert ran.out.splitlines()[0] == "cluster dns: backend edge-3 drains"
    assert ran.out.splitlines()[-1] == "dns/edge-3 is drained"


def test_others_are_not_meant(run: Run) -> None:
    for event in (OF_ANOTHER, replace(DRAINED, cluster="quic")):
        assert run(LINE, DONE, script=[[event], CtrlC]).code == 1
    elsewhere = snapshot(clusters=(cluster("quic"), *draining(3).clusters))
    assert run(LINE, DONE, script=[[elsewhere], [elsewhere], [DRAINED]]).code == 0


def test_by_address(run: Run) -> None:
    for script in ([DRAINED], [draining(0, drained=True)]):
        assert run(f"drain dns/{ADDRESS} --wait", DONE, script=[script]).code == 0


@pytest.mark.parametrize(
    ("script", "how"),
    [
        ([[BEGAN], [ENDED]], "takes new flows again"),
        ([[draining(3)], [ACTIVE]], "takes new flows again"),
        ([[ACTIVE], [ACTIVE]], "takes new flows again"),
        ([[draining(3)], [GONE]], "was removed"),
        ([[GONE], [GONE]], "was removed"),
        ([[draining(3)], [NO_CLUSTER]], "was removed"),
        ([[draining(3)], [LOST], [BACK], [picture(EDGE, generation=1)]], "takes new flows again"),
    ],
)  # fmt: skip
def test_not_drained(run: Run, script: list[list[object]], how: str) -> None:
    ran = run(LINE, DONE, script=script)
    assert ran.code == 1
    assert ran.err.splitlines()[-1] == f"udplb: dns/edge-3 {how} before it was drained"


def test_ctrl_c_ends_the_waiting_alone(run: Run) -> None:
    ran = run(LINE, DONE, script=[[draining(3)], CtrlC])
    assert ran.code == 1
    assert ran.err == (
        "udplb: no longer waiting for dns/edge-3: it still drains;"
        " new flows again: udplb undrain dns/edge-3\n"
    )


def test_warnings_are_told(run: Run) -> None:
    done = Done(sentences=(), generation=15, warnings=("no backend is left",))
    ran = run(LINE, done, script=[[DRAINED]])
    assert ran.err == "udplb: warning: no backend is left\n"
    assert ran.out.splitlines()[0] == "dns/edge-3 drains already"


def test_a_pipe_gets_a_line_per_change_and_one_a_second_at_most(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = 100.0

    def at(seconds: float, flows: int) -> Callable[[], list[Snapshot]]:
        def step() -> list[Snapshot]:
            nonlocal now
            now = 100.0 + seconds
            return [draining(flows)]

        return step

    script = [at(0, 9), at(0.5, 8), at(0.99, 7), at(1, 6), at(5, 6), at(5.1, 5), lambda: [DRAINED]]
    client = FakeClient(DONE, script=script)  # type: ignore[arg-type]
    code = wait_until_drained(
        client, Drain(cluster="dns", backend="edge-3"), Target("dns", "edge-3"), Output(),
        clock=lambda: now,
    )  # fmt: skip
    assert code == 0
    lines = capsys.readouterr().out.splitlines()
    assert [each.split("  ")[2].split(" left")[0] for each in lines[1:-1]] == [
        "9 flows", "6 flows", "5 flows",
    ]  # fmt: skip


def test_a_terminal_gets_one_line_that_changes(run: Run) -> None:
    ran = run(LINE, DONE, script=[[draining(9)], [draining(3)], [LOST], [DRAINED]], terminal=80)
    assert ran.code == 0
    assert "9 flows left" in ran.out
    assert "lost the proxy: it ended; waiting for it" in ran.out
    assert ran.out.endswith("dns/edge-3 is drained\n")
    assert ran.out.count("\n") <= 6, "progress is drawn over, not below"
    assert "\x1b[?25h" in ran.out


def test_a_pipe_says_that_the_proxy_is_lost(run: Run) -> None:
    ran = run(LINE, DONE, script=[[draining(3)], [LOST], [LOST], [BACK], [DRAINED]])
    assert ran.err.splitlines() == [
        "udplb: lost the proxy: it ended; waiting for it",
        "udplb: the proxy is there again",
    ]
