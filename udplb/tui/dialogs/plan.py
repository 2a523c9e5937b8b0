"""Plans: what a dialog asks, and the requests that a yes means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from udplb.engine.control.requests import Change
from udplb.tui.dialogs.dialog import Answers, Field
from udplb.tui.ink import Piece

if TYPE_CHECKING:
    from udplb.tui.console import Console

LISTED_MAX = 5
"""Names of several targets that are listed."""

Text = Sequence[Sequence[Piece]]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is asked."""

    title: str
    verb: str
    """On the button; empty: there is nothing to say yes to."""
    lines: Callable[[Answers], Text]
    """What it would mean."""
    requests: Callable[[Answers], Sequence[Change[Any]]]
    """What a yes means. Raises ValueError where the answers are no good."""
    fields: Sequence[Field] = ()
    word: Callable[[Answers], str | None] | None = None
    """What has to be typed before; None: nothing."""
    optional: bool = False
    """The fields need not be filled in: a yes is possible at once."""
    names: Mapping[str, str] = field(default_factory=dict)
    """The targets' names by their addresses, for the command that is shown."""
    again: Callable[[Answers], Plan | str] | None = None
    """What is asked where the proxy refused it as stale; None: the same, planned anew."""
    undo: str = ""
    """The command that takes it back."""
    find_out: Callable[[Console, Callable[[], None]], None] | None = None
    """Asks the proxy for more; calls the second argument when the lines say more."""


def listed(names: Sequence[str]) -> Text:
    """The first names, and how many more there are."""
    lines = [[Piece(f"  {name}")] for name in names[:LISTED_MAX]]
    more = len(names) - LISTED_MAX
    return [*lines, [Piece(f"  … and {more} more", "quiet")]] if more > 0 else lines
