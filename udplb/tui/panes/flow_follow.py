"""Following one flow: it stays in view, wherever the ranking has it by now."""

from __future__ import annotations

from collections.abc import Sequence

from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import FlowRow

EVERY_S = 2.0
"""Seconds between two looks at a flow that is not in the window."""
ROWS_MAX = 50
"""Of one client on one listener: its current flow, and those that leave."""


class Followed:
    """The flow that is followed."""

    def __init__(self, row: FlowRow) -> None:
        self.row = row
        """As it was seen last."""
        self.ended = False
        self._due_at = 0.0

    def query(self) -> FlowQuery:
        """All flows of its client on its listener: the flow is among them while it is live."""
        return FlowQuery(
            filter=f"client={self.row.client}", listener=self.row.listener, limit=ROWS_MAX
        )

    def found_in(self, rows: Sequence[FlowRow]) -> bool:
        """Take it from a window, if it is there."""
        for row in rows:
            if row.id == self.row.id:
                self.row, self.ended = row, False
                return True
        return False

    def took_answer(self, rows: Sequence[FlowRow]) -> None:
        """All flows of its client: if it is not among them, it has ended."""
        if not self.found_in(rows):
            self.ended = True

    def is_due(self, now: float) -> bool:
        """Whether to look for it again; the next time is later."""
        if self.ended or now < self._due_at:
            return False
        self._due_at = now + EVERY_S
        return True
