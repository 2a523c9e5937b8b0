"""Numbers as people read them: 18,402; 1.2 MiB; 10.8k/s; 2h11m."""

from __future__ import annotations

from datetime import UTC, datetime
from math import isfinite

_THOUSANDS = ("", "k", "M", "G", "T", "P")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def count(number: int) -> str:
    """`18,402`."""
    return f"{number:,}"


def size(number: float) -> str:
    """An amount of memory or payload in bytes: `640 B`, `1.2 MiB`."""
    return " ".join(_scaled(number, 1024, _BINARY))


def rate(per_second: float) -> str:
    """Things per second: `912/s`, `10.8k/s`."""
    return "".join(_scaled(per_second, 1000, _THOUSANDS)) + "/s"


def bit_rate(bytes_per_second: float) -> str:
    """Payload per second, counted in bits as networks are: `49.8 Mb/s`."""
    number, prefix = _scaled(8 * bytes_per_second, 1000, _THOUSANDS)
    return f"{number} {prefix}b/s"


def age(seconds: float) -> str:
    """A time span to the second: `0:41`, `22:14`, `2h11m`, `3d04h`."""
    whole = _whole(seconds)
    minutes, hours, days = whole // 60, whole // 3_600, whole // 86_400
    if days:
        return f"{days}d{hours % 24:02}h"
    if hours:
        return f"{hours}h{minutes % 60:02}m"
    return f"{minutes}:{whole % 60:02}"


def idle(seconds: float) -> str:
    """A time span that is often less than a second: `0.2s`, then as an age."""
    return f"{seconds:.1f}s" if 0 <= seconds < 9.95 else age(seconds)


def lasting(seconds: float) -> str:
    """A time span in a sentence: `36s`, `22m14s`, `2h11m`, `3d04h`."""
    whole = _whole(seconds)
    if whole < 60:
        return f"{whole}s"
    return f"{whole // 60}m{whole % 60:02}s" if whole < 3_600 else age(seconds)


def span(seconds: float) -> str:
    """A short time span, as latencies are: `31 µs`, `0.8 ms`, `14 ms`, `1.2 s`; then as an age."""
    if seconds >= 60:
        return age(seconds)
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 0.1 or unit == "µs":
            return f"{_short(seconds * factor)} {unit}"
    raise AssertionError("the last unit takes everything")


def share(part: float) -> str:
    """A part of one: `98%`, `0.02%`."""
    return f"{_short(100 * part)}%"


def moment(epoch_s: float) -> str:
    """A point in time, as logs have it: `2026-11-22T12:04:22Z`."""
    return _at(epoch_s).strftime("%Y-%m-%dT%H:%M:%SZ")


def time_of_day(epoch_s: float) -> str:
    """`12:04:22Z`."""
    return _at(epoch_s).strftime("%H:%M:%SZ")


def times(number: int) -> str:
    """`once`, `4 times`."""
    return "once" if number == 1 else f"{count(number)} times"


def plural(number: int, noun: str) -> str:
    """`1 flow`, `18,402 flows`."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def _at(epoch_s: float) -> datetime:
    """A moment that no clock can be at is shown as the epoch's begin: it came from a socket."""
    try:
        return datetime.fromtimestamp(epoch_s, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


def _whole(seconds: float) -> int:
    return max(0, int(seconds)) if isfinite(seconds) else 0


def _scaled(number: float, base: int, units: tuple[str, ...]) -> tuple[str, str]:
    """The number in the unit in which it has at most four digits, and that unit."""
    for unit in units:
        # What would be rounded up to the base already belongs to the next unit.
        if abs(number) < base - 0.5 or unit == units[-1]:
            return _short(number) if unit != units[0] or base == 1000 else f"{number:.0f}", unit
        number /= base
    raise AssertionError("the last unit takes everything")


def _short(number: float) -> str:
    """Two or three digits that matter: `0.02`, `0.8`, `14`, `912`."""
    if not isfinite(number):
        return "?"
    digits = 0 if abs(number) >= 99.95 else 1 if abs(number) >= 0.1 else 2
    text = f"{number:.{digits}f}"
    return text.removesuffix(".0").removesuffix(".00")
