"""What operators change: saved into the file and nothing else, kept over reloads, or dropped; and
who has the socket when processes die."""

from __future__ import annotations

import difflib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.control import (
    Running,
    Told,
    backend,
    cluster,
    command,
    engine,
    listener,
    run_command,
    running,
    text_of,
)
from tests.harness import Servers, need_linux, need_root, until
from tests.programs import free_port, process
from tests.traffic import Traffic
from udplb.engine.control.requests import Drain, Refused, Reload, Save, SetWeight
from udplb.engine.events import (
    BackendDrained,
    ConfigurationChanged,
    ConfigurationRejected,
    ConfigurationSaved,
)

pytestmark = pytest.mark.e2e

ODD = """\
# The balancer of the east wing.   Ask Ada before you touch it!
   # an indented comment, and a line of spaces:
   \t
"engine" = {{ metrics_address = "off", control_socket = '{socket}' }}   # inline, quoted

[[ listeners ]]      # spaces in a header
name="l"# no space
address   =   "127.0.0.1:{port}"
cluster = "c"
allow = [   # one a line
    "127.0.0.0/8",   # ourselves

    "10.0.0.0/8",
]

[clusters]
[clusters . c]
'balance' = 'hrw'
front_timeout = '''45s'''

  [[clusters.c.backends]]     # the old one
  name = 'a'    # in the cellar
  address = "127.0.0.1:1"   # port {{1}}
  weight = 0x02   # twice the other's

  [[clusters.c.backends]]
  # between header and keys
  address = "127.0.0.1:2"
  name    = "b\\u00e9"
  ## weight = 7
  state = "active"  \t# for now

  [[clusters.c.backends]]
  address = "127.0.0.1:3"
  name = "c"

[clusters.c.health]   # behind the backends
probe = "off"
# The end, without a newline: ünï→cödé"""


def odd(folder: Path) -> str:
    """A file that is valid, and that no machine has written."""
    return ODD.format(socket=folder / "s", port=free_port())


@contextmanager
def scene(folder: Path, text: str = "", path: Path | None = None) -> Iterator[tuple[Running, Told]]:
    """A proxy of a file, and what it tells."""
    need_linux()
    file = path or folder / "udplb.toml"
    if text:
        file.write_text(text)
    with running(file, folder / "s") as proxy, Told(proxy) as told:
        yield proxy, told


def plain(folder: Path, weights: dict[int, int], keys: str = "", port: int = 0) -> str:
    """A file with these backends, by port."""
    backends = [backend(f"127.0.0.1:{at}", f"b{at}", weight=w) for at, w in weights.items()]
    return text_of(
        engine(folder / "s"), listener("l", port or free_port(), "c"), cluster("c", backends, keys)
    )


