"""How many flows fit: every flow holds a descriptor, so the limit of the process is the limit."""

from __future__ import annotations

import resource

SHARE_FOR_FLOWS = 0.7
"""Of the descriptor limit, where `max_flows` is 0."""
KEPT_FREE = 64
"""Descriptors that flows never take: listeners, logs, control socket.
Those of probes come on top."""


def raise_descriptor_limit() -> int:
    """Raise the soft limit to the hard one; the limit that is in force now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return soft  # macOS refuses "unlimited" although the limit says so
    return hard


def flows_that_fit(max_flows: int, limit: int, probes: int = 0) -> tuple[int, str | None]:
    """The engine's cap for a configured `max_flows`, and a warning where it had to be lowered.

    `probes`: how many may be on their way at a time, each with a descriptor.
    """
    share = int(limit * SHARE_FOR_FLOWS)
    if max_flows == 0:
        return share, None
    most = max(limit - KEPT_FREE - probes, share)
    if max_flows <= most:
        return max_flows, None
    return most, (
        f"max_flows {max_flows} needs more descriptors than the limit of {limit} has;"
        f" lowered to {most} (raise the limit: ulimit -n, or LimitNOFILE= in the unit)"
    )
