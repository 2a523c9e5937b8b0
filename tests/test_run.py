"""The process around an engine: what it says at the start, and that no signal is slept through."""

from __future__ import annotations

from tests.harness import configuration, proxy
from udplb import run
from udplb.run import start_lines


def test_says_what_runs_and_where() -> None:
    settings = configuration(("127.0.0.1", 9), ("127.0.0.1", 10), listen=["127.0.0.1", "0.0.0.0"])
    with proxy(settings) as p:
        first, one, two, *rest = start_lines(p.engine, p.snapshot, "my.toml")
        assert "my.toml" in first
        assert f"{p.snapshot.totals.max_flows:,} flows" in first
        for line, listener in ((one, p.snapshot.listeners[0]), (two, p.snapshot.listeners[1])):
            assert line.startswith(f"listener {listener.name}: {listener.address} -> cluster c")
            assert "2 backends" in line
        assert rest == [
            "control socket: off",
            "metrics: off",
            "ready",
        ]


def test_the_main_thread_never_waits_long_without_a_look_at_signals() -> None:
    """A signal between Python's last look and the wait would be seen after the wait only."""
    assert 0 < run.SIGNAL_SEEN_WITHIN_S <= 1
