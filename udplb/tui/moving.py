"""Moving: from this proxy to another. That one is found first; then this console is left for it.

A console belongs to one proxy from its begin to its end, so that nothing that it knows of the one
can be taken for the other's.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from udplb.client import LostError, NoProxyError, Refused, SocketClient, VersionError
from udplb.config.wording import escape

if TYPE_CHECKING:
    from udplb.tui.console import Console

WORD = "attach"
"""What is typed before a path."""


def greet(socket: Path) -> None:
    """Hear the greeting of the proxy at this socket. Raises NoProxyError, LostError or Refused."""
    with SocketClient(socket) as client:
        client.connect()


class Moving:
    """Attaches to other proxies, where the console may be left."""

    def __init__(
        self,
        console: Console,
        leave_for: Callable[[Path], None] | None,
        deliver: Callable[[Callable[[], None]], None],
    ) -> None:
        """`leave_for` is told where to go on; None: the proxy runs in this process. `deliver` calls
        what it gets in the console's thread, or never."""
        self._console = console
        self._leave_for = leave_for
        self._deliver = deliver
        self._wanted: Path | None = None
        """The last one that was asked for."""
        self.greet: Callable[[Path], object] = greet
        """How it is found out whether a proxy answers."""

    def commands(self) -> Iterator[tuple[str, str, Callable[[], Any]]]:
        """For the palette: every proxy that has a name. Title, sentence, what is done."""
        for proxy in self._console.settings.proxies:
            title = escape(f"Attach to {proxy.name}")
            sentence = escape(f"Leave this proxy for {proxy.socket}")
            yield title, sentence, partial(self.to, proxy.socket)

    def typed(self, text: str) -> Path | None:
        """The path in `attach PATH`; None: it is something else."""
        word, _, rest = text.strip().partition(" ")
        path = os.path.expanduser(rest.strip())
        return Path(path) if word.casefold() == WORD and "/" in path else None

    def to(self, socket: Path) -> None:
        """Leave this proxy for the one at this socket, if it answers."""
        console = self._console
        if self._leave_for is None:
            console.news.failed(
                "the proxy runs in this console and would stop; in another terminal: udplb console"
                f" --connect {escape(str(socket))}"
            )
        elif _same(socket, getattr(console.client, "path", None)):
            console.news.told("that is this proxy")
        else:
            self._wanted = socket
            console.news.told(f"asking {escape(str(socket))}")
            work = partial(self._find, socket, self._leave_for)
            threading.Thread(target=work, name="udplb-moving", daemon=True).start()
        console.draw()

    def _find(self, socket: Path, leave_for: Callable[[Path], None]) -> None:
        """In a thread: whoever does not answer is waited for."""
        try:
            self.greet(socket)
        except (Refused, LostError, NoProxyError, VersionError) as error:
            why = f"still here, as {error}"
            self._deliver(lambda: self._console.news.failed(why))
        else:
            self._deliver(lambda: self._go(socket, leave_for))

    def _go(self, socket: Path, leave_for: Callable[[Path], None]) -> None:
        console = self._console
        if socket != self._wanted:
            return
        if len(console.screen_stack) > 1:
            console.news.failed(
                f"still here: a window was open when {escape(str(socket))} answered"
            )
            return
        leave_for(socket)
        console.exit()


def _same(one: Path, other: object) -> bool:
    return isinstance(other, Path) and os.path.realpath(one) == os.path.realpath(other)
