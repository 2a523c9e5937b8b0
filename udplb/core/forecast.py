"""When a draining backend will be empty, as far as the silence of its flows tells.

A flow that is idle for much longer than its datagrams were apart has ended in all but name, and
closes when it is due. Of the others nobody knows.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from udplb.core.flow import Flow, State

QUIET_GAPS = 4
"""So many times its usual gap without a datagram, and a flow counts as quiet."""
QUIET_MIN_S = 1.0


class Forecast(NamedTuple):
    """What is left on a draining backend."""

    active: int = 0
    """Flows whose clients still send or hear something: nobody knows how long."""
    quiet: int = 0
    """Flows that seem to be over; the last of them closes at `quiet_until`."""
    quiet_until: float = -inf

    def with_flow(self, flow: Flow, now: float) -> Forecast:
        """The same with one more flow."""
        if not is_quiet(flow, now):
            return self._replace(active=self.active + 1)
        return self._replace(quiet=self.quiet + 1, quiet_until=max(self.quiet_until, flow.due()))


def is_quiet(flow: Flow, now: float) -> bool:
    """Whether the flow seems to be over, judged by its own usual gap between datagrams."""
    if flow.state is State.LEAVING:
        return True
    last = max(flow.last_request_at, flow.last_reply_at)
    gaps = max(flow.requests, flow.replies) - 1
    usual = (last - flow.admitted_at) / gaps if gaps > 0 else 0.0
    return now - last >= max(QUIET_MIN_S, QUIET_GAPS * usual)
