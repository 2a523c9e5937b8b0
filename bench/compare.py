"""Measure udplb beside its peers, itself and its targets: `python -m bench.compare --help`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

# `python bench/compare.py` puts bench/ on the path, not the folder above it.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import markdown, report
from bench.beside import COMPANIONS
from bench.figures import OTHERS, Row, Sample, Setting, Side, judge
from bench.machine import (
    FOLDER,
    RECEIVE_BUFFER,
    MeasurementError,
    Others,
    build_load,
    choose_cores,
    describe,
)
from bench.peers import OWN, PEERS
from bench.rows import ROWS

DEFAULT_PEERS = ("udplb", "nginx", "envoy")
LOAD_ENDS_IN_S = 3000.0  # bench/load refuses to run longer than an hour
README = FOLDER.parent / "README.md"


class Comparison:
    """Rows times rounds times sides, interleaved, and what came out."""

    def __init__(self, setting: Setting, rounds: int, peers: Sequence[str]) -> None:
        self.setting, self.rounds, self.peers = setting, rounds, peers
        self.outcome = report.Outcome()

    def run(self, row: Row) -> None:
        """Take all sides of a row in turn, print and judge it."""
        missing = self.outcome.missing.setdefault(row.name, {})
        taken: dict[str, list[Sample | None]] = {}
        self.outcome.taken[row.name] = taken
        sides = [side for side in row.sides if self._is_chosen(side)]
        for side in sides:
            if (why := side.missing()) is not None:
                missing[side.name] = why
        able = [side for side in sides if side.name not in missing]
        for round_number in range(1, self.rounds + 1):
            for side in able:
                progress(f"{row.name}: round {round_number} of {self.rounds}, {side.name}")
                taken.setdefault(side.name, []).append(self._take(row, side))
        progress("")
        self.outcome.judgements += judge(row, taken, missing)
        print("\n".join(report.row_lines(row, self.outcome)), "\n", flush=True)

    def _is_chosen(self, side: Side) -> bool:
        return side.name in self.peers or side.name not in {peer.name for peer in PEERS}

    def _take(self, row: Row, side: Side) -> Sample | None:
        others = Others(self.setting.cores)
        try:
            sample = side.take(self.setting)
            return replace(sample, figures={**sample.figures, OTHERS: others.share()})
        except MeasurementError as error:
            progress("")
            print(f"FAILED {row.name}: {side.name}: {error}", flush=True)
            self.outcome.failures.append(f"{row.name}: {side.name}: {error}")
            return None

    def note(self, text: str) -> None:
        print(text, flush=True)
        self.outcome.notes.append(text)


def progress(text: str) -> None:
    """One line that the next one overwrites, for people at a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.compare",
        description="Measure udplb beside nginx, Envoy and itself, on loopback, on two cores.",
        epilog="Exit code 0: everything was measured, however bad; 1: a measurement failed.",
    )
    add = parser.add_argument
    names = [row.name for row in ROWS]
    add("--row", action="append", choices=names, help="only this; repeatable")
    add(
        "--peer",
        action="append",
        choices=[peer.name for peer in PEERS],
        help=f"of the peers only this; repeatable; default {', '.join(DEFAULT_PEERS)}; "
        "direct: no proxy, to see what the load generator and the backends can do",
    )
    add(
        "--beside",
        action="append",
        default=[],
        choices=sorted(COMPANIONS),
        help="let it watch udplb in all rows that compare peers; repeatable",
    )
    add(
        "--screen",
        default="1",
        help="key that is typed into the console (default 1, the first screen); "
        "of several one per second, in turn",
    )
    add("--rounds", type=int, help="of every row and side, default 3")
    add("--seconds", type=float, help="of every measurement, default 4")
    add("--quick", action="store_true", help="everything once, 1 s each: under two minutes")
    add("--json", type=Path, metavar="FILE", help="write everything there")
    add("--markdown", action="store_true", help="print the table as Markdown, too")
    add("--readme", action="store_true", help="put that between the markers in README.md")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (1.0 if options.quick else 4.0)
    if options.rounds < 1 or not 0.1 <= options.seconds <= LOAD_ENDS_IN_S:
        parser.error("--rounds must be at least 1, --seconds from 0.1 to 3000")
    return options


def prepare(options: argparse.Namespace) -> tuple[Comparison, report.Origin]:
    """Everything that is asked and told before the first row. Raises MeasurementError."""
    cores = choose_cores()
    build_load()
    os.sched_setaffinity(0, {cores.load})
    machine = describe()
    absent = {name: why for name in options.beside if (why := COMPANIONS[name].missing())}
    beside = tuple(name for name in dict.fromkeys(options.beside) if name not in absent)
    setting = Setting(options.seconds, cores, beside, options.screen)
    today = datetime.now(UTC).date().isoformat()
    origin = report.Origin(today, machine, options.rounds, options.seconds, beside)
    comparison = Comparison(setting, options.rounds, options.peer or DEFAULT_PEERS)
    print(f"{origin}; medians (least to most)")
    for name, why in absent.items():
        comparison.note(f"not measured beside {name}: {why}")
    for peer in PEERS:
        if peer.name in comparison.peers and (reason := peer.missing()):
            comparison.note(f"{peer.name} is not measured: {reason}")
    if not isinstance(machine["rmem_max"], int) or machine["rmem_max"] < RECEIVE_BUFFER:
        limit = machine["rmem_max"]
        comparison.note(f"net.core.rmem_max is {limit}: peers get smaller receive buffers")
    print()
    return comparison, origin


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left running
    try:
        comparison, origin = prepare(options)
    except MeasurementError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    for row in ROWS:
        if not options.row or row.name in options.row:
            comparison.run(row)
    outcome = comparison.outcome
    print("\n".join(report.table(outcome.judgements)))
    print(f"\n{report.summary(outcome.judgements)}")
    settings = {
        "cores": {"proxy": comparison.setting.cores.proxy, "load": comparison.setting.cores.load},
        "screen": options.screen,
        "peers": list(comparison.peers),
    }
    if options.json:
        text = json.dumps(report.as_json(origin, settings, outcome), indent=1)
        options.json.write_text(text + "\n")
    part = markdown.table(origin, outcome.judgements, outcome.notes)
    if options.markdown:
        print(f"\n{part}")
    if options.readme:
        try:
            README.write_text(markdown.put_between_markers(README.read_text(), part))
        except markdown.MarkerError as error:
            print(f"bench: README.md: {error}", file=sys.stderr)
            return 1
    return 1 if outcome.failures or OWN.missing() else 0


if __name__ == "__main__":
    sys.exit(main())