def differing(before: str, after: str) -> list[str]:
    """The lines of `diff`, without its headers."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


# Save


def test_save_changes_the_intended_lines_alone(tmp_path: Path) -> None:
    text = odd(tmp_path)
    with scene(tmp_path, text) as (proxy, _):
        for words in (
            ("weight", "c/a", 5),
            ("drain", "c/bé"),
            ("remove", "c/c"),
            ("add", "c", "127.0.0.1:4", "--name", "d", "--weight", 3),
            ("save",),
        ):
            done = proxy.run(*words)
            assert done.returncode == 0, done
        after = proxy.file.read_text()
        lines = differing(text, after)
        print("\nafter save, diff shows:", *lines, sep="\n  ")
        assert lines == [
            "-  weight = 0x02   # twice the other's",
            "+  weight = 5   # twice the other's",
            '-  state = "active"  \t# for now',
            '+  state = "drain"  \t# for now',
            # One table goes and another comes; they have their header in common.
            '-  address = "127.0.0.1:3"',
            '-  name = "c"',
            '+  name = "d"',
            '+  address = "127.0.0.1:4"',
            "+  weight = 3",
        ]
        assert proxy.status().configuration.drift == ()
        done = proxy.run("diff")
        assert (done.returncode, "are the same" in done.stdout) == (0, True), done
        assert command("check", "-c", proxy.file).returncode == 0
        # The next reload reads what was saved, and finds nothing to do.
        generation = proxy.status().configuration.generation
        assert proxy.run("reload").returncode == 0
        assert proxy.status().configuration.generation == generation


def test_save_keeps_mode_owner_and_symlink(tmp_path: Path) -> None:
    need_root()
    (tmp_path / "kept").mkdir()
    file, link = tmp_path / "kept" / "real.toml", tmp_path / "udplb.toml"
    link.symlink_to("kept/real.toml")
    file.write_text(odd(tmp_path))
    file.chmod(0o640)
    os.chown(file, 12_345, 54_321)
    with scene(tmp_path, path=link) as (proxy, told):
        proxy.ask(SetWeight(cluster="c", backend="a", weight=9))
        proxy.ask(Save())
        told.wait_for(lambda: told.of(ConfigurationSaved), "that it was saved")
        found = file.stat()
        assert link.is_symlink()
        assert os.readlink(link) == "kept/real.toml"
        assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (0o640, 12_345, 54_321)
        assert "weight = 9" in file.read_text()
        assert [each.name for each in file.parent.iterdir()] == ["real.toml"]
        # What the proxy wrote itself is no edit.
        assert proxy.ask(Reload()).sentences == ()
        assert proxy.status().configuration.reloads == 0
        file.write_text(file.read_text().replace("45s", "46s"))
        told.wait_for(
            lambda: any("46" in s for e in told.of(ConfigurationChanged) for s in e.sentences),
            "the next edit",
        )
        assert proxy.status().configuration.reloads == 1
        assert not told.of(ConfigurationRejected)


def test_save_refuses_a_file_that_was_changed_meanwhile(tmp_path: Path) -> None:
    """A broken file is on disk: that is no reload, and no reason to write over it."""
    text = plain(tmp_path, {1: 1, 2: 1})
    with scene(tmp_path, text) as (proxy, told):
        proxy.ask(SetWeight(cluster="c", backend="b1", weight=5))
        mistaken = text.replace("weight = 1", "weight = 1001", 1)
        told.judged(proxy.file.write_text, mistaken)
        done = proxy.run("save")
        print(f"\nsave: {done.returncode} {done.stderr.strip()}")
        assert done.returncode == 1
        assert "changed" in done.stderr
        assert proxy.file.read_text() == mistaken
        line = mistaken[: mistaken.index("1001")].count("\n") + 1
        shown = proxy.run("diff")
        assert shown.returncode == 2
        assert f"{proxy.file}:{line}: " in shown.stdout + shown.stderr
        assert "weight 5 here, 1 in the file" in shown.stdout
        assert proxy.weights() == {"127.0.0.1:1": 5, "127.0.0.1:2": 1}


def test_save_refuses_before_the_edit_was_seen(tmp_path: Path) -> None:
    """The watch waits for the edit's end; who saves meanwhile does not undo it."""
    text = plain(tmp_path, {1: 1, 2: 1})
    with scene(tmp_path, text) as (proxy, told):
        proxy.ask(SetWeight(cluster="c", backend="b1", weight=5))
        edited = text.replace('b2"\nweight = 1', 'b2"\nweight = 2')
        proxy.file.write_text(edited)
        with pytest.raises(Refused) as refusal:
            proxy.ask(Save())
        assert refusal.value.code == "changed"
        assert proxy.file.read_text() == edited
        told.wait_for(lambda: proxy.weights()["127.0.0.1:2"] == 2, "the edit in force")
        assert proxy.weights() == {"127.0.0.1:1": 5, "127.0.0.1:2": 2}
        proxy.ask(Save())
        assert differing(edited, proxy.file.read_text()) == ["-weight = 1", "+weight = 5"]


# Reload


def test_sighup_reloads(tmp_path: Path) -> None:
    """A file that was refused is refused once more, though nobody touched it meanwhile."""
    text = plain(tmp_path, {1: 1})
    with scene(tmp_path, text) as (proxy, told):
        told.judged(proxy.file.write_text, "[")
        verdict = told.judged(proxy.process.send_signal, signal.SIGHUP)
        assert isinstance(verdict, ConfigurationRejected)
        assert verdict.problems[0].startswith(f"{proxy.file}:1: not valid TOML")
        done = proxy.run("reload")
        assert done.returncode == 2
        assert f"{proxy.file}:1: not valid TOML" in done.stderr
        told.wait_for(lambda: len(told.of(ConfigurationRejected)) == 3, "the third time")
        proxy.file.write_text(text.replace("weight = 1", "weight = 3"))
        told.judged(proxy.process.send_signal, signal.SIGHUP)
        assert proxy.weights() == {"127.0.0.1:1": 3}
        assert proxy.alive


# Drains


