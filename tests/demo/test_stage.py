"""The stage with a real engine: every state comes, nobody is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness import PATIENCE_S, REPOSITORY, Proxy, proxy, until
from udplb.demo import process
from udplb.demo.cast import CLUSTERS, LOOPBACK, has_many_hosts, open_client
from udplb.demo.process import StageError
from udplb.demo.stage import PLACE_BYTES_MAX, Stage, stage
from udplb.demo.tally import Tally
from udplb.engine.snapshot import Snapshot
from udplb.show.states import state_of_backend

SPEED = 8.0
STATES = {"UP", "DRAIN", "DRAINED", "EJECTED", "DOWN", "TRIAL"}
DROPS = {"oversize", "empty", "new_flows_per_second"}
BY_SOURCE = {"denied", "max_flows_per_source"}


@contextmanager
def played(*, acts: bool, speed: float = 1.0) -> Iterator[tuple[Stage, Proxy]]:
    """A stage with its proxy, which forwards."""
    with (
        stage(acts=acts, speed=speed) as play,
        proxy(
            play.loaded.configuration,
            file=play.file,
            digest=play.loaded.digest,
            control_socket=play.control_socket,
        ) as running,
    ):
        yield play, running
        play.finish()


def states_in(snapshot: Snapshot) -> set[str]:
    return {
        state_of_backend(backend).word.split()[-1]
        for cluster in snapshot.clusters
        for backend in cluster.backends
    }


def test_every_state_and_most_drops_are_on_stage() -> None:
    """At high speed; a round lasts 8 s, and what was too quick to be seen comes in the next."""
    wanted = DROPS | (BY_SOURCE if has_many_hosts() else set())
    states: set[str] = set()
    drops: set[str] = set()
    slowest = 0.0

    def all_was_seen() -> bool:
        nonlocal slowest
        snapshot = running.snapshot
        states.update(states_in(snapshot))
        drops.update(snapshot.totals.drops)
        (birch,) = (each for each in snapshot.clusters[0].backends if each.name == "birch")
        slowest = max(slowest, birch.probe_latency_s or 0.0)
        return states >= STATES and drops >= wanted and slowest > 0.025

    with played(acts=True, speed=SPEED) as (play, running):
        play.begin()
        try:
            until(all_was_seen, "every state")
        except AssertionError as error:
            raise AssertionError(f"{error}: {states}, {drops}, {slowest}") from None
        assert running.snapshot.totals.sheds["new_flows_per_second"] > 0
        tally = play.finish()
        assert tally.answered > 1_000
        assert not tally.wrong
        assert play.passed
    assert play.failure is None


def test_without_acts_everybody_gets_everything() -> None:
    with played(acts=False) as (play, running):
        play.begin()
        until(lambda: play.tally.sent > 500)
        assert play.finish().complete
        assert play.passed
        assert states_in(running.snapshot) == {"UP"}
        assert not running.snapshot.totals.drops
        (line,) = play.summary()
        assert " 0 missing, 0 wrong, 0 twice" in line
        # Long flows and short ones, and both clusters at work.
        assert {each.name for each in running.snapshot.listeners if each.admitted} == {*CLUSTERS}
        by_reason = {each.name: each.closed for each in running.snapshot.listeners}
        assert by_reason["dns"]["answered"] > 10
        assert running.snapshot.listeners[1].flows > 10


def test_without_acts_nothing_happens() -> None:
    """Though some rounds go by."""
    with played(acts=False, speed=40.0) as (play, running):
        play.begin()
        until(lambda: play.tally.sent > 1_500)
        assert not running.snapshot.totals.drops
        assert not play.tally.intrusions


def test_the_file_is_real_and_followed() -> None:
    with played(acts=False) as (play, running):
        assert play.file.parent.stat().st_mode & 0o077 == 0
        text = play.file.read_text()
        play.file.write_text(text.replace("new_flows_per_second = 400", "max_flows = 7777"))
        until(lambda: running.snapshot.configuration.generation == 2)
        assert running.snapshot.configuration.file == str(play.file)


def test_the_introduction_names_the_file_and_the_socket() -> None:
    with stage(acts=True) as play:
        said = "\n".join(play.introduction())
        assert str(play.file) in said
        assert str(play.control_socket) in said
        for host, port in play.listeners.values():
            assert f"{host}:{port}" in said
    assert not play.file.parent.exists()


def test_with_losses_on_purpose_the_summary_says_so() -> None:
    with stage(acts=True) as play:
        assert not play.passed  # nothing was proved yet
        play._traffic._tally.sent = 1
        assert "on purpose" in play.summary()[-1]


def test_a_killed_traffic_is_told_of_and_does_not_pass() -> None:
    with played(acts=False) as (play, _):
        play.begin()
        until(lambda: play.tally.answered)
        os.kill(play.traffic_pid, signal.SIGKILL)
        until(lambda: play.failure)
        play._traffic._tally = Tally(sent=1, answered=1)  # however well it went until then
        assert not play.passed
        assert "traffic ended" in play.summary()[-1]


@pytest.mark.parametrize("ends", ["with", "raise"])
def test_nothing_is_left_behind(ends: str) -> None:
    try:
        with stage(acts=True) as play:
            ports = backend_ports(play)
            if ends == "raise":
                raise KeyError
    except KeyError:
        pass
    assert not play.file.parent.exists()
    assert all(map(is_free, ports))


def test_the_traffic_ends_with_a_demo_that_was_killed() -> None:
    script = (
        "import sys, time\n"
        "from udplb.demo.stage import stage\n"
        "with stage(acts=True) as play:\n"
        "    play.begin()\n"
        "    print(play.file, flush=True)\n"
        "    time.sleep(600)\n"
    )
    demo = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    assert demo.stdout is not None
    try:
        from udplb.config.load import load

        file = Path(demo.stdout.readline().strip())
        ports = [
            backend.address.port
            for cluster in load(file).configuration.clusters
            for backend in cluster.backends
        ]
        assert not any(map(is_free, ports))
    finally:
        demo.kill()
        demo.wait(PATIENCE_S)
        demo.stdout.close()
    until(lambda: all(map(is_free, ports)), "the end of the traffic")
    for each in file.parent.iterdir():
        each.unlink()
    file.parent.rmdir()


def test_a_traffic_that_cannot_start_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(process, "command", lambda: [sys.executable, "-c", "1/0"])
    if len(os.fsencode(tmp_path)) > PLACE_BYTES_MAX:
        monkeypatch.setattr("udplb.demo.stage.PLACE_BYTES_MAX", 4_096)
    with pytest.raises(StageError, match="ZeroDivisionError"), stage(acts=False):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_long_temporary_directory_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with stage(acts=False) as play:
        assert play.file.parent.parent == Path("/tmp")


def backend_ports(play: Stage) -> list[int]:
    clusters = play.loaded.configuration.clusters
    return [backend.address.port for cluster in clusters for backend in cluster.backends]


def is_free(port: int) -> bool:
    """Whether nobody has this port: who sends there is refused."""
    with open_client(LOOPBACK, (LOOPBACK, port)) as trial:
        trial.setblocking(True)
        trial.settimeout(0.05)
        try:
            trial.send(b"anybody?")
            trial.recv(1)
        except ConnectionRefusedError:
            return True
        except TimeoutError:
            return False
        return False
