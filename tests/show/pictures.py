"""Hand-made snapshots and answers, some of them with names that no terminal should obey."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from udplb.engine.control.requests import (
    Difference,
    Explanation,
    FlowNow,
    LastDrop,
    Ranked,
    Touched,
)
from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import (
    BackendSnapshot,
    ClusterSnapshot,
    ConfigurationSnapshot,
    DrainSnapshot,
    FlowRow,
    FlowWindow,
    ListenerSnapshot,
    ReloadSnapshot,
    Snapshot,
    Totals,
)

NOW = 1_795_000_000.0
"""The time of day of all pictures, in seconds since the epoch."""
HOSTILE = "\x1b[31m[red]evil[/red]\x1b[2J\nnext"
"""A name that would colour, clear and break what it is shown in, if it were let."""


def listener(**fields: Any) -> ListenerSnapshot:
    return replace(
        ListenerSnapshot(
            name="dns",
            address="[::]:53",
            cluster="dns",
            receive_buffer=4 << 20,
            receive_queued=2_304,
            kernel_drops=7,
            coalesces=True,
            closed={"idle": 12, "answered": 400},
            dropped={"max_flows": 14, "oversize": 2},
            shed={"max_flows": 9},
            succession_refused=0,
            resent=3,
            requests=18_402,
            request_bytes=1_258_291,
            replies=18_001,
            reply_bytes=94_371_840,
            flows=212,
            admitted=4_711,
        ),
        **fields,
    )


def backend(name: str = "edge-1", **fields: Any) -> BackendSnapshot:
    return replace(
        BackendSnapshot(
            cluster="dns",
            name=name,
            address="10.0.0.11:5000",
            weight=1,
            backup=False,
            up=True,
            reason="",
            changed_at=None,
            standing="trusted",
            ejections=0,
            probe_latency_s=0.000_8,
            answered_share=0.98,
            first_reply_s=0.001_2,
            draining=False,
            drain=None,
            refusals=0,
            unreachable=0,
            resent=0,
            requests=9_201,
            request_bytes=629_145,
            replies=9_000,
            reply_bytes=47_185_920,
            flows=106,
            admitted=2_355,
        ),
        **fields,
    )


def drain(**fields: Any) -> DrainSnapshot:
    return replace(
        DrainSnapshot(
            lasts_s=38.0,
            deadline_s=22.0,
            way="move",
            drained=False,
            active=312,
            quiet=892,
            quiet_for_s=48.0,
        ),
        **fields,
    )


def backends() -> tuple[BackendSnapshot, ...]:
    """One of each state."""
    return (
        backend("edge-1"),
        backend("10.0.0.12:5000", address="10.0.0.12:5000", weight=3, flows=4_702),
        backend(
            "edge-3", address="10.0.0.13:5000", draining=True, drain=drain(), flows=1_204
        ),
        backend(
            "edge-4", address="10.0.0.14:5000", draining=True, flows=0,
            drain=drain(drained=True, active=0, quiet=0, quiet_for_s=None),
        ),
        backend(
            "edge-5", address="[2001:db8::15]:5000", up=False, standing="trusted",
            reason="3 probes failed in a row: no reply within 2 s", changed_at=NOW - 36, flows=0,
            probe_latency_s=None, answered_share=None,
        ),
        backend(
            "edge-6", address="10.0.0.16:5000", up=False, standing="ejected",
            reason="3 refusals within 10 s", changed_at=NOW - 5_400, flows=12, refusals=33,
            ejections=4,
        ),
        backend("edge-7", address="10.0.0.17:5000", standing="on_trial", ejections=1),
        backend("edge-8", address="10.0.0.18:5000", weight=0, backup=True),
    )  # fmt: skip


def cluster(name: str = "dns", **fields: Any) -> ClusterSnapshot:
    return replace(
        ClusterSnapshot(
            name=name,
            balance="hrw",
            probe="dns",
            all_down=False,
            fail_open=True,
            backends=backends(),
        ),
        **fields,
    )


def configuration(**fields: Any) -> ConfigurationSnapshot:
    return replace(
        ConfigurationSnapshot(
            file="/etc/udplb/udplb.toml",
            generation=14,
            applied_at=NOW - 7_860,
            reloads=11,
            rejected=2,
            last_reload=ReloadSnapshot(
                at=NOW - 7_860,
                sentences=("cluster dns: backend edge-2 weight 1 → 3",),
                took_s=0.0124,
            ),
            drift=("dns/edge-3: drained here, active in the file",),
            awaiting_restart=("upstream_port_rest 1 s → 2 s",),
        ),
        **fields,
    )


def totals(**fields: Any) -> Totals:
    return replace(
        Totals(
            requests=18_402,
            request_bytes=1_258_291,
            replies=18_001,
            reply_bytes=94_371_840,
            flows=212,
            admitted=4_711,
            dropped=16,
            shed=9,
            drops={"max_flows": 14, "oversize": 2},
            sheds={"max_flows": 9},
            kernel_drops=7,
            max_flows=14_000,
            events_lost=0,
            probes_in_flight=1,
            probes_not_made=0,
        ),
        **fields,
    )


def snapshot(**fields: Any) -> Snapshot:
    return replace(
        Snapshot(
            pid=4_711,
            version="0.1.0",
            configuration=configuration(),
            at=9_000.0,
            up_s=273_600.0,
            state="running",
            totals=totals(),
            listeners=(listener(),),
            clusters=(cluster(),),
            window=None,
        ),
        **fields,
    )


def later(seconds: float, **fields: Any) -> Snapshot:
    """The same proxy after so many seconds of 1,000 requests of 100 bytes each."""
    more = int(1_000 * seconds)
    return snapshot(
        at=9_000.0 + seconds,
        totals=totals(requests=18_402 + more, request_bytes=1_258_291 + 100 * more),
        listeners=(listener(requests=18_402 + more, request_bytes=1_258_291 + 100 * more),),
        **fields,
    )


def row(number: int = 7, **fields: Any) -> FlowRow:
    return replace(
        FlowRow(
            id=number,
            listener="dns",
            client="203.0.113.9:51820",
            backend="edge-1",
            backend_address="10.0.0.11:5000",
            state="current",
            age_s=7_865.0,
            idle_s=0.2,
            first_reply_s=0.0011,
            requests=411_000,
            request_bytes=487 << 20,
            replies=409_000,
            reply_bytes=481 << 20,
            flows=1,
            admitted=1,
            rate=912.4,
        ),
        **fields,
    )


def window() -> FlowWindow:
    rows = (
        row(7),
        row(8, client="[2001:db8:1234:5678:9abc:def0:1234:5678]:3478", state="leaving", rate=12.0),
        row(9, client="198.51.100.77:40112", backend="edge-3", age_s=41.0, first_reply_s=None),
    )
    return FlowWindow(rows=rows, matched=18_402, at=9_000.0)


QUERY = FlowQuery(sort="rate", limit=3)


def explanation(**fields: Any) -> Explanation:
    return replace(
        Explanation(
            listener="dns",
            client="203.0.113.9:51820",
            cluster="dns",
            balance="hrw",
            affinity="source_ip",
            hash_key="203.0.113.9",
            hash="3f9ac41b00d1e2f4",
            ranked=(
                Ranked(name="edge-4", address="10.0.0.14:5000", usable=True, note="score 0.9312"),
                Ranked(
                    name="10.0.0.12:5000", address="10.0.0.12:5000", usable=True, note="score 0.52"
                ),
                Ranked(name="edge-6", address="10.0.0.16:5000", usable=False, note="down"),
            ),
            chosen="edge-4",
            why="edge-4 has the highest score for this client",
            barred=None,
            flows=(
                FlowNow(
                    id=4_711,
                    backend="edge-4",
                    backend_address="10.0.0.14:5000",
                    state="current",
                    age_s=1_334.0,
                    idle_s=0.2,
                    ends_in_s=26.0,
                    requests=411_000,
                    replies=409_000,
                ),
            ),
            last_drop=LastDrop(
                ago_s=12.0,
                reason="max_flows",
                meaning="shed: the listener or the engine has all the flows it may have",
            ),
        ),
        **fields,
    )


def difference(**fields: Any) -> Difference:
    return replace(
        Difference(
            file="/etc/udplb/udplb.toml",
            problems=(),
            on_reload=(
                Touched(sentence="cluster dns: backend 10.0.0.12:5000 weight 1 → 3", flows=0),
                Touched(sentence="cluster dns: backend edge-6 removed", flows=212),
                Touched(
                    sentence="engine: upstream_port_rest 1 s → 2 s", flows=0, needs_restart=True
                ),
            ),
            drift=(Touched(sentence="dns/edge-3: drained here, active in the file", flows=1_204),),
            dropped=("dns/edge-5: weight 2 here; the file says 7 now",),
            flows=18_402,
        ),
        **fields,
    )
