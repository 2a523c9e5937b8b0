"""The palette: every action by its name, and every backend to act on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

from rich.text import Text
from textual.command import DiscoveryHit, Hit, Hits, Provider

from udplb.config.wording import escape
from udplb.show.backends import target_of
from udplb.tui.actions import ACTIONS, BY_NAME
from udplb.tui.model import key_of

ON_BACKENDS = ("drain", "undrain", "weight", "remove")


class Palette(Provider):
    """What the command palette finds."""

    def _commands(self) -> Iterator[tuple[str, str, Callable[[], Any]]]:
        """Title, sentence and what is done."""
        console: Any = self.app
        for action in ACTIONS:
            if action.group != "Move" and console.check_action("do", (action.name,)):
                title = f"{action.title}  [{action.key}]"
                yield title, action.sentence, partial(console.action_do, action.name)
        if console.model.may_change and console.model.shown is not None:
            for cluster in console.model.shown.clusters:
                for backend in cluster.backends:
                    for name in ON_BACKENDS:
                        title = f"{BY_NAME[name].title} {target_of(backend)}…"
                        act = partial(console.act_on, name, key_of(backend))
                        yield escape(title), BY_NAME[name].sentence, act
        yield from console.more_commands()

    async def discover(self) -> Hits:
        """What is offered before anything is typed."""
        for title, sentence, act in self._commands():
            if "…" not in title:
                yield DiscoveryHit(Text(title), act, text=title, help=sentence)

    async def search(self, query: str) -> Hits:
        """What matches."""
        matcher = self.matcher(query)
        async for hit in self._matching(matcher.match, query):
            yield hit

    async def _matching(self, score_of: Callable[[str], float], query: str) -> AsyncIterator[Hit]:
        for title, sentence, act in self._commands():
            score = score_of(title)
            if score > 0:
                yield Hit(score, Text(title), act, text=title, help=sentence)
