"""Payloads as people read them: DNS (RFC 1035) by dnspython, in one line.

Payloads are whatever anybody sends. Only the records that the line shows are made into text, of
types whose text is short; the others are stepped over, so that no payload costs more than a few
milliseconds. What is not DNS beyond doubt is not called so: see `_is_plausible`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from struct import unpack_from
from typing import NamedTuple

import dns.exception
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.wire

from udplb.config.wording import cut, escape
from udplb.engine.snapshot import TAP_BYTES_MAX
from udplb.show.quantities import plural

DNS_PORTS = frozenset({53, 5353})
"""Where DNS and multicast DNS (RFC 6762) are at home: rarer forms are believed there, too."""
RECORDS_SHOWN_MAX = 3
NAME_CHARACTERS_MAX = 100
"""Shown of a question's name."""
QUESTIONS_MAX = 16

_HEADER_BYTES = 12
_QUESTION_BYTES, _RECORD_BYTES = 5, 11
"""The least that each of them takes."""
_RESPONSE, _OPCODE, _TRUNCATED, _RECURSION_DESIRED = 0x8000, 0x7800, 0x0200, 0x0100
_AUTHORITATIVE, _RECURSION_AVAILABLE, _RESERVED, _RCODE = 0x0400, 0x0080, 0x0040, 0x000F
_IN, _OPT = 1, 41
_MULTICAST_PORT, _MULTICAST_BIT = 5353, 0x8000
"""Multicast DNS says other things with a class's first bit (RFC 6762, sections 10.2 and 18.12)."""
_WORDED_TYPES = frozenset({"A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SRV", "TXT"})
"""Records that are shown with their data."""


class _Header(NamedTuple):
    """The first 12 bytes."""

    id: int
    flags: int
    questions: int
    answers: int
    authorities: int
    additionals: int

    @property
    def records(self) -> int:
        return self.answers + self.authorities + self.additionals


class _Question(NamedTuple):
    name: str
    type: int
    type_text: str
    class_: int


@lru_cache(maxsize=256)
def decode(payload: bytes, size: int, port: int | None) -> str | None:
    """`DNS query example.com A +rd id 4711`; None where it is nothing that is known here.

    `payload` may be the begin of a datagram of `size` bytes. `port`: the server's, if known; it
    decides how much has to speak for DNS. Raises nothing.
    """
    kept = payload[:TAP_BYTES_MAX]
    if len(kept) < _HEADER_BYTES:
        return None
    header = _Header(*unpack_from("!6H", kept))
    if not _is_plausible(header, size, at_home := port in DNS_PORTS):
        return None
    mask = 0xFFFF ^ (_MULTICAST_BIT if port == _MULTICAST_PORT else 0)
    parser = dns.wire.Parser(kept)
    parser.seek(_HEADER_BYTES)
    try:
        questions = [_question(parser, mask) for _ in range(header.questions)]
        if not (at_home or all(map(_is_usual, questions))):
            return None
        answer = _Answer(parser, header, mask, questions)
        answer.read(whole=len(kept) >= size)
    except dns.exception.DNSException:
        return None
    if len(kept) >= size and parser.remaining():
        return None
    return answer.text if header.flags & _RESPONSE else _query(header, questions)


def _is_plausible(header: _Header, size: int, at_home: bool) -> bool:
    """Whether the header can be that of a query or a response with so many bytes behind it.

    Of random bytes it is one in millions: two bytes have to be a 1, and six nearly zeros.
    """
    if header.flags & (_OPCODE | _RESERVED):
        return False
    least = _QUESTION_BYTES * header.questions + _RECORD_BYTES * header.records
    if _HEADER_BYTES + least > size:
        return False
    if at_home:
        # A multicast response repeats no question.
        fewest = 0 if header.flags & _RESPONSE else 1
        return fewest <= header.questions <= QUESTIONS_MAX
    if header.flags & _RESPONSE:
        return header.questions == 1
    unused = _AUTHORITATIVE | _TRUNCATED | _RECURSION_AVAILABLE | _RCODE
    return header.questions == 1 and not (header.flags & unused or header.answers)


