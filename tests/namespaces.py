"""Network namespaces for tests: a test runs in a forked child with a network of its own.

The namespace ends with the child, whatever happens; nothing is left to clean up.
"""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec

from tests.harness import need, need_root

CLONE_NEWNET = 0x4000_0000
PR_SET_PDEATHSIG = 1
HERE, THERE = "10.99.0.1", "10.99.0.2"

_libc = ctypes.CDLL(None, use_errno=True)

P = ParamSpec("P")


def ip(command: str) -> None:
    """Run `ip` with these words."""
    subprocess.run(["ip", *command.split()], check=True, capture_output=True)


def set_port_range(first: int, last: int) -> None:
    """The ephemeral ports of this namespace."""
    Path("/proc/sys/net/ipv4/ip_local_port_range").write_text(f"{first} {last}")


def _leave_network() -> None:
    """A namespace of its own for this thread, and death when the parent dies."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if _libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    ip("link set lo up")


def in_namespace(test: Callable[P, None]) -> Callable[P, None]:
    """Run a test in a child with a network namespace of its own."""

    @functools.wraps(test)
    def run(*arguments: P.args, **named: P.kwargs) -> None:
        need_root()
        need("ip")
        source, sink = os.pipe()
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            os.close(source)
            _run_and_exit(lambda: test(*arguments, **named), sink)
        os.close(sink)
        status = None
        try:
            with os.fdopen(source) as pipe:
                report = pipe.read()
            _, status = os.waitpid(child, 0)
        finally:
            if status is None:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        assert not report, f"in the namespace:\n{report}"
        assert status == 0, f"the child ended with status {status}"

    return run


def _run_and_exit(test: Callable[[], None], sink: int) -> None:
    code = 1
    try:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        _leave_network()
        test()
        code = 0
    except BaseException:  # noqa: BLE001 - the parent raises it again
        os.write(sink, traceback.format_exc().encode()[-60_000:])
    finally:
        sys.stdout.flush()
        os._exit(code)


@contextmanager
def neighbour(serve: Callable[[], None], *, mtu: int = 1_500) -> Iterator[None]:
    """Another machine at THERE, behind a cable; we are HERE. It runs `serve` until the end."""
    ready, tell_ready = os.pipe()
    go, tell_go = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _leave_network()
            os.write(tell_ready, b"1")
            os.read(go, 1)
            ip("link set lo up")
            ip(f"addr add {THERE}/24 dev there")
            ip(f"link set there mtu {mtu} up")
            os.write(tell_ready, b"2")
            serve()
        except BaseException:  # noqa: BLE001 - told, as nobody else is here to tell
            traceback.print_exc()
        finally:
            os._exit(1)
    try:
        assert os.read(ready, 1) == b"1"
        ip("link add here type veth peer name there")
        ip(f"link set there netns {child}")
        ip(f"addr add {HERE}/24 dev here")
        ip(f"link set here mtu {mtu} up")
        os.write(tell_go, b"1")
        assert os.read(ready, 1) == b"2"
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for fd in (ready, tell_ready, go, tell_go):
            os.close(fd)
