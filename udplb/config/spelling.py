"""Values of core's settings as a file would write them: `kinds.py` the other way round.

What is secret is not spelled at all, and what is long is cut: these texts are for people.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from udplb.config.kinds import Duration, HashSeed, ListOf, Payload, Secret, Size
from udplb.config.section import Key, Origin
from udplb.config.wording import SHOWN_MAX, cut, echo, escape, quote
from udplb.core.settings import BackendSettings

SHOWN_ELEMENTS_MAX = 4
"""Elements of an array that a sentence repeats."""

_SPANS = (
    (Decimal(3600), "h"),
    (Decimal(60), "m"),
    (Decimal(1), "s"),
    (Decimal("0.001"), "ms"),
    (Decimal("0.000001"), "us"),
)
_SIZES = (
    (1 << 30, "GiB"),
    (1000**3, "GB"),
    (1 << 20, "MiB"),
    (1000**2, "MB"),
    (1 << 10, "KiB"),
    (1000, "kB"),
)


def is_secret(key: Key) -> bool:
    """Whether the values of this key are never shown."""
    return isinstance(key.kind, Secret | HashSeed)


def spell(key: Key, value: object) -> str:
    """A value of core's settings on one line, as a file would write it; never a secret's."""
    assert not is_secret(key)
    match key.kind, value:
        case Duration(), float() | int():
            text = spell_duration(value)
        case Size(), int():
            text = spell_size(value)
        case Payload(), bytes():
            text = _spell_payload(value)
        case ListOf(), tuple():
            text = _spell_elements(value)
        case _, None:
            text = "off"
        case _, 0 if key.default is Origin.ADDRESS:
            text = "the backend's own"
        case _, str():
            text = cut(escape(value))
        case _:
            text = cut(escape(echo(value)))
    return text


def spell_duration(seconds: float) -> str:
    """`30s`, `2m`, `500ms`: the largest unit of which it is a whole number."""
    exact = Decimal(repr(float(seconds)))
    for unit, name in _SPANS:
        if exact and exact % unit == 0:
            return f"{int(exact / unit)}{name}"
    return f"{exact.normalize():f}s"


def spell_size(size: int) -> str:
    """`4MiB`: the largest unit of which it is a whole number of bytes."""
    for unit, name in _SIZES:
        if size and size % unit == 0:
            return f"{size // unit}{name}"
    return f"{size}B"


def spell_name(name: str) -> str:
    """What the file calls something, as it stands in a sentence."""
    return cut(escape(name))


def spell_backend(backend: BackendSettings) -> str:
    """Name and address of a backend, where its name alone says nothing yet."""
    address = str(backend.address)
    return address if backend.name == address else f"{spell_name(backend.name)} ({address})"


def _spell_payload(payload: bytes) -> str:
    """Text where it is text, else the bytes; a probe's payload may be 4 KiB."""
    start = payload[: SHOWN_MAX + 1]
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        text = ""
    if text.isprintable() and (text or not payload) and not text.startswith("hex:"):
        return quote(text)
    return quote(f"hex:{start.hex()}")


def _spell_elements(elements: Sequence[object]) -> str:
    shown = ", ".join(escape(str(element)) for element in elements[:SHOWN_ELEMENTS_MAX])
    more = len(elements) - SHOWN_ELEMENTS_MAX
    return f"[{shown}, and {more} more]" if more > 0 else f"[{shown}]"
