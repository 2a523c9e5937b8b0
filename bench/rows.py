"""What is measured, as a table. The targets are those of PERFORMANCE.md."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Metric(Enum):
    """What a row compares. Each metric is printed with its unit."""

    CPU_PER_REPLY = "CPU µs per reply"
    GBIT_PER_S = "Gbit/s"


@dataclass(frozen=True, slots=True)
class Goal:
    """The ratio udplb / peer. For CPU it shall be at most this, for Gbit/s at least."""

    against: str
    must: float
    wanted: float


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    about: str
    load: tuple[str, ...]  # the command of bench/load and its arguments, without target and time
    goal: Goal
    metric: Metric = Metric.CPU_PER_REPLY
    responses: int = 0  # replies that end a flow; 0: any number
    one_way: bool = False


def closed(sockets: int, window: int) -> tuple[str, ...]:
    return ("closed", "--sockets", str(sockets), "--window", str(window), "--size", "64")


ROWS = (
    Row("16x8", "16 clients, 8 datagrams in flight each", closed(16, 8), Goal("nginx", 0.80, 0.60)),
    Row("200x4", "200 clients, 4 in flight each", closed(200, 4), Goal("nginx", 0.85, 0.65)),
    Row("4x64", "4 clients, 64 in flight each", closed(4, 64), Goal("nginx", 0.65, 0.50)),
    Row("1x1", "ping-pong: 1 client, 1 in flight", closed(1, 1), Goal("envoy", 1.10, 0.80)),
    Row(
        "bulk",
        "one way: 1200-byte datagrams in UDP_SEGMENT bursts of 32",
        ("bulk", "--size", "1200", "--burst", "32"),
        Goal("nginx", 5, 8),
        metric=Metric.GBIT_PER_S,
        one_way=True,
    ),
    Row(
        "flows",
        "every query from a new port, its reply ends the flow; 32 outstanding",
        ("flows", "--window", "32", "--size", "64"),
        Goal("nginx", 1.0, 0.8),
        responses=1,
    ),
    Row(
        "flows-open",
        "the same at 10,000 new flows per second: the proxy also sleeps and wakes",
        ("flows", "--rate", "10000", "--size", "64"),
        Goal("nginx", 1.0, 0.8),
        responses=1,
    ),
)

# Start to first forwarded datagram, seconds: not a ratio, and seen at every start.
START_MUST_S = 1.5
START_WANTED_S = 0.7
