"""Losses are told at once, then once a minute, each with its reason."""

from __future__ import annotations

import msgspec

from tests.harness import Servers, Udp, configuration, proxy
from udplb.engine.losses import REPEAT_S, Losses, dropped_by_reason
from udplb.engine.snapshot import Snapshot


def picture(
    at: float, *, refusals: int = 0, kernel: int = 0, not_made: int = 0, **dropped: int
) -> Snapshot:
    with Servers() as servers, proxy(configuration(*servers.names[:1])) as p:
        snapshot = p.snapshot
    listener = msgspec.structs.replace(snapshot.listeners[0], dropped=dropped, kernel_drops=kernel)
    cluster = snapshot.clusters[0]
    backend = msgspec.structs.replace(
        cluster.backends[0], refusals=refusals, address="192.0.2.1:53"
    )
    return msgspec.structs.replace(
        snapshot,
        at=at,
        totals=msgspec.structs.replace(snapshot.totals, probes_not_made=not_made, drops=dropped),
        listeners=(listener,),
        clusters=(msgspec.structs.replace(cluster, backends=(backend,)),),
    )


def test_each_kind_is_told_at_once_and_then_once_a_minute() -> None:
    losses = Losses()
    assert losses.lines(picture(0.0)) == []
    assert losses.lines(picture(1.0, denied=2)) == ["listener l0, denied: 2 datagrams dropped"]
    assert losses.lines(picture(2.0, denied=900)) == []
    (line,) = losses.lines(picture(3.0, denied=900, max_flows=1))
    assert line.startswith("listener l0, max_flows: 1 datagrams dropped (raise max_flows")
    assert losses.lines(picture(1.0 + REPEAT_S, denied=1_002, max_flows=1)) == [
        "listener l0, denied: 1,000 datagrams dropped in 60 s"
    ]
    assert losses.lines(picture(500.0, denied=1_002, max_flows=1)) == []


def test_refusals_and_kernel_losses_are_told() -> None:
    assert Losses().lines(picture(0.0, refusals=3, kernel=7)) == [
        "listener l0, kernel: 7 datagrams dropped before the proxy saw them (raise receive_buffer)",
        "cluster c, backend b0: 3 refusals: nothing listens at 192.0.2.1:53",
    ]


def test_probes_that_were_not_made_are_told() -> None:
    losses = Losses()
    advice = "raise the descriptor limit (ulimit -n, or LimitNOFILE=)"
    assert losses.lines(picture(0.0)) == []
    assert losses.lines(picture(1.0, not_made=3)) == [f"probes: 3 not made ({advice})"]
    assert losses.lines(picture(2.0, not_made=9)) == []
    assert losses.lines(picture(1.0 + REPEAT_S, not_made=9)) == [
        f"probes: 6 not made in 60 s ({advice})"
    ]


def test_all_drops_by_reason() -> None:
    assert dropped_by_reason(picture(0.0)) == "0"
    assert dropped_by_reason(picture(0.0, max_flows=10, denied=2)) == "12 (max_flows 10, denied 2)"


def test_of_a_real_engine() -> None:
    with Servers() as servers, proxy(configuration(*servers.names, max_flows=1)) as p:
        Udp().ask(b"x", p.at)
        Udp().sendto(b"one too many", p.at)
        p.until(lambda p: p.listener.shed == {"max_flows": 1})
        (line,) = Losses().lines(p.snapshot)
        assert line.startswith("listener l0, max_flows: 1 datagrams dropped")


def test_whoever_takes_over_a_name_counts_from_nothing() -> None:
    """A listener that was replaced: its successor's losses are told whole."""
    losses = Losses()
    assert losses.lines(picture(0.0, denied=5)) == ["listener l0, denied: 5 datagrams dropped"]
    assert losses.lines(picture(10.0, denied=3)) == []
    assert losses.lines(picture(20.0, denied=8)) == []
    assert losses.lines(picture(REPEAT_S, denied=8)) == [
        "listener l0, denied: 8 datagrams dropped in 60 s"
    ]
    assert losses.lines(picture(3 * REPEAT_S, denied=2)) == [
        "listener l0, denied: 2 datagrams dropped in 120 s"
    ]
