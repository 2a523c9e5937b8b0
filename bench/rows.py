"""What is measured, as a table. The targets are those of PERFORMANCE.md.

A new row is an entry of ROWS; a new kind of row is a module with its sides (forwarding.py,
console.py, scale.py, core_alone.py).
"""

from __future__ import annotations

from bench.console import ATTACHED, CLOSED, EMBEDDED, forms
from bench.core_alone import CoreAlone
from bench.figures import OTHERS, Goal, Row
from bench.forwarding import Forwarding, Load, Start
from bench.peers import OWN, PEERS
from bench.scale import FEW, MANY, ManyFlows

CPU_FIGURES = (
    "cpu_us",
    "per_second",
    "p50_us",
    "p99_us",
    "proxy_core",
    "load_core",
    OTHERS,
    "lost_share",
)
FLOW_FIGURES = ("cpu_us", "new_flows_per_s", *CPU_FIGURES[2:])
BULK_FIGURES = (
    "gbit_s",
    "datagram_us",
    "datagrams_per_s",
    "proxy_core",
    "load_core",
    OTHERS,
    "lost_share",
)
CONSOLE_FIGURES = ("per_second", "half_rate", "half_p50_us", "half_p99_us", "console_core", OTHERS)
SCALE_FIGURES = ("cpu_us", "per_second", "p99_us", "proxy_core", "memory_kib", OTHERS)
CORE_FIGURES = ("train_us", "random_train_us", "busy_train_us", "admit_us", "memory_kib", OTHERS)

ALONE, WATCHED = "alone", "watched"
MILLION = 1_000_000
NO_LOSS = (1.05, 1.02)
"""What "no measurable loss" is taken to be: as much as a console may cost."""
NO_LOSS_OF_RATE = (0.95, 0.98)


def closed(sockets: int, window: int) -> Load:
    return Load(("closed", "--sockets", str(sockets), "--window", str(window), "--size", "64"))


def cpu(load: str, against: str, must: float, wanted: float) -> Goal:
    return Goal(f"CPU per {load}, against {against}", "cpu_us", "udplb", against, must, wanted)


def trips(name: str, about: str, load: Load, goal: Goal) -> Row:
    """A row of round trips, of all peers."""
    sides = tuple(Forwarding(peer.name, peer, load) for peer in PEERS)
    return Row(name, about, sides, (goal,), CPU_FIGURES)


def one_query_flows(name: str, about: str, load: Load, what: str) -> Row:
    """A row of flows that their reply ends, of the peers that can do so."""
    able = tuple(Forwarding(one.name, one, load) for one in PEERS if one.counts_responses)
    told = tuple(
        Goal(f"{what}: new flows per second, {name}", "new_flows_per_s", name, at_most=False)
        for name in ("udplb", "nginx")
    )
    return Row(name, about, able, (cpu(what, "nginx", 1.0, 0.8), *told), FLOW_FIGURES)


def bulk() -> Row:
    load = Load(("bulk", "--size", "1200", "--burst", "32"), one_way=True)
    goals = (
        Goal("one-way bulk Gbit/s, against nginx", "gbit_s", "udplb", "nginx", 5, 8, at_most=False),
        Goal("one-way bulk: CPU per datagram, against nginx", "datagram_us", "udplb", "nginx"),
    )
    sides = tuple(Forwarding(peer.name, peer, load) for peer in PEERS)
    about = "one way: 1200-byte datagrams in UDP_SEGMENT bursts of 32"
    return Row("bulk", about, sides, goals, BULK_FIGURES)


def console() -> Row:
    goals = tuple(
        Goal(f"{what}, console {form} at 2 Hz, against closed", figure, form, CLOSED, *numbers)
        for what, figure, numbers in (
            ("round trips/s", "per_second", (0.95, 0.98, False)),
            ("p99 at half load", "half_p99_us", (1.5, 1.1, True)),
        )
        for form in (ATTACHED, EMBEDDED)
    )
    about = "16x8 as fast as it goes, then at half of what the closed proxy did"
    return Row("console", about, forms(), goals, CONSOLE_FIGURES)


