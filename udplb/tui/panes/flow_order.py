"""The order of the flows on the screen: that of the newest ranking, unless it is held.

While somebody moves the cursor, or is being asked something, rows keep their places and only their
values change: nobody acts on a row that jumped.
"""

from __future__ import annotations

from collections.abc import Sequence

from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import FlowRow, FlowWindow


class FlowOrder:
    """The rows that are shown."""

    def __init__(self) -> None:
        self.rows: Sequence[FlowRow] = ()
        self.gone: frozenset[int] = frozenset()
        """Of these rows, those that the newest ranking does not have: ended, or ranked away."""
        self._window: FlowWindow | None = None
        self._query: FlowQuery | None = None
        self._own = False
        """The rows stand in an order that is no longer the ranking's."""

    def take(self, window: FlowWindow, query: FlowQuery | None, *, held: bool) -> bool:
        """The newest window, and what it answers; whether anything is different now."""
        stays = held and query == self._query and self._window is not None
        same = window is self._window and query == self._query
        if same and (stays or not self._own):
            return False
        if stays:
            newest = {row.id: row for row in window.rows}
            self.rows = [newest.get(row.id, row) for row in self.rows]
            self.gone = frozenset(row.id for row in self.rows if row.id not in newest)
        else:
            self.rows, self.gone = window.rows, frozenset()
        self._window, self._query, self._own = window, query, stays
        return True
