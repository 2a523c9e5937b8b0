"""The wire: what goes over the control socket, one JSON object a line.

A request is one of the table in `requests.py`. The proxy begins with `Hello`; everything that it
says has a `type`. Both ends read hostile text here: whatever it holds, what is raised is what the
docstrings say.
"""

from __future__ import annotations

import re
from functools import cache, reduce
from operator import or_
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from udplb.config.wording import choices, cut, echo, escape, meant
from udplb.engine.control.requests import (
    PROTOCOL,
    REQUESTS,
    AnyRequest,
    Request,
    answer_type,
)
from udplb.engine.events import Event
from udplb.engine.snapshot import ClusterSnapshot, Snapshot

LINE_BYTES_MAX = 1 << 20
"""Bytes of a request's line, the newline not counted."""
MESSAGE_CHARACTERS_MAX = 300
"""Of what is said about a bad line, which it may repeat in part."""

Answer = TypeVar("Answer")


# What the proxy says


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="hello"):
    """The first line of a connection."""

    protocol: int = PROTOCOL
    version: str
    pid: int
    engine: str = ""
    """A name made anew at each start: process ids come again, in a container every time."""
    read_only: bool = False
    """Requests that change something are refused."""


class Answered(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="answer"):
    """The answer to the request that has this number."""

    id: int
    answer: Raw


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="error"):
    """A request that was not done; without a number: a line that is none, or the end."""

    id: int | None = None
    code: str
    message: str
    problems: tuple[str, ...] = ()


class Pictured(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="snapshot"):
    """To a subscriber: the picture now."""

    snapshot: Raw


class Happened(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="event"):
    """To a subscriber: what happened, or how much of it was missed."""

    event: Raw


Said = Hello | Answered | Failed | Pictured | Happened


class UnreadableError(Exception):
    """What the other end says is not what it should say. The message is one line."""


