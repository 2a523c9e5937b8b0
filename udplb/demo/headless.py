"""`udplb demo --headless`: the play with a line a second and a verdict, for people and scripts."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from udplb.demo.process import StageError
from udplb.demo.stage import Stage, stage
from udplb.demo.tally import verdict
from udplb.engine.binding import StartError
from udplb.engine.engine import Engine
from udplb.engine.garbage import spare_the_datapath
from udplb.engine.logs import start_logging
from udplb.engine.snapshot import Snapshot

LINE_EVERY_S = 1.0
LOOK_EVERY_S = 0.1
"""Whether a signal came: a wait in the main thread sees it late otherwise."""


def run_headless_demo(duration: float | None, *, acts: bool = False) -> int:
    """Run for `duration` seconds, or until a signal; the exit code.

    Without acts 0 means that every client got every reply, once. With acts backends die and fall
    silent on purpose and clients are refused, so that replies must be missing: 0 means that nobody
    got a reply that was not his own, and the verdict tells how many are missing.
    """
    try:
        with stage(acts=acts) as play:
            return _run(play, duration)
    except (StageError, StartError) as error:
        print(f"udplb: {error}", file=sys.stderr)
        return 1


def _run(play: Stage, duration: float | None) -> int:
    settings = play.loaded.configuration
    log = start_logging(settings.engine.log_level, settings.engine.log_format)
    try:
        engine = Engine(
            settings, file=play.file, digest=play.loaded.digest, control_socket=play.control_socket
        )
        spare_the_datapath()
        snapshot = engine.start()
        try:
            print(*play.introduction(), sep="\n", flush=True)
            play.begin()
            with _signals() as over:
                _watch(play, engine, over, duration)
            play.finish()
        finally:
            engine.stop()
        print(_ending(play, engine.snapshot or snapshot), flush=True)
        if play.failure is not None:
            print(f"udplb: {play.failure}", file=sys.stderr)
        return 0 if play.passed and engine.failure is None else 1
    finally:
        log.stop()


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set."""
    over = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        over.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield over
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch(play: Stage, engine: Engine, over: threading.Event, duration: float | None) -> None:
    """A line a second, until it is over."""
    began_at = line_at = time.monotonic()
    ends_at = began_at + (float("inf") if duration is None else duration)
    sent = answered = 0
    while not over.wait(min(LOOK_EVERY_S, max(0.0, ends_at - time.monotonic()))):
        now = time.monotonic()
        if now >= ends_at or play.failure is not None or engine.wait(0):
            return
        if now - line_at >= LINE_EVERY_S:
            line_at += LINE_EVERY_S
            tally, snapshot = play.tally, engine.snapshot
            assert snapshot is not None
            print(_line(tally.sent - sent, tally.answered - answered, tally.missing, snapshot))
            sys.stdout.flush()
            sent, answered = tally.sent, tally.answered


def _line(sent: int, answered: int, owed: int, snapshot: Snapshot) -> str:
    shares = "  ".join(
        f"{backend.name} {backend.flows}{'' if backend.up else ' down'}"
        for cluster in snapshot.clusters
        for backend in cluster.backends
    )
    totals = snapshot.totals
    return (
        f"{time.strftime('%H:%M:%S')}  sent {sent:,}/s  answered {answered:,}/s  owed {owed:,}"
        f"  |  flows: {shares}  dropped {totals.dropped:,}  shed {totals.shed:,}"
    )


def _ending(play: Stage, snapshot: Snapshot) -> str:
    totals = snapshot.totals
    return (
        f"{verdict(play.tally)}; {totals.admitted:,} flows, {totals.dropped:,} dropped,"
        f" {totals.shed:,} shed"
    )
