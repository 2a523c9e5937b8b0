"""The process of backends and clients, spoken to through its pipes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.demo.ground import ask, run
from tests.harness import PATIENCE_S, REPOSITORY
from udplb.demo.cast import CLUSTERS, LOOPBACK
from udplb.demo.messages import Begin, Bound, Counted, Finish, Order, line_of, read_report
from udplb.demo.process import command


class Traffic:
    """The process."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )

    def say(self, order: Order) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line_of(order))
        self.process.stdin.flush()

    def hear(self) -> Bound | Counted:
        assert self.process.stdout is not None
        return read_report(self.process.stdout.readline())

    def begin(self, *, acts: bool = False) -> Bound:
        """Its clients ask its backends directly."""
        bound = self.hear()
        assert isinstance(bound, Bound)
        listeners = {
            cluster: (LOOPBACK, bound.ports[f"{cluster}/{names[0]}"])
            for cluster, names in CLUSTERS.items()
        }
        self.say(Begin(listeners=listeners, control_socket="/nowhere", acts=acts, speed=1.0))
        return bound


@pytest.fixture
def traffic() -> Iterator[Traffic]:
    running = Traffic()
    yield running
    running.process.kill()
    running.process.wait()
    for pipe in (running.process.stdin, running.process.stdout, running.process.stderr):
        assert pipe is not None
        pipe.close()


def test_it_says_where_its_backends_are(traffic: Traffic) -> None:
    bound = traffic.hear()
    assert isinstance(bound, Bound)
    assert list(bound.ports) == [
        f"{cluster}/{name}" for cluster, names in CLUSTERS.items() for name in names
    ]
    for name, port in bound.ports.items():
        if name.startswith("game/"):
            assert run(ask(port, name.encode())) == name.encode()


def test_it_plays_and_tells_the_end_of_it(traffic: Traffic) -> None:
    traffic.begin()
    report = traffic.hear()
    while not (isinstance(report, Counted) and report.tally.sent > 100):
        report = traffic.hear()
    traffic.say(Finish())
    while not (isinstance(report, Counted) and report.final):
        report = traffic.hear()
    assert report.tally.complete
    assert traffic.process.wait(PATIENCE_S) == 0
    assert traffic.process.stderr is not None
    assert traffic.process.stderr.read() == b""


def test_finish_before_the_beginning_ends_it(traffic: Traffic) -> None:
    traffic.hear()
    traffic.say(Finish())
    assert traffic.process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("begun", [True, False])
def test_the_end_of_its_input_is_its_end(traffic: Traffic, begun: bool) -> None:
    if begun:
        traffic.begin(acts=True)
        traffic.hear()
    assert traffic.process.stdin is not None
    traffic.process.stdin.close()
    assert traffic.process.wait(PATIENCE_S) == 0


def test_an_interrupt_is_the_demo_s_to_obey(traffic: Traffic) -> None:
    traffic.begin()
    traffic.process.send_signal(signal.SIGINT)
    traffic.process.send_signal(signal.SIGHUP)
    assert isinstance(traffic.hear(), Counted)
    assert isinstance(traffic.hear(), Counted)


def test_nonsense_ends_it_with_a_word(traffic: Traffic) -> None:
    traffic.hear()
    assert traffic.process.stdin is not None
    traffic.process.stdin.write(b"what?\n")
    traffic.process.stdin.flush()
    assert traffic.process.wait(PATIENCE_S) is not None
    assert traffic.process.stderr is not None
    assert b"cannot go on" in traffic.process.stderr.read()
