"""Retirement: a listener that left the configuration, or has another socket now, on its way out.

Nothing that waits in its socket is lost if somebody still wants it, and no reply that is owed: the
socket is closed when the last flow is gone.
"""

from __future__ import annotations

from udplb.core.manager import FlowManager
from udplb.engine import kernel
from udplb.engine.datapath import Datapath
from udplb.engine.listener import Listener


class Retirement:
    """One listener that goes; `went_on` brings it further until it is over."""

    def __init__(self, datapath: Datapath, listener: Listener) -> None:
        self.listener = listener
        self._datapath = datapath
        self._end_by: float | None = None
        """While it is read dry: when its flows have to have ended."""

    @property
    def _manager(self) -> FlowManager:
        return self.listener.manager

    def removed(self, now: float) -> None:
        """It left the configuration: its flows close."""
        self._datapath.stop_reading(self.listener)
        # Whoever has its address next, or a wildcard of the same port, is to get everything.
        kernel.receive_nothing_more(self.listener.sock)
        self._manager.listener_removed()
        self._datapath.arm(now, self.listener)

    def taken_over(self, now: float, successor: Listener, end_by: float) -> None:
        """Another listener reads its socket from now on; it only sends the replies of its flows."""
        self._datapath.stop_reading(self.listener)
        successor.take_over(self.listener)
        self._leave(now, end_by)

    def moved(self, now: float, end_by: float) -> None:
        """Its successor listens elsewhere: what waits here is read, then its flows leave."""
        if kernel.receive_nothing_more(self.listener.sock):
            self._end_by = end_by
        else:
            self.removed(now)

    def went_on(self, now: float) -> bool:
        """Some time has passed; True when it is over, and the socket closed."""
        if self._end_by is not None:
            if self.listener.has_waiting:
                return False
            self._datapath.stop_reading(self.listener)
            self._leave(now, self._end_by)
            self._end_by = None
        if self._manager.slab or self._manager.sweeping:
            return False
        if self.listener.egress or self.listener.has_postponed:
            return False
        self._manager.withdraw()
        self._datapath.retire(self.listener)
        return True

    def _leave(self, now: float, end_by: float) -> None:
        self._manager.listener_replaced(now, end_by)
        self._datapath.arm(now, self.listener)
