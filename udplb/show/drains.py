"""Drains: what is left, and when it may be over."""

from __future__ import annotations

from udplb.engine.snapshot import BackendSnapshot, DrainSnapshot
from udplb.show.page import Cell, Line, line
from udplb.show.quantities import count, lasting, plural
from udplb.show.states import state_of_backend


def what_is_left(drain: DrainSnapshot) -> str:
    """`312 active, 892 quiet (gone within 48s); deadline in 22s, then move`."""
    if drain.drained:
        return f"begun {lasting(drain.lasts_s)} ago"
    parts = []
    if drain.active is not None:
        quiet = f"{count(drain.quiet or 0)} quiet"
        if drain.quiet and drain.quiet_for_s is not None:
            quiet += f" (gone within {lasting(drain.quiet_for_s)})"
        parts += [f"{count(drain.active)} active, {quiet}"]
    if drain.deadline_s is None:
        parts += [f"for {lasting(drain.lasts_s)}, no deadline"]
    elif drain.deadline_s > 0:
        parts += [f"deadline in {lasting(drain.deadline_s)}, then {drain.way}"]
    else:
        parts += [f"its deadline is over, the rest goes ({drain.way})"]
    return "; ".join(parts)


def progress(target: str, backend: BackendSnapshot) -> Line:
    """One line: `dns/edge-3 ◐ DRAIN 1,204 flows left: ...`."""
    left = f"{plural(backend.flows, 'flow')} left"
    tail = f": {what_is_left(backend.drain)}" if backend.drain else ", drains since the start"
    state = state_of_backend(backend)
    return line(f"{target}  ", Cell(state.text, role=state.role), f"  {left}{tail}")
