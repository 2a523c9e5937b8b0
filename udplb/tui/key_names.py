"""What keys are called: by Textual, in a settings file, and for people."""

from __future__ import annotations

import re
from string import punctuation

from textual.keys import Keys, _character_to_key, format_key

RESERVED = {
    "ctrl+q": "leaves the console", "ctrl+c": "says how to leave", "ctrl+p": "opens the palette",
    "escape": "goes back", "tab": "goes to the next part", "shift+tab": "goes to the part before",
}  # fmt: skip
"""What these do whatever the user says."""
SENT_AS = {
    "ctrl+i": "tab", "ctrl+m": "enter", "return": "enter", "ctrl+left_square_bracket": "escape",
}  # fmt: skip
"""Keys that terminals do not tell from others."""
SPELLINGS = 'a key is written "D", "?", "ctrl+x", "f5", "pagedown" …'

NAMED: frozenset[str] = frozenset(
    {each.value for each in Keys if re.fullmatch(r"[a-z0-9+_]+", each.value)}
    | {_character_to_key(each) for each in punctuation}
)
"""Keys that are no character, and characters that have a name."""
_WITH_ALT = re.compile(r"alt\+(shift\+)?[a-z0-9]", re.ASCII)
_SIGNS = {
    "up": "↑", "down": "↓", "left": "←", "right": "→", "pageup": "PgUp", "pagedown": "PgDn",
    "escape": "Esc", "enter": "Enter", "backspace": "Bksp", "delete": "Del", "insert": "Ins",
}  # fmt: skip


def read_key(text: str) -> str | None:
    """A key as Textual calls it, `question_mark` for "?"; None: there is no such key."""
    if len(text) == 1 and text.isprintable():
        return _character_to_key(text)
    return text if text in NAMED or _WITH_ALT.fullmatch(text) else None


def is_deliberate(key: str) -> bool:
    """Whether nobody presses it by a slip: a capital, or with Ctrl."""
    return (len(key) == 1 and key.isupper()) or key.startswith("ctrl+")


def sign_of(key: str) -> str:
    """A key of Textual's as people read it: `^X`, `?`, `PgDn`, `F5`."""
    *held, bare = key.split("+")
    sign = _SIGNS.get(bare) or (format_key(bare) if len(bare) > 1 else bare)
    sign = sign.capitalize() if len(sign) > 1 and sign.islower() else sign
    if held == ["ctrl"] and len(sign) == 1:
        return f"^{sign.upper()}"
    return "+".join((*(each.capitalize() for each in held), sign))
