"""Losses: says in the log what is dropped and why, without a line per datagram.

Each kind of loss is told when it first comes, and then at most once a minute with its count.
"""

from __future__ import annotations

from collections.abc import Iterator

from udplb.core.reasons import DropReason
from udplb.engine.snapshot import Snapshot

REPEAT_S = 60.0

ADVICE: dict[str, str] = {
    DropReason.OVERSIZE: "max_datagram_size is smaller, or the way out cannot carry it",
    DropReason.DRAINING: "no new flows while the process ends",
    DropReason.MAX_FLOWS: "raise max_flows of the listener or the engine, or the descriptor limit",
    DropReason.MAX_FLOWS_PER_SOURCE: "one source has max_flows_per_source flows",
    DropReason.NEW_FLOWS_PER_SECOND: "more clients came than new_flows_per_second",
    DropReason.NO_BACKEND: "every backend is down, drains or has weight 0",
    DropReason.NO_DESCRIPTOR: "raise the descriptor limit (ulimit -n, or LimitNOFILE=)",
    DropReason.NO_PORT: "too many flows per upstream_port_rest for the range of local ports",
    DropReason.UNREACHABLE: "there is no route to the backend",
    DropReason.SEND_FAILED: "the kernel refused to send; a firewall may be in the way",
    DropReason.QUEUE_FULL: "the network takes less than is sent",
}
"""What an operator can do or look at; a reason that is not here says all by itself."""


class Losses:
    """Compares pictures of the engine; what is new and lost becomes lines."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[float, int]] = {}
        """Of each kind of loss, when it was told last, and the count then."""

    def lines(self, snapshot: Snapshot) -> list[str]:
        """What has to be told now."""
        lines = []
        for subject, count, what in _losses(snapshot):
            told_at, told = self._told.get(subject, (None, 0))
            if told_at is not None and count < told:
                told = 0  # whoever counted is gone, and another has its name
                self._told[subject] = (told_at, told)
            if count == told or (told_at is not None and snapshot.at < told_at + REPEAT_S):
                continue
            self._told[subject] = (snapshot.at, count)
            since = "" if told_at is None else f" in {snapshot.at - told_at:.0f} s"
            lines.append(f"{subject}: {count - told:,} {what.format(since=since)}")
        return lines


def _losses(snapshot: Snapshot) -> Iterator[tuple[str, int, str]]:
    """Every kind of loss: its subject, how often since the start, and its sentence."""
    for listener in snapshot.listeners:
        for reason, count in listener.dropped.items():
            advice = f" ({ADVICE[reason]})" if reason in ADVICE else ""
            subject = f"listener {listener.name}, {reason}"
            yield subject, count, f"datagrams dropped{{since}}{advice}"
        if listener.kernel_drops:
            yield (
                f"listener {listener.name}, kernel",
                listener.kernel_drops,
                "datagrams dropped{since} before the proxy saw them (raise receive_buffer)",
            )
    for cluster in snapshot.clusters:
        for backend in cluster.backends:
            if backend.refusals:
                yield (
                    f"cluster {cluster.name}, backend {backend.name}",
                    backend.refusals,
                    "refusals{since}: nothing listens at " + backend.address,
                )
    if snapshot.totals.probes_not_made:
        advice = ADVICE[DropReason.NO_DESCRIPTOR]
        yield "probes", snapshot.totals.probes_not_made, f"not made{{since}} ({advice})"


def dropped_by_reason(snapshot: Snapshot) -> str:
    """All drops since the start, as `12 (max_flows 10, denied 2)`."""
    tally = snapshot.totals.drops
    total = f"{sum(tally.values()):,}"
    parts = ", ".join(f"{reason} {count:,}" for reason, count in tally.items())
    return f"{total} ({parts})" if parts else total