def test_a_drain_under_traffic_ends_with_the_last_flow(tmp_path: Path) -> None:
    """`--wait` returns when the backend has no flow, and clients notice nothing."""
    with Servers(2) as servers:
        ports = [port for _, port in servers.names]
        port = free_port()
        keys = 'front_timeout = "1s"\nback_timeout = "1s"\nbalance = "round_robin"'
        text = plain(tmp_path, dict.fromkeys(ports, 1), keys, port)
        with (
            scene(tmp_path, text) as (proxy, told),
            Traffic(("127.0.0.1", port), rate=200, fresh=True) as traffic,
        ):
            traffic.go_on(100)
            with process(
                [*_udplb("drain", f"c/b{ports[0]}", "--wait"), "--socket", proxy.socket]
            ) as waiting:
                assert waiting.wait(30) == 0
                assert waiting.stdout is not None
                shown = waiting.stdout.read()
            (drained,) = [each for each in proxy.status().clusters[0].backends if each.draining]
            told.wait_for(lambda: told.of(BackendDrained), "the drain's end")
            before = drained.admitted
            traffic.go_on(100)
            lost = traffic.hush()
            (after,) = [each for each in proxy.status().clusters[0].backends if each.draining]
            print(
                f"\ndrain --wait under 200 new flows/s: {len(traffic.queries)} asked,"
                f" {len(lost)} lost, drained after {told.of(BackendDrained)[0].took_s:.2f} s:",
                *shown.splitlines(),
                sep="\n  ",
            )
            assert drained.flows == 0
            assert drained.admitted > 0
            assert drained.drain is not None
            assert drained.drain.drained
            assert "is drained" in shown.splitlines()[-1]
            assert after.admitted == before, "no new flows"
            assert not lost


def test_drains_over_reloads(tmp_path: Path) -> None:
    """One that does not touch it keeps it; one that does drops it, and says so."""
    text = plain(tmp_path, {1: 1, 2: 1})
    with scene(tmp_path, text) as (proxy, told):
        proxy.ask(Drain(cluster="c", backend="b1"))
        drift = proxy.status().configuration.drift
        assert len(drift) == 1
        told.judged(proxy.file.write_text, text.replace('b2"\nweight = 1', 'b2"\nweight = 4'))
        assert proxy.weights() == {"127.0.0.1:1": 1, "127.0.0.1:2": 4}
        assert proxy.status().configuration.drift == drift
        assert _draining(proxy) == ["b1"]
        # The file says something of this field now: it wins, and that is told.
        touched = proxy.file.read_text().replace('name = "b1"', 'name = "b1"\nstate = "drain"')
        told.judged(proxy.file.write_text, touched)
        assert proxy.status().configuration.drift == ()
        assert _draining(proxy) == ["b1"]
        told.judged(proxy.file.write_text, touched.replace('"drain"', '"active"'))
        assert _draining(proxy) == []
        # A backend that leaves takes the overlay with it.
        proxy.ask(SetWeight(cluster="c", backend="b2", weight=9))
        without = plain(tmp_path, {1: 1}, port=_port(text))
        told.judged(proxy.file.write_text, without)
        assert proxy.status().configuration.drift == ()
        dropped = [line for line in proxy.log.lines if " warning " in line and "b2" in line]
        print("\nthe overlay is dropped:", *dropped, sep="\n  ")
        assert dropped


def test_a_changed_field_wins_over_the_overlay(tmp_path: Path) -> None:
    text = plain(tmp_path, {1: 1, 2: 1})
    with scene(tmp_path, text) as (proxy, told):
        proxy.ask(SetWeight(cluster="c", backend="b1", weight=5))
        proxy.ask(SetWeight(cluster="c", backend="b2", weight=6))
        other = text.replace('b1"\nweight = 1', 'b1"\nweight = 3')
        told.judged(proxy.file.write_text, other)
        assert proxy.weights() == {"127.0.0.1:1": 3, "127.0.0.1:2": 6}
        (drift,) = proxy.status().configuration.drift
        assert "b2" in drift
        dropped = [line for line in proxy.log.lines if " warning " in line and "b1" in line]
        print("\nthe file wins:", *dropped, sep="\n  ")
        assert len(dropped) == 1


def _draining(proxy: Running) -> list[str]:
    return [each.name for each in proxy.status().clusters[0].backends if each.draining]


def _port(text: str) -> int:
    found = re.search(r"127\.0\.0\.1:(\d{4,5})", text)
    assert found is not None
    return int(found[1])


def _udplb(*words: object) -> list[object]:
    return [sys.executable, "-m", "udplb", *words]


# The socket


def test_a_stale_socket_is_replaced_and_a_live_one_is_not(tmp_path: Path) -> None:
    text = plain(tmp_path, {1: 1})
    with scene(tmp_path, text) as (proxy, _):
        proxy.process.kill()
        proxy.process.wait()
        assert proxy.socket.is_socket(), "it is left behind"
        done = proxy.run("status")
        assert done.returncode == 3
    with scene(tmp_path, text) as (proxy, _):
        assert proxy.status().pid == proxy.pid
        other = tmp_path / "other.toml"
        other.write_text(text.replace(str(_port(text)), str(_port(text) + 1)))
        second = subprocess.run(
            list(map(str, run_command(other))), capture_output=True, text=True, timeout=30,
            check=False,
        )  # fmt: skip
        print(f"\na second run: {second.returncode} {second.stderr.strip()}")
        assert second.returncode == 1
        assert f"process {proxy.pid}" in second.stderr
        assert proxy.status().pid == proxy.pid
        assert proxy.end() == 0
        until(lambda: not proxy.socket.exists(), "the socket is taken away")
