"""The demo's DNS: what is answered is what a resolver would take."""

from __future__ import annotations

import random

import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from udplb.demo.zone import ORIGIN, Zone
from udplb.engine.probes.dns import DnsExchange
from udplb.engine.probes.exchange import ANSWERED, Path

ZONE = Zone()


def test_every_query_gets_the_reply_that_its_client_expects() -> None:
    chance = random.Random(1)
    seen = set()
    for _ in range(500):
        query, reply = ZONE.query(chance)
        assert ZONE.answer(query) == reply
        asked, answered = dns.message.from_wire(query), dns.message.from_wire(reply)
        assert asked.is_response(answered)
        assert answered.rcode() == dns.rcode.NOERROR
        assert answered.answer
        seen |= {query, reply}
    assert len(seen) == 1_000


def test_the_cookie_is_what_tells_two_equal_questions_apart() -> None:
    chance = random.Random(2)
    query, reply = ZONE.query(chance)
    other = query[:-8] + b"anothers"
    assert ZONE.answer(other) not in (reply, None)


def test_a_query_made_by_others_is_answered() -> None:
    query = dns.message.make_query(f"www.{ORIGIN}", "A")
    reply = dns.message.from_wire(ZONE.answer(query.to_wire()) or b"")
    assert query.is_response(reply)
    assert next(iter(reply.answer[0])).to_text().startswith("192.0.2.")


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        (f"nobody.{ORIGIN}", "A", dns.rcode.NXDOMAIN),
        (ORIGIN, "AAAA", dns.rcode.NOERROR),
        ("example.com", "A", dns.rcode.NXDOMAIN),
    ],
)
def test_what_is_not_there_is_said_not_to_be(name: str, kind: str, code: int) -> None:
    reply = dns.message.from_wire(ZONE.answer(dns.message.make_query(name, kind).to_wire()) or b"")
    assert (reply.rcode(), reply.answer) == (code, [])


def test_the_probe_takes_the_answer() -> None:
    exchange = DnsExchange(ORIGIN, "SOA", ("NOERROR",))
    request = exchange.request(b"ab", Path(None, None))  # type: ignore[arg-type]
    assert exchange.judge(ZONE.answer(request) or b"", b"ab") == ANSWERED


def test_a_reply_is_not_answered() -> None:
    _, reply = ZONE.query(random.Random(3))
    assert ZONE.answer(reply) is None


@given(st.binary(max_size=200))
def test_nonsense_raises_nothing(datagram: bytes) -> None:
    ZONE.answer(datagram)


@given(st.data())
def test_a_mangled_query_raises_nothing(data: st.DataObject) -> None:
    query = bytearray(ZONE.query(random.Random(4))[0])
    for _ in range(data.draw(st.integers(1, 4))):
        query[data.draw(st.integers(0, len(query) - 1))] = data.draw(st.integers(0, 255))
    ZONE.answer(bytes(query[: data.draw(st.integers(0, len(query)))]))
