"""The command line: what a tired operator gets wrong is one line and the right exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness import REPOSITORY, Servers, Udp, need_linux, until
from tests.programs import free_port
from udplb import __version__
from udplb.cli import main

GOOD = """
[engine]
metrics_address = "off"
control_socket = "off"
drain_timeout = "{drain}"

[[listeners]]
name = "l"
address = "127.0.0.1:{port}"
cluster = "c"

[clusters.c]
balance = "round_robin"
[[clusters.c.backends]]
address = "127.0.0.1:{backend}"
"""


def config(
    folder: Path, text: str = "", *, port: int = 0, backend: int = 9, drain: str = "30s"
) -> Path:
    file = folder / "udplb.toml"
    file.write_text(text or GOOD.format(port=port or free_port(), backend=backend, drain=drain))
    return file


def udplb(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "udplb", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=cwd or REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


def complaint(done: subprocess.CompletedProcess[str], code: int, lines: int = 1) -> str:
    """What a command said on standard error, which is so many lines and no traceback."""
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == lines, done.stderr
    assert all(line.strip() for line in done.stderr.splitlines())
    return done.stderr


def test_version() -> None:
    done = udplb("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"udplb {__version__}\n", "")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["run", "--help"], ["demo", "--help"]])
def test_help(arguments: list[str]) -> None:
    done = udplb(*arguments)
    assert done.returncode == 0
    assert "udplb" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["rum"],
        ["run", "--headles"],
        ["run", "--headless", "-c"],
        ["run", "--headless", "extra"],
        ["--unknown"],
        ["demo", "--duration"],
        ["demo", "--duration", "soon"],
        ["demo", "--duration", "-1"],
        ["demo", "--duration", "nan"],
        ["demo", "--duration", "inf"],
        ["demo", "--duration", "0"],
        ["check", "one", "two"],
        ["init", "one", "two"],
        ["init", "--one"],
        ["run"],
    ],
)
def test_bad_usage_is_2(arguments: list[str]) -> None:
    complaint(udplb(*arguments), 2)


def test_run_without_headless_says_what_to_type() -> None:
    assert "udplb run --headless" in complaint(udplb("run"), 2)


@pytest.mark.parametrize("command", [["run", "--headless"], ["check"]])
class TestFiles:
    """The same for all commands that read a configuration."""

    def test_missing(self, command: list[str], tmp_path: Path) -> None:
        text = complaint(udplb(*command, "-c", tmp_path / "none.toml"), 2)
        assert "none.toml" in text

    def test_missing_in_the_usual_places(self, command: list[str], tmp_path: Path) -> None:
        if Path("/etc/udplb/udplb.toml").exists():
            pytest.skip("this machine has one")
        text = complaint(udplb(*command, cwd=tmp_path), 2)
        assert "udplb.toml" in text

    def test_a_directory(self, command: list[str], tmp_path: Path) -> None:
        assert str(tmp_path) in complaint(udplb(*command, "-c", tmp_path), 2)

    def test_unreadable(self, command: list[str], tmp_path: Path) -> None:
        need_linux()
        file = config(tmp_path)
        file.chmod(0)
        if os.geteuid() == 0:
            tmp_path.chmod(0o755)
            for parent in tmp_path.parents:
                if parent.owner() == "root" and parent != Path("/tmp") and len(parent.parts) > 2:
                    parent.chmod(0o755)
            done = as_nobody(*command, "-c", file)
        else:
            done = udplb(*command, "-c", file)
        assert "permission" in complaint(done, 2)

    def test_bad_toml(self, command: list[str], tmp_path: Path) -> None:
        text = complaint(udplb(*command, "-c", config(tmp_path, "[engine\n")), 2)
        assert "udplb.toml:1" in text

    def test_no_text_at_all(self, command: list[str], tmp_path: Path) -> None:
        file = tmp_path / "udplb.toml"
        file.write_bytes(b"\xff\xfe\x00binary")
        complaint(udplb(*command, "-c", file), 2)

    def test_an_unknown_key(self, command: list[str], tmp_path: Path) -> None:
        file = config(tmp_path, GOOD.format(port=5_353, backend=9, drain="1s") + "weigth = 3\n")
        text = complaint(udplb(*command, "-c", file), 2)
        assert "weigth" in text
        assert "weight" in text
        assert f"udplb.toml:{len(file.read_text().splitlines())}" in text

    def test_every_mistake_has_a_line(self, command: list[str], tmp_path: Path) -> None:
        text = GOOD.format(port=99_999, backend="x", drain="soon")
        complaint(udplb(*command, "-c", config(tmp_path, text)), 2, lines=3)


def as_nobody(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run udplb as a plain user, without any capability."""
    # What Python loads late is loaded as root, in case nobody may not read it.
    script = """
import contextlib, io, os, sys
import uvloop, udplb.run
from udplb.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    main(["check", "-c", sys.argv[-1]])
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
sys.exit(main(sys.argv[1:]))
"""
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


def test_a_port_in_use(tmp_path: Path) -> None:
    taken = Udp()
    text = complaint(udplb("run", "--headless", "-c", config(tmp_path, port=taken.name[1])), 1)
    assert "another program has it" in text
    assert f"127.0.0.1:{taken.name[1]}" in text


