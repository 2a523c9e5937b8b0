"""A frame around a part of a screen, with a title that may say what came from the network."""

from __future__ import annotations

from rich.text import Text
from textual.containers import Vertical

from udplb.config.wording import escape


class Framed(Vertical):
    """Things below each other, in a frame."""

    def __init__(self, title: str = "", *, id: str | None = None) -> None:
        super().__init__(id=id, classes="frame")
        self._named = ("", "")
        self.name_it(title)

    def name_it(self, title: str, subtitle: str = "") -> None:
        """Another title; nothing is painted anew where it is the same."""
        if (title, subtitle) != self._named:
            self._named = (title, subtitle)
            # A Text, whatever the setter says that it takes: a string would be markup.
            self.border_title = Text(escape(title))
            self.border_subtitle = Text(escape(subtitle))

    @property
    def named(self) -> tuple[str, str]:
        """Title and subtitle, as they came."""
        return self._named
