"""The palette: every action by its name, and every backend to act on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

from rich.text import Text
from textual.command import DiscoveryHit, Hit, Hits, Provider

from udplb.config.wording import escape
from udplb.show.backends import target_of
from udplb.tui.actions import BY_NAME
from udplb.tui.model import key_of

Command = tuple[str, str, Callable[[], Any]]
"""Title, sentence, and what is done."""
ON_BACKENDS = ("drain", "undrain", "weight", "remove")


class Palette(Provider):
    """What the command palette finds."""

    def _commands(self) -> Iterator[Command]:
        """What is offered at once."""
        console: Any = self.app
        for action in console.actions:
            if action.group != "Move" and console.check_action("do", (action.name,)):
                title = f"{action.title}  [{action.key}]"
                yield title, action.sentence, partial(console.action_do, action.name)
        yield from console.more_commands()

    def _on_backends(self) -> Iterator[Command]:
        """What is found when its name is typed: there may be thousands."""
        console: Any = self.app
        shown = console.model.shown
        names = ON_BACKENDS if console.model.may_change else ()
        backends = (
            (each for cluster in shown.clusters for each in cluster.backends) if shown else ()
        )
        for backend in backends:
            target, key = target_of(backend), key_of(backend)
            go = partial(console.going.to_backend, key)
            yield escape(f"Go to backend {target}"), "All that is known of it", go
            for name in names:
                act = partial(console.act_on, name, key)
                yield escape(f"{BY_NAME[name].title} {target}…"), BY_NAME[name].sentence, act

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
        for title, sentence, act in (*self._commands(), *self._on_backends()):
            score = score_of(title)
            if score > 0:
                yield Hit(score, Text(title), act, text=title, help=sentence)
        console: Any = self.app
        socket = console.moving.typed(query)
        if socket is not None:
            title = escape(f"Attach to {socket}")
            attach = partial(console.moving.to, socket)
            yield Hit(1.0, Text(title), attach, text=title, help="Leave this proxy for that one")