def _is_usual(question: _Question) -> bool:
    """A host name's characters, a type that has a name, class IN."""
    return (
        question.class_ == _IN
        and not question.type_text.startswith("TYPE")
        and all(char.isalnum() or char in "-_.*" for char in question.name)
    )


def _question(parser: dns.wire.Parser, mask: int) -> _Question:
    """Raises DNSException."""
    name = _name(parser).to_text(omit_final_dot=True)
    type_, class_ = parser.get_struct("!HH")
    type_text = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(type_))
    return _Question(name, type_, type_text, class_ & mask)


def _name(parser: dns.wire.Parser) -> dns.name.Name:
    """Raises DNSException."""
    name, used = dns.name.from_wire(parser.wire, parser.current)
    parser.seek(parser.current + used)
    return name


def _query(header: _Header, questions: list[_Question]) -> str:
    desired = " +rd" if header.flags & _RECURSION_DESIRED else ""
    return f"DNS query {_asked(questions)}{desired} id {header.id}"


def _asked(questions: list[_Question]) -> str:
    """`example.com A`; a class other than IN is named."""
    first = questions[0]
    name = escape(cut(first.name, NAME_CHARACTERS_MAX))
    class_ = dns.rdataclass.to_text(dns.rdataclass.RdataClass.make(first.class_))
    asked = first.type_text if first.class_ == _IN else f"{class_} {first.type_text}"
    more = f" and {plural(len(questions) - 1, 'question')} more" if len(questions) > 1 else ""
    return f"{name} {asked}{more}"


class _Answer:
    """The records of a message, read to the end of what was kept."""

    def __init__(
        self, parser: dns.wire.Parser, header: _Header, mask: int, questions: list[_Question]
    ) -> None:
        self._parser = parser
        self._header = header
        self._mask = mask
        self._questions = questions
        self._rcode = header.flags & _RCODE
        self._shown: list[str] = []

    def read(self, *, whole: bool) -> None:
        """Raises DNSException where a record is none, unless its end may have been cut off."""
        try:
            for number in range(self._header.records):
                self._record(number)
        except dns.exception.DNSException:
            if whole:
                raise

    def _record(self, number: int) -> None:
        _name(self._parser)
        type_, class_, ttl, length = self._parser.get_struct("!HHIH")
        if type_ == _OPT:
            self._rcode |= ttl >> 24 << 4  # RFC 6891, section 6.1.3
        if number >= min(self._header.answers, RECORDS_SHOWN_MAX):
            self._parser.get_bytes(length)
            return
        self._shown.append(self._worded(type_, class_ & self._mask, length))

    def _worded(self, type_: int, class_: int, length: int) -> str:
        """A record of another type than was asked for says its type."""
        kind = dns.rdatatype.RdataType.make(type_)
        name = dns.rdatatype.to_text(kind)
        if class_ != _IN or name not in _WORDED_TYPES:
            self._parser.get_bytes(length)
            return name
        with self._parser.restrict_to(length):
            rdata = dns.rdata.from_wire_parser(dns.rdataclass.IN, kind, self._parser)
        text = escape(cut(rdata.to_text()))
        return text if any(type_ == each.type for each in self._questions) else f"{name} {text}"

    @property
    def text(self) -> str:
        """`DNS answer example.com A NOERROR 1 record: 192.0.2.1`."""
        return " ".join(("DNS answer", *self._parts()))

    def _parts(self) -> Iterator[str]:
        if self._questions:
            yield _asked(self._questions)
        yield dns.rcode.to_text(dns.rcode.Rcode.make(self._rcode))
        if self._header.flags & _TRUNCATED:
            yield "truncated"
        count = plural(self._header.answers, "record")
        more = ", …" if self._header.answers > len(self._shown) else ""
        yield f"{count}: {', '.join(self._shown)}{more}" if self._shown else count
