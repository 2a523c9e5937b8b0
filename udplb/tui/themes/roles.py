"""Roles: everything that the console draws in a colour of its own has one, and a theme says how.

The list is closed: a theme can define these and no others. Each role becomes two variables of
Textual's stylesheets, `$udplb-down` (the colour) and `$udplb-down-style` (the attributes).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

PREFIX = "udplb-"
"""Of the stylesheet's variables."""


class Kind(Enum):
    """What a role is painted on."""

    WORD = "word"
    """Text. It must be readable on every ground."""
    FIGURE = "figure"
    """Graphs. They must be seen."""
    LINE = "line"
    """Frames. They may be faint."""
    GROUND = "ground"
    """The background behind words."""


@dataclass(frozen=True, slots=True)
class Role:
    """One thing that a theme gives a look."""

    name: str
    kind: Kind
    sentence: str
    fallback: str
    """The colour of Textual, and the attributes, where a theme leaves the role out."""


_WORDS = (
    Role("up", Kind.WORD, "A backend that takes flows; whatever is well.", "success"),
    Role("trial", Kind.WORD, "A backend that is up again after an ejection.", "warning"),
    Role("drain", Kind.WORD, "A backend, listener or proxy that drains.", "accent"),
    Role("slow", Kind.WORD, "A backend that answers late; whatever wants care.", "warning"),
    Role("down", Kind.WORD, "A backend that is down or ejected; whatever failed.", "error bold"),
    Role("unknown", Kind.WORD, "A state that nobody can tell yet.", "secondary"),
    Role("stale", Kind.WORD, "Values that are older than they should be.", "foreground dim"),
    Role("quiet", Kind.WORD, "Titles, units, zeros: what need not be read.", "foreground dim"),
    Role("heading", Kind.WORD, "Names of screens and of parts of them.", "foreground bold"),
    Role("tab", Kind.WORD, "The name of the screen that is shown.", "accent bold"),
    Role("key", Kind.WORD, "A key that can be pressed.", "accent bold"),
    Role("rx", Kind.WORD, "Traffic from clients: requests.", "primary"),
    Role("tx", Kind.WORD, "Traffic to clients: replies.", "secondary"),
    Role("drop", Kind.WORD, "Datagrams that were dropped.", "error"),
    Role("hot", Kind.WORD, "What stands out: the largest, the newest, a hit.", "accent bold"),
    Role("mark", Kind.WORD, "Rows that are marked for an action.", "accent bold"),
    Role("ro", Kind.WORD, "The console may only look.", "secondary"),
    Role("rw", Kind.WORD, "The console may act.", "accent"),
    Role("cfg-add", Kind.WORD, "What a reload adds.", "success"),
    Role("cfg-del", Kind.WORD, "What a reload removes.", "error"),
    Role("cfg-change", Kind.WORD, "What a reload changes; drift.", "warning"),
    Role("toml-table", Kind.WORD, "A table's header in the file.", "primary bold"),
    Role("toml-key", Kind.WORD, "A key in the file.", "primary"),
    Role("toml-text", Kind.WORD, "A text in the file.", "success"),
    Role("toml-number", Kind.WORD, "A number, truth or time in the file.", "accent"),
    Role("toml-comment", Kind.WORD, "A comment in the file.", "foreground dim"),
    Role("target-text", Kind.WORD, "The head of the console: which proxy it is.", "foreground"),
)
_FIGURES = (
    Role("graph", Kind.FIGURE, "The area of a graph.", "primary"),
    Role("graph-peak", Kind.FIGURE, "Its highest value, and bars that are nearly full.", "accent"),
    Role("frame", Kind.LINE, "The line around a part of a screen.", "foreground dim"),
)
_GROUNDS = (
    Role("cursor", Kind.GROUND, "Behind the row under the cursor.", "primary-muted bold"),
    Role("cursor-blurred", Kind.GROUND, "The same, while the keys go elsewhere.", "panel"),
    Role("target-frame", Kind.GROUND, "Behind the head; red where it must be noticed.", "panel"),
)

ROLES: Mapping[str, Role] = {role.name: role for role in (*_WORDS, *_FIGURES, *_GROUNDS)}
"""All of them, by name."""

_ROLE_OF_STATE: Mapping[str, str] = {
    "UP": "up",
    "TRIAL": "trial",
    "SLOW": "slow",
    "DRAIN": "drain",
    "DRAINED": "quiet",
    "EJECTED": "down",
    "DOWN": "down",
    "UNKNOWN": "unknown",
    "STALE": "stale",
    "RUNNING": "up",
    "LIVE": "up",
    "STARTING": "unknown",
    "DRAINING": "drain",
    "PAUSED": "slow",
    "STOPPED": "down",
    "LOST": "down",
    "ENDED": "down",
    "leaving": "drain",
}


def role_of_state(word: str) -> str:
    """The role of a state's word as udplb.show has it, `DRAIN`; empty: it has none."""
    return _ROLE_OF_STATE.get(word, "")
