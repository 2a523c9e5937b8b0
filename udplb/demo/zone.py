"""The names that the demo's DNS servers know: real queries and answers, made by dnspython.

Thousands are asked, so each answer is made once. A query carries a cookie (RFC 7873), which the
answer repeats: no two queries are alike, and so every reply is known to be its asker's own.
"""

from __future__ import annotations

import random

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

ORIGIN = "demo.example"
TTL_S = 60
EDNS_PAYLOAD = 1_232
"""Bytes that a client takes (DNS flag day 2020)."""
_COOKIE = dns.edns.OptionType.COOKIE
_COOKIE_BYTES = 8
_SERVER_COOKIE = b"udplb-sv"
_NO_COOKIE = bytes(_COOKIE_BYTES)
_HOSTS = (
    "www",
    "api",
    "mail",
    "cdn",
    "login",
    "shop",
    "static",
    "chat",
    "news",
    "maps",
    "ns",
    "mail2",
)
_TEXT = "v=spf1 ip4:192.0.2.0/24 include:_spf.demo.example include:_spf.mail.demo.example -all"


def _records() -> dict[tuple[str, str], tuple[str, ...]]:
    """By name and type what is there; addresses are of documentation (RFC 5737, RFC 3849)."""
    records: dict[tuple[str, str], tuple[str, ...]] = {
        (ORIGIN, "SOA"): (f"ns.{ORIGIN}. hostmaster.{ORIGIN}. 1 3600 600 86400 60",),
        (ORIGIN, "NS"): (f"ns.{ORIGIN}.",),
        (ORIGIN, "MX"): (f"10 mail.{ORIGIN}.", f"20 mail2.{ORIGIN}."),
        (ORIGIN, "TXT"): (f'"{_TEXT}"', '"site-verification=3f1c9ad0e5b24786"'),
    }
    for number, host in enumerate(_HOSTS, 1):
        name = f"{host}.{ORIGIN}"
        records[name, "A"] = tuple(
            f"192.0.2.{number * 10 + each}" for each in range(1 + number % 4)
        )
        records[name, "AAAA"] = (f"2001:db8::{number:x}",)
    return records


class Zone:
    """Answers queries, and makes some."""

    def __init__(self) -> None:
        self._rrsets = {
            (dns.name.from_text(name), dns.rdatatype.from_text(kind)): dns.rrset.from_text(
                name + ".", TTL_S, "IN", kind, *texts
            )
            for (name, kind), texts in _records().items()
        }
        self._names = {name for name, _ in self._rrsets}
        self._queries: list[tuple[bytes, bytes]] = []
        """What is asked and answered, both without id; queries without cookie, too."""
        self._answers: dict[bytes, bytes] = {}
        for name, kind in self._rrsets:
            self._prepare(name, kind)

    def _prepare(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> None:
        query = dns.message.make_query(name, kind)
        _bear(query, _NO_COOKIE)
        asked = query.to_wire()[2:-_COOKIE_BYTES]
        answered = self._reply_to(query).to_wire()[2 : -2 * _COOKIE_BYTES]
        self._queries.append((asked, answered))
        self._answers[asked] = answered

    def query(self, chance: random.Random) -> tuple[bytes, bytes]:
        """A query that nobody made before, and the one right reply to it."""
        asked, answered = chance.choice(self._queries)
        number, cookie = chance.randbytes(2), chance.randbytes(_COOKIE_BYTES)
        return number + asked + cookie, number + answered + cookie + _SERVER_COOKIE

    def answer(self, query: bytes) -> bytes | None:
        """The reply to a query of anybody; None to what is none, such as a reply."""
        answered = self._answers.get(query[2:-_COOKIE_BYTES])
        if answered is not None:
            return query[:2] + answered + query[-_COOKIE_BYTES:] + _SERVER_COOKIE
        try:
            return self._reply_to(dns.message.from_wire(query)).to_wire(max_size=EDNS_PAYLOAD)
        except (dns.exception.DNSException, ValueError, NotImplementedError):
            return None

    def _reply_to(self, query: dns.message.Message) -> dns.message.Message:
        reply = dns.message.make_response(query, our_payload=EDNS_PAYLOAD)
        if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
            reply.set_rcode(dns.rcode.NOTIMP)
            return reply
        question = query.question[0]
        found = self._rrsets.get((question.name, question.rdtype))
        reply.flags |= dns.flags.AA
        if found is not None and question.rdclass == dns.rdataclass.IN:
            reply.answer.append(found)
        elif question.name not in self._names:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        for option in query.options[:1]:
            if option.otype == _COOKIE:
                _bear(reply, _cookie_in(option) + _SERVER_COOKIE)
        return reply


def _cookie_in(option: dns.edns.Option) -> bytes:
    """The client's part of a cookie option."""
    return bytes(option.to_wire() or b"")[:_COOKIE_BYTES]


def _bear(message: dns.message.Message, cookie: bytes) -> None:
    """Let the message end with this cookie."""
    options: list[dns.edns.Option] = [dns.edns.GenericOption(_COOKIE, cookie)]
    message.use_edns(0, payload=EDNS_PAYLOAD, options=options)
