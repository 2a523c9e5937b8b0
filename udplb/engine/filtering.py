"""The grammar of filters: one line of text becomes terms that all have to hold for a flow.

    edge-4                  free text: in the client, the backend's name or address, the listener
                            or the state
    backend=edge-4          its name or its address, exactly; likewise cluster= and listener=
    client=203.0.113.0/24   a network or an address, with a port or without
    state=leaving
    idle<5s  age>10m  rate>100  bytes>=1MiB  requests=0  replies=0
    !listener=dns           not so
    backend="edge 4"        quotes for blanks

`rate` is datagrams a second, and `pps` another spelling of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NoReturn

from udplb.config.kinds import Duration, NetworkText, Size, Whole
from udplb.config.wording import choices, meant, quote
from udplb.core.address import PORT_MAX
from udplb.core.flow import State
from udplb.engine.terms import (
    Filter,
    InState,
    Measured,
    Not,
    OfBackend,
    OfClient,
    OfCluster,
    OfListener,
    Term,
    Text,
)

FILTER_MAX = 256
"""Characters of a filter."""
TERMS_MAX = 16
"""Terms of a filter: with so many, a flow still costs a few microseconds at most."""


def parse_filter(text: str) -> Filter:
    """The filter that the text spells.

    Raises ValueError with one line that names the term, and says what is allowed.
    """
    if len(text) > FILTER_MAX:
        raise ValueError(f"a filter has {FILTER_MAX} characters at most, not {len(text)}")
    masked = _QUOTED.sub(lambda part: "." * len(part[0]), text)
    if '"' in masked:
        _refuse(text[masked.rfind(" ", 0, masked.index('"')) + 1 :], "its quote is not closed")
    words = _WORD.findall(text)
    if len(words) > TERMS_MAX:
        raise ValueError(f"a filter has {TERMS_MAX} terms at most, not {len(words)}")
    return Filter(tuple(map(_term, words)))


# Words

_PART = r'"(?:[^"\\]|\\.)*"'
_WORD = re.compile(rf'(?:[^\s"]|{_PART})+', re.DOTALL)
_QUOTED = re.compile(_PART, re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_COMPARISON = re.compile(r'([^"=<>]*)(<=|>=|=|<|>)(.*)', re.DOTALL)


def _term(word: str) -> Term:
    """One word of a filter, as a term. Raises ValueError."""
    if word.startswith("!"):
        if word == "!":
            _refuse(word, "nothing stands behind it; it negates a term, as in !backend=edge-4")
        if word.startswith("!!"):
            _refuse(word, "one ! negates")
        return Not(_term(word[1:]))
    compared = _COMPARISON.fullmatch(word)
    if compared is None:
        return Text(_unquoted(word) or _refuse(word, "there is nothing to look for"))
    field, sign, spelled = compared[1].lower(), compared[2], compared[3]
    if field.endswith("!"):
        _refuse(word, f"! stands in front: {quote(f'!{field[:-1]}{sign}{spelled}')}")
    if field not in _FIELDS:
        near = meant(field, _FIELDS)
        hint = f'; did you mean "{near}"?' if near else ""
        _refuse(
            word,
            f"there is no field {quote(field)}{hint}; fields: {', '.join(_FIELDS)};"
            " free text with one of = < > in it stands in quotes",
        )
    value = _unquoted(spelled)
    if not value:
        _refuse(word, f"nothing stands behind {sign}")
    try:
        return _FIELDS[field](sign, value)
    except ValueError as error:
        _refuse(word, str(error))


def _refuse(word: str, why: str) -> NoReturn:
    raise ValueError(f"filter term {quote(word)}: {why}") from None


def _unquoted(text: str) -> str:
    return _QUOTED.sub(lambda part: _ESCAPED.sub(r"\1", part[0][1:-1]), text)


# Fields


def _exactly(make: Callable[[str], Term], what: str) -> Callable[[str, str], Term]:
    """A field that knows = alone."""

    def term(sign: str, value: str) -> Term:
        if sign != "=":
            raise ValueError(f"allowed: {what} behind =; it has no order")
        return make(value)

    return term


def _time(field: str) -> Callable[[str, str], Term]:
    def term(sign: str, value: str) -> Term:
        if sign == "=":
            raise ValueError("allowed: < > <= or >=; no two times are equal")
        return Measured(field, sign, Duration("0s", "8760h").read(_bare(value)))

    return term


def _count(field: str) -> Callable[[str, str], Term]:
    return lambda sign, value: Measured(field, sign, Whole(0, 10**15).read(_bare(value)))


def _size(sign: str, value: str) -> Term:
    return Measured("bytes", sign, Size("0B", "1000000GB").read(_bare(value)))


def _rate(sign: str, value: str) -> Term:
    number = _bare(value)
    if isinstance(number, str):
        raise ValueError("allowed: datagrams a second, as 100 or 0.5")
    return Measured("rate", sign, number)


def _state(value: str) -> Term:
    live = {state.value: state for state in (State.CURRENT, State.LEAVING)}
    if value not in live:
        near = meant(value, live)
        hint = f'; did you mean "{near}"?' if near else ""
        raise ValueError(f"allowed: {choices(live)}{hint}")
    return InState(live[value])


def _client(value: str) -> Term:
    """`192.0.2.0/24`, `192.0.2.1:53`, `2001:db8::/32` or `[2001:db8::1]:53`."""
    host, port = value, None
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::([^:]*))?", value)
    if bracketed is not None:
        host, port = bracketed.groups()
    elif value.count(":") == 1:
        host, port = value.split(":")
    try:
        network = NetworkText().read(host)
    except ValueError as error:
        raise ValueError(f"{error}; with a port, as 192.0.2.1:53 or [2001:db8::1]:53") from None
    if port is None:
        return OfClient(network)
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= PORT_MAX):
        raise ValueError(f"port {quote(port)} is not a number from 0 to {PORT_MAX}")
    return OfClient(network, int(port))


def _bare(text: str) -> int | float | str:
    """A plain number as one, anything else as it is."""
    if re.fullmatch(r"[0-9]{1,15}", text):
        return int(text)
    return float(text) if re.fullmatch(r"[0-9]{1,15}\.[0-9]{1,9}", text) else text


_FIELDS: Mapping[str, Callable[[str, str], Term]] = {
    "client": _exactly(_client, "an address or a network"),
    "backend": _exactly(OfBackend, "a name or an address"),
    "cluster": _exactly(OfCluster, "a name"),
    "listener": _exactly(OfListener, "a name"),
    "state": _exactly(_state, "current or leaving"),
    "idle": _time("idle"),
    "age": _time("age"),
    "rate": _rate,
    "pps": _rate,
    "bytes": _size,
    "requests": _count("requests"),
    "replies": _count("replies"),
}
"""What may stand before a comparison, and how its term is made."""
