"""What the demo's clients sent and got, and what that proves."""

from __future__ import annotations

import msgspec


class Tally(msgspec.Struct, kw_only=True):
    """Datagrams of the well-behaved clients, all of them together."""

    sent: int = 0
    answered: int = 0
    twice: int = 0
    """Replies to what was answered already."""
    wrong: int = 0
    """Replies to what this client never asked: garbled, or another's."""
    intrusions: int = 0
    """Datagrams of clients that do not behave; nothing is owed to them."""

    @property
    def missing(self) -> int:
        """Replies that never came, or not yet."""
        return self.sent - self.answered

    @property
    def complete(self) -> bool:
        """Whether every client got every reply, once, and nothing else."""
        return self.sent > 0 and not (self.missing or self.twice or self.wrong)

    @property
    def unmixed(self) -> bool:
        """Whether nobody got what was another's. Where backends die, that must still hold."""
        return self.answered > 0 and not self.wrong


def passes(tally: Tally, *, acts: bool) -> bool:
    """Whether the proxy did what it must: with acts losses are part of the play."""
    return tally.unmixed if acts else tally.complete


def verdict(tally: Tally) -> str:
    """The tally in one line."""
    return (
        f"{tally.answered:,} of {tally.sent:,} datagrams answered, {tally.missing:,} missing,"
        f" {tally.wrong:,} wrong, {tally.twice:,} twice"
    )