def flows_18000() -> Row:
    few, many, idle = f"{FEW}", f"{MANY:,}", f"{FEW} of {MANY:,}"
    sides = (
        ManyFlows(few, FEW, FEW),
        ManyFlows(many, MANY, MANY),
        ManyFlows(idle, MANY, FEW),
    )
    goals = (
        Goal(
            f"cost of one datagram, {many} live flows, against {few}", "cpu_us", many, few, 1.5, 1.2
        ),
        Goal(f"the same if {idle} are busy, against {few}", "cpu_us", idle, few),
        Goal("resident memory per idle flow", "memory_kib", idle, "", 2.0, 1.0),
        Goal(f"time to expire {MANY - FEW:,} flows", "expiry_s", idle),
        Goal("longest round trip of another flow meanwhile", "longest_ms", idle),
    )
    about = f"{FEW} in flight, one per socket, in rotation over the busy ones"
    return Row("scale", about, sides, goals, SCALE_FIGURES)


def core_alone() -> Row:
    few, many = "1,000", f"{MILLION:,}"
    what = f"core alone: cost of one train, {many} flows in the table, against {few}"
    goals = (
        Goal(what, "train_us", many, few, 1.5, 1.2),
        Goal("core alone: the same, clients at random", "random_train_us", many, few),
        Goal("core alone: the same, 1,000 of them busy", "busy_train_us", many, few),
        Goal("core alone: memory per flow", "memory_kib", many),
        Goal(f"core alone: time to expire {many} flows", "expiry_s", many),
        Goal("core alone: longest firing meanwhile", "longest_ms", many),
    )
    sides = (CoreAlone(few, 1_000), CoreAlone(many, MILLION))
    about = "the flow manager fed directly: no sockets, an injected clock, trains in rotation"
    return Row("core", about, sides, goals, CORE_FIGURES)


def watched(name: str, who: str) -> Row:
    """Whether it costs something that somebody watches."""
    load = closed(16, 8)
    sides = (Forwarding(ALONE, OWN, load), Forwarding(WATCHED, OWN, load, beside=(name,)))
    goals = (
        Goal(
            f"CPU per round trip, 16 x 8, {who}, against without",
            "cpu_us",
            WATCHED,
            ALONE,
            *NO_LOSS,
        ),
        Goal(
            f"round trips/s, 16 x 8, {who}, against without",
            "per_second",
            WATCHED,
            ALONE,
            *NO_LOSS_OF_RATE,
            at_most=False,
        ),
    )
    return Row(name, f"16 clients, 8 in flight each, {who}", sides, goals, CPU_FIGURES)


def start() -> Row:
    goal = Goal("start to first forwarded datagram", "start_s", "udplb", "", 1.5, 0.7)
    sides = (Start("udplb", OWN),)
    return Row("start", "from nothing to the first datagram", sides, (goal,), ("start_s", OTHERS))


ROWS = (
    trips(
        "16x8",
        "16 clients, 8 datagrams in flight each",
        closed(16, 8),
        cpu("round trip, 16 x 8", "nginx", 0.80, 0.60),
    ),
    trips(
        "200x4",
        "200 clients, 4 in flight each: short trains",
        closed(200, 4),
        cpu("round trip, 200 x 4", "nginx", 0.85, 0.65),
    ),
    trips(
        "4x64",
        "4 clients, 64 in flight each: long trains",
        closed(4, 64),
        cpu("round trip, 4 x 64", "nginx", 0.65, 0.50),
    ),
    trips(
        "1x1",
        "ping-pong: 1 client, 1 in flight, no trains at all",
        closed(1, 1),
        cpu("round trip, 1 x 1", "envoy", 1.10, 0.80),
    ),
    bulk(),
    one_query_flows(
        "flows",
        "every query from a new port, its reply ends the flow; 32 outstanding",
        Load(("flows", "--window", "32", "--size", "64"), responses=1, new_flows=True),
        "new one-query flow",
    ),
    one_query_flows(
        "flows-open",
        "the same at 10,000 new flows per second: the proxy also sleeps and wakes",
        Load(("flows", "--rate", "10000", "--size", "64"), responses=1, new_flows=True),
        "new one-query flow, 10,000/s",
    ),
    console(),
    flows_18000(),
    core_alone(),
    start(),
    watched("subscriber", "with a subscriber at 2 Hz"),
    watched("metrics", "with /metrics scraped every second"),
)
