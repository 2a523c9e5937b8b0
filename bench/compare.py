"""Measure udplb beside its peers: `python -m bench.compare --help`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

# `python bench/compare.py` puts bench/ on the path, not the folder above it.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import report
from bench.machine import (
    RECEIVE_BUFFER,
    Cores,
    MeasurementError,
    build_load,
    choose_cores,
    describe,
)
from bench.measure import Sample, measure
from bench.peers import PEERS, Peer
from bench.rows import ROWS, Row

DEFAULT_PEERS = ("udplb", "nginx", "envoy")
LOAD_ENDS_IN_S = 3000.0  # bench/load refuses to run longer than an hour


class Comparison:
    """Rows times rounds times peers, interleaved, and what came out."""

    def __init__(self, peers: Sequence[Peer], rounds: int, seconds: float, cores: Cores) -> None:
        self.peers, self.rounds, self.seconds, self.cores = peers, rounds, seconds, cores
        self.rows: dict[str, dict[str, list[Sample]]] = {}
        self.failures: list[str] = []
        self.absent: list[str] = []

    def run(self, row: Row) -> None:
        able = [peer for peer in self.peers if peer.counts_responses or not row.responses]
        for peer in self.peers:
            if peer not in able:
                self.note(f"{row.name}: {peer.name} is left out: it cannot end a flow by its reply")
        samples: dict[str, list[Sample]] = {peer.name: [] for peer in able}
        self.rows[row.name] = samples
        for round_number in range(1, self.rounds + 1):
            for peer in able:
                progress(f"{row.name}: round {round_number} of {self.rounds}, {peer.name}")
                self.take(peer, row, samples[peer.name])
        progress("")
        print("\n".join(report.row_lines(row, samples)), "\n", flush=True)

    def take(self, peer: Peer, row: Row, samples: list[Sample]) -> None:
        try:
            sample = measure(peer, row, self.seconds, self.cores)
        except MeasurementError as error:
            self.fail(f"{row.name}: {peer.name}: {error}")
            return
        if sample.wrong:
            self.fail(f"{row.name}: {peer.name}: {sample.wrong} wrong datagrams: {sample.raw}")
        if not sample.delivered and not row.one_way:  # one way, 0 Gbit/s is a figure
            self.fail(f"{row.name}: {peer.name}: no replies: {sample.raw}")
        samples.append(sample)

    def fail(self, text: str) -> None:
        progress("")
        print(f"FAILED {text}", flush=True)
        self.failures.append(text)

    def note(self, text: str) -> None:
        print(text, flush=True)
        self.absent.append(text)

    def judgements(self) -> list[report.Judgement]:
        made = []
        for row in ROWS:
            if row.name not in self.rows:
                continue
            judgement = report.judge(row, self.rows[row.name])
            if judgement:
                made.append(judgement)
            else:
                self.note(f"{row.name:10} not judged: needs {report.OWN} and {row.goal.against}")
        starts = [one for peers in self.rows.values() for one in peers.get(report.OWN, [])]
        if start := report.judge_start(starts):
            made.append(start)
        return made


def progress(text: str) -> None:
    """One line that the next one overwrites, for people at a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.compare",
        description="Measure udplb beside nginx and Envoy, on loopback, one core for the proxy.",
        epilog="Exit code 0: everything was measured, however bad; 1: a measurement failed.",
    )
    parser.add_argument(
        "--row", action="append", choices=[row.name for row in ROWS], help="only this; repeatable"
    )
    parser.add_argument(
        "--peer",
        action="append",
        choices=[peer.name for peer in PEERS],
        help=f"only this; repeatable; default {', '.join(DEFAULT_PEERS)}; "
        "direct: no proxy, to see what the load generator and the backends can do",
    )
    parser.add_argument("--rounds", type=int, help="of every row and peer, default 3")
    parser.add_argument("--seconds", type=float, help="of every measurement, default 4")
    parser.add_argument("--quick", action="store_true", help="one round of 1.5 s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (1.5 if options.quick else 4.0)
    if options.rounds < 1 or not 0.1 <= options.seconds <= LOAD_ENDS_IN_S:
        parser.error("--rounds must be at least 1, --seconds from 0.1 to 3000")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left running
    try:
        cores = choose_cores()
        build_load()
    except MeasurementError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    os.sched_setaffinity(0, {cores.load})
    machine = describe()
    settings = {"rounds": options.rounds, "seconds": options.seconds, "cores": vars_of(cores)}
    print(
        f"{machine['cpu']}, {machine['cores']} cores, kernel {machine['kernel']}; "
        f"{options.rounds} rounds of {options.seconds:g} s; medians (least to most)"
    )
    if not isinstance(machine["rmem_max"], int) or machine["rmem_max"] < RECEIVE_BUFFER:
        print(f"net.core.rmem_max is {machine['rmem_max']}: the peers get smaller receive buffers")
    wanted = options.peer or DEFAULT_PEERS
    chosen = [peer for peer in PEERS if peer.name in wanted]
    present = [peer for peer in chosen if not peer.missing()]
    comparison = Comparison(present, options.rounds, options.seconds, cores)
    for peer in chosen:
        if peer not in present:
            comparison.note(f"{peer.name} is not measured: {peer.missing()}")
    print()
    for row in ROWS:
        if not options.row or row.name in options.row:
            comparison.run(row)
    judgements = comparison.judgements()
    print("\n".join(map(str, judgements)))
    if options.json:
        result = report.as_json(machine, settings, comparison.rows, judgements, comparison.absent)
        result["failures"] = comparison.failures
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 1 if comparison.failures or not present else 0


def vars_of(cores: Cores) -> dict[str, int]:
    return {"proxy": cores.proxy, "load": cores.load}


if __name__ == "__main__":
    sys.exit(main())
