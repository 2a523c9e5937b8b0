"""What the table of keys is made of: keys, sections, where values come from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from udplb.config.kinds import Kind


class Origin(Enum):
    """Where the value of a key comes from that has no default of its own."""

    REQUIRED = "required"
    PROFILE = "from the profile"
    ADDRESS = "from the backend's address"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of one section."""

    name: str
    kind: Kind
    default: object
    """As a file would write it, arrays as tuples; or where else the value comes from."""
    sentence: str
    example: object = None
    """What the starter file shows when there is no default."""
    pending: bool = False

    def default_value(self) -> object:
        """The default as core wants it."""
        plain = list(self.default) if isinstance(self.default, tuple) else self.default
        return self.kind.read(plain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One kind of table in the file."""

    name: str
    shape: Literal["table", "array", "named"]
    """`[name]` once, `[[name]]` any number of times, or `[name.NAME]` under names of choice."""
    sentence: str
    keys: tuple[Key, ...] = ()
    sections: tuple[Section, ...] = ()
    required: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All that may stand in a table of this section."""
        return (*(key.name for key in self.keys), *(section.name for section in self.sections))
