"""The banner: a line below the masthead when what stands on the screen is not what is so now."""

from __future__ import annotations

from textual.strip import Strip
from textual.widget import Widget

from udplb.show.quantities import age, time_of_day
from udplb.tui.actions import DEFAULTS, ActionTable
from udplb.tui.ink import Inks, Piece, strip_of
from udplb.tui.model import Model

RESTARTED_S = 30.0
"""Seconds for which it is said that the proxy is another process now."""


class Banner(Widget):
    """One line, or none."""

    DEFAULT_CSS = """
    Banner { height: 1; display: none; background: $panel; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.inks: Inks = {}
        self._pieces: list[Piece] = []

    @property
    def text(self) -> str:
        """What it says."""
        return "".join(piece.text for piece in self._pieces)

    def show(self, model: Model, now: float, actions: ActionTable = DEFAULTS) -> None:
        """What there is to say, if anything."""
        self._pieces = said(model, now, actions)
        self.display = bool(self._pieces)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """The line."""
        return strip_of(self._pieces, self.inks, self.size.width, self.rich_style)


def said(model: Model, now: float, actions: ActionTable = DEFAULTS) -> list[Piece]:
    """What an operator must know before he believes the rows; nothing: he may."""
    link = model.link
    if link.state == "ended":
        return [Piece(f" ✖ {link.why}. ", "down"), Piece("What stands here is the end of it.")]
    if link.state == "lost":
        rows = retry = ""
        if model.snapshot is not None:
            rows = f" Rows of {time_of_day(model.arrived_at)}, actions off."
        if link.retry_at is not None:
            wait = age(max(0.0, link.retry_at - now))
            retry = f" Try {link.tries + 1} in {wait}, {actions['resync'].key} now."
        return [Piece(f" ✖ {link.why}.", "down"), Piece(f"{rows}{retry}")]
    if model.paused_at is not None:
        since = time_of_day(model.paused_at)
        ends = f"counting goes on; {actions['pause'].key} goes on."
        return [Piece(f" ‖ Held since {since}: ", "slow"), Piece(ends)]
    if model.mismatch:
        return [Piece(" ▲ Read-only: ", "slow"), Piece(model.mismatch)]
    if model.restarted_at is not None and now - model.restarted_at < RESTARTED_S:
        return [
            Piece(" ▲ The proxy is another process now: ", "slow"),
            Piece("flows, counters and what operators changed began anew."),
        ]
    return []
