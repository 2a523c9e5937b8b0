from __future__ import annotations

import pytest

from tests.cli.conftest import Run
from tests.cli.fakes import CtrlC, Step, without_styles
from tests.show.pictures import backend, cluster, later, snapshot
from udplb.client.interface import Lost, Resumed

GONE = Lost(at=1_795_000_000.0, why="the proxy closed the connection", retry_in_s=1.0)
STILL = Lost(at=1_795_000_001.0, why="nobody listens there any more", retry_in_s=2.0)
BACK = Resumed(missed_s=3.0)
OTHER = later(9, clusters=(cluster(backends=(backend("after"),)),))
SCRIPT: list[Step] = [[snapshot()], [], [GONE], [STILL], [BACK], [OTHER], CtrlC]


@pytest.mark.parametrize("line", ["backends --watch", "backends --watch --json"])
def test_a_pipe_survives_the_proxy(run: Run, line: str) -> None:
    ran = run(line, script=SCRIPT)
    assert ran.code == 0
    assert ran.err.splitlines() == [
        "udplb: lost the proxy: the proxy closed the connection; waiting for it",
        "udplb: the proxy is there again",
    ]
    assert "edge-1" in ran.out
    assert "after" in ran.out


def test_blocks_stand_apart(run: Run) -> None:
    ran = run("backends --watch", script=[[snapshot()], [OTHER]])
    assert [each.split()[0] for each in ran.out.split("\n\n")] == ["BACKEND", "BACKEND"]


def test_after_a_loss_paces_begin_anew(run: Run) -> None:
    ran = run("listeners --watch", script=[[snapshot()], [GONE], [BACK], [later(2)]])
    assert "REQUESTS_PER_S" not in ran.out


def test_a_terminal_survives_the_proxy(run: Run) -> None:
    ran = run("backends --watch", script=SCRIPT, terminal=80)
    assert (ran.code, ran.err) == (0, "")
    text = without_styles(ran.out)
    lost = text.index("✖ LOST the proxy closed the connection; waiting for it.")
    again = text.index("✖ LOST nobody listens there any more")
    assert text.index("edge-1") < lost < again < text.index("after")
    assert "edge-1" in text[lost:again], "what was seen last stays"
    assert "\x1b[?25h" in ran.out, "the cursor is there again"


def test_a_terminal_that_cannot_redraw_gets_blocks(run: Run) -> None:
    ran = run("backends --watch", script=[[snapshot()], [OTHER]], terminal=80, TERM="dumb")
    assert "\x1b" not in ran.out
    assert ran.out.index("● UP") < ran.out.index("edge-3") < ran.out.index("after")


def test_each_loss_is_told_once(run: Run) -> None:
    ran = run("status --watch", script=[[GONE], [STILL], [BACK], [GONE], [STILL]])
    assert [each.split(":")[1] for each in ran.err.splitlines()] == [
        " lost the proxy", " the proxy is there again", " lost the proxy",
    ]  # fmt: skip