_ENCODER = msgspec.json.Encoder()
_SAID: msgspec.json.Decoder[Said] = msgspec.json.Decoder(Said)
_SNAPSHOT = msgspec.json.Decoder(Snapshot)
_DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""All that msgspec raises over text; the last one when it is nested too deeply."""


def _kinds(event: type[Event]) -> list[type[Event]]:
    """The classes below this one that have none below them."""
    below = event.__subclasses__()
    return [kind for each in below for kind in _kinds(each)] if below else [event]


EVENTS = tuple(_kinds(Event))
_EVENT: msgspec.json.Decoder[Event] = msgspec.json.Decoder(reduce(or_, EVENTS))


# Writing


def write(message: Said | Request[Any]) -> bytes:
    """The line of a message, with its newline."""
    return to_json(message) + b"\n"


def to_json(value: object) -> bytes:
    """A value as JSON; what is no Unicode text (a file's name may be none) is escaped."""
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:
        return _ENCODER.encode(_readable(msgspec.to_builtins(value)))


def _readable(value: Any) -> Any:
    match value:
        case str():
            return value.encode(errors="backslashreplace").decode()
        case dict():
            return {_readable(key): _readable(each) for key, each in value.items()}
        case list() | tuple():
            return [_readable(each) for each in value]
    return value


class Press:
    """Writes what the proxy says; clusters, the bulk of a snapshot, once for all who get them."""

    def __init__(self) -> None:
        self.free_at = 0.0
        """When the next snapshot may be written, on the loop's clock: they come one by one, so
        that datagrams pass between them."""
        self._clusters: tuple[ClusterSnapshot, ...] = ()
        self._printed = Raw(b"[]")

    def answer(self, number: int, answer: object) -> bytes:
        """The line that answers the request with this number."""
        is_picture = isinstance(answer, Snapshot)
        raw = self._snapshot(answer) if is_picture else Raw(to_json(answer))  # type: ignore[arg-type]
        return write(Answered(id=number, answer=raw))

    def snapshot(self, snapshot: Snapshot) -> bytes:
        """The line that brings a subscriber this picture."""
        return write(Pictured(snapshot=self._snapshot(snapshot)))

    def event(self, event: Event) -> bytes:
        """The line that brings a subscriber this event."""
        return write(Happened(event=Raw(to_json(event))))

    def _snapshot(self, snapshot: Snapshot) -> Raw:
        if snapshot.clusters is not self._clusters:
            self._clusters, self._printed = snapshot.clusters, Raw(to_json(snapshot.clusters))
        shell = msgspec.structs.replace(snapshot, clusters=())
        try:
            # Nothing is validated on the way out: what is printed already stands in for the tuple.
            return Raw(_ENCODER.encode(msgspec.structs.replace(shell, clusters=self._printed)))
        except UnicodeEncodeError:
            return Raw(to_json(snapshot))


# Reading what the proxy says


def read(line: bytes) -> Said:
    """A line of the proxy. Raises UnreadableError."""
    return _read(_SAID, line)


def read_snapshot(raw: Raw) -> Snapshot:
    """A snapshot. Raises UnreadableError."""
    return _read(_SNAPSHOT, raw)


def read_event(raw: Raw) -> Event:
    """An event. Raises UnreadableError, also for one that this version does not know."""
    return _read(_EVENT, raw)


def read_answer(request: Request[Answer], raw: Raw) -> Answer:
    """The answer to this request. Raises UnreadableError."""
    answer: Answer = _read(_answers(type(request)), raw)
    return answer


@cache
def _answers(request: type[Request[Any]]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(answer_type(request))


_Read = TypeVar("_Read")


def _read(decoder: msgspec.json.Decoder[_Read], text: bytes | Raw) -> _Read:
    try:
        return decoder.decode(text)
    except _DECODE_ERRORS as error:
        raise UnreadableError(_told(error)) from None


# Reading requests


class BadLineError(Exception):
    """A line that is no request. The message is one line for people."""

    def __init__(self, message: str, number: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.number = number
        """The number that the asker gave it, as far as that could be read."""


class _Outline(msgspec.Struct, frozen=True):
    """What can be read of a line that is no request."""

    id: Raw = Raw(b"0")
    request: Raw = Raw(b"null")


_REQUEST: msgspec.json.Decoder[AnyRequest] = msgspec.json.Decoder(AnyRequest)
_OUTLINE = msgspec.json.Decoder(_Outline)
_NUMBER = msgspec.json.Decoder(int)
_WORD = msgspec.json.Decoder(str)
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_FIELDS: dict[str, tuple[str, ...]] = {
    str(each.__struct_config__.tag): each.__struct_fields__ for each in REQUESTS
}
"""The fields of each request, by its name on the wire."""


def read_request(line: bytes) -> AnyRequest:
    """The request on a line. Raises BadLineError."""
    try:
        return _REQUEST.decode(line)
    except _DECODE_ERRORS as error:
        raise _bad_line(line, error) from None


def _bad_line(line: bytes, error: Exception) -> BadLineError:
    try:
        outline = _OUTLINE.decode(line)
    except _DECODE_ERRORS:
        return BadLineError(f"no request: {_told(error)}")
    number = _part(_NUMBER, outline.id)
    name = _part(_WORD, outline.request)
    if name is None and not isinstance(error, msgspec.ValidationError):
        return BadLineError(f"no request: {_told(error)}", number)
    if name is None:
        return BadLineError('which request? the field "request" names it', number)
    if name not in _FIELDS:
        near = meant(name, _FIELDS)
        advice = f"did you mean {near}?" if near else f"there are {choices(_FIELDS)}"
        return BadLineError(f"there is no request {echo(name)}; {advice}", number)
    return BadLineError(f"{name}: {_told(error)}{_hint(name, error)}", number)


def _part(decoder: msgspec.json.Decoder[_Read], raw: Raw) -> _Read | None:
    try:
        return decoder.decode(raw)
    except _DECODE_ERRORS:
        return None


def _hint(name: str, error: Exception) -> str:
    """The field that was meant, if one is near."""
    unknown = _UNKNOWN_FIELD.match(str(error))
    near = meant(unknown[1], _FIELDS[name]) if unknown else ""
    return f"; did you mean {near}?" if near else ""


def _told(error: Exception) -> str:
    """What is wrong with a text, on one line that cannot harm a terminal."""
    match error:
        case RecursionError():
            return "it is nested too deeply"
        case UnicodeDecodeError():
            return f"it is not UTF-8 ({error.reason})"
    return escape(cut(str(error), MESSAGE_CHARACTERS_MAX))