def test_a_privileged_port_as_nobody(tmp_path: Path) -> None:
    need_linux()
    if os.geteuid() != 0:
        pytest.skip("needs root to become nobody")
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) == 0:
        pytest.skip("this machine lets everybody have every port")
    file = config(tmp_path, port=53)
    for each in (file, tmp_path, *tmp_path.parents):
        if str(each).startswith("/tmp/") and each != Path("/tmp"):
            each.chmod(0o755)
    text = complaint(as_nobody("run", "--headless", "-c", file), 1)
    assert "CAP_NET_BIND_SERVICE" in text


def test_an_address_that_is_not_here(tmp_path: Path) -> None:
    text = GOOD.format(port=5_353, backend=9, drain="1s").replace(
        '"127.0.0.1:5353"', '"203.0.113.9:5353"'
    )
    assert "no such address" in complaint(
        udplb("run", "--headless", "-c", config(tmp_path, text)), 1
    )


# Signals


@contextmanager
def running(file: Path) -> Iterator[subprocess.Popen[str]]:
    """`udplb run --headless`, once it forwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", "udplb", "run", "--headless", "-c", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    try:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("ready"):
            assert process.poll() is None, process.stderr and process.stderr.read()
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()


def caught(process: subprocess.Popen[str], number: int) -> bool:
    """Whether the process has a handler for the signal."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = [each for each in status.splitlines() if each.startswith("SigCgt")]
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_a_second_ends_at_once(tmp_path: Path, number: int) -> None:
    need_linux()
    port = free_port()
    with Servers() as servers:
        file = config(tmp_path, port=port, backend=servers.names[0][1], drain="10m")
        with running(file) as process:
            until(lambda: caught(process, number))
            client, at = Udp(), ("127.0.0.1", port)
            assert client.ask(b"x", at) == b"x"
            process.send_signal(number)
            assert process.stderr is not None
            assert "draining" in process.stderr.readline()
            assert client.ask(b"still served", at) == b"still served"
            assert process.poll() is None
            process.send_signal(number)
            assert process.wait(20) == 0
            assert "Traceback" not in process.stderr.read()


def test_a_signal_without_flows_ends_at_once(tmp_path: Path) -> None:
    with running(config(tmp_path, drain="10m")) as process:
        until(lambda: caught(process, signal.SIGTERM))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert "ended: 0 flows, " in process.stderr.read()


def test_the_drain_ends_when_its_time_is_up(tmp_path: Path) -> None:
    port = free_port()
    with Servers() as servers:
        file = config(tmp_path, port=port, backend=servers.names[0][1], drain="200ms")
        with running(file) as process:
            until(lambda: caught(process, signal.SIGTERM))
            assert Udp().ask(b"x", ("127.0.0.1", port)) == b"x"
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            assert process.stderr is not None
            assert "1 flows still lived and were closed" in process.stderr.read()


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_closed_standard_stream_is_no_descriptor_for_sockets(tmp_path: Path, closed: int) -> None:
    need_linux()
    file = config(tmp_path)
    command = f"exec {sys.executable} -m udplb run --headless -c {file} {closed}<&-"
    with subprocess.Popen(["sh", "-c", command], cwd=REPOSITORY, text=True) as process:
        until(lambda: caught(process, signal.SIGTERM))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_a_full_disk_behind_standard_output(tmp_path: Path) -> None:
    need_linux()
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "udplb", "init", "-"],
            cwd=REPOSITORY, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (1, "udplb: no space left on device\n")
        command = [sys.executable, "-m", "udplb", "run", "--headless", "-c", str(config(tmp_path))]
        with subprocess.Popen(
            command, cwd=REPOSITORY, stdout=full, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            assert "cannot print to standard output" in process.stderr.readline()
            process.terminate()
            assert process.wait(20) == 0


def test_what_is_lost_is_told(tmp_path: Path) -> None:
    """Nothing listens at the backend of `config`."""
    port = free_port()
    with running(config(tmp_path, port=port, drain="100ms")) as process:
        client = Udp()
        for _ in range(4):
            client.sendto(b"x", ("127.0.0.1", port))
        assert process.stderr is not None
        # Enough refusals eject the backend, which is told first where they come one by one.
        while "refusals: nothing listens at" not in (line := process.stderr.readline()):
            assert "down" in line


def test_sighup_does_not_kill(tmp_path: Path) -> None:
    port = free_port()
    with Servers() as servers:
        file = config(tmp_path, port=port, backend=servers.names[0][1])
        with running(file) as process:
            until(lambda: caught(process, signal.SIGHUP))
            process.send_signal(signal.SIGHUP)
            assert Udp().ask(b"x", ("127.0.0.1", port)) == b"x"
            assert process.poll() is None


# check and init


def test_check_says_what_is_there(tmp_path: Path) -> None:
    done = udplb("check", "-c", config(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "good; listeners: 1, clusters: 1, backends: 1" in done.stdout


def test_init_writes_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new.toml"
    assert main(["init", str(file)]) == 0
    assert "udplb run" in capsys.readouterr().out
    before = file.read_bytes()
    assert main(["init", str(file)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert file.read_bytes() == before
    assert main(["check", "-c", str(file)]) == 0
    assert main(["init", "-"]) == 0
    assert main(["init", str(tmp_path / "no" / "where.toml")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_reader_that_went_away_is_no_traceback(tmp_path: Path) -> None:
    need_linux()
    done = subprocess.run(
        ["bash", "-c", '"$0" -m udplb init - | true', sys.executable],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=REPOSITORY,
    )
    assert "Traceback" not in done.stderr
