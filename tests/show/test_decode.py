from __future__ import annotations

import random

import dns.flags
import dns.message
import dns.rrset
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.show.taps import answer, query
from udplb.engine.snapshot import TAP_BYTES_MAX
from udplb.show.decode import QUESTIONS_MAX, decode

ELSEWHERE = 9_000
"""A port at which nobody expects DNS."""


def told(payload: bytes, port: int | None = 53) -> str | None:
    """As a tap has it: cut."""
    return decode(payload[:TAP_BYTES_MAX], len(payload), port)


@pytest.mark.parametrize("port", [53, 5353, ELSEWHERE, None])
@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (query(), "DNS query example.com A +rd id 4711"),
        (query("a-b._tcp.example", "SRV"), "DNS query a-b._tcp.example SRV +rd id 4711"),
        (query(".", "NS"), "DNS query . NS +rd id 4711"),
        (answer("A 192.0.2.1"), "DNS answer example.com A NOERROR 1 record: 192.0.2.1"),
        (answer(), "DNS answer example.com A NOERROR 0 records"),
        (answer(rcode=3), "DNS answer example.com A NXDOMAIN 0 records"),
        (
            answer("CNAME www.example.net.", "A 192.0.2.1"),
            "DNS answer example.com A NOERROR 2 records: CNAME www.example.net., 192.0.2.1",
        ),
        (
            answer(*(f"A 192.0.2.{n}" for n in range(1, 6))),
            "DNS answer example.com A NOERROR 5 records: 192.0.2.1, 192.0.2.2, 192.0.2.3, …",
        ),
        (
            answer("HTTPS 1 . alpn=h2", kind="HTTPS"),
            "DNS answer example.com HTTPS NOERROR 1 record: HTTPS",
        ),
    ],
)
def test_dns(payload: bytes, port: int | None, text: str) -> None:
    assert told(payload, port) == text


def test_flags() -> None:
    asked = dns.message.make_query("example.com", "A", id=1)
    asked.flags = dns.flags.Flag(0)
    assert told(asked.to_wire()) == "DNS query example.com A id 1"
    reply = dns.message.make_response(asked)
    reply.flags |= dns.flags.TC
    assert told(reply.to_wire()) == "DNS answer example.com A NOERROR truncated 0 records"


def test_a_response_code_of_edns() -> None:
    asked = dns.message.make_query("example.com", "A", use_edns=0)
    reply = dns.message.make_response(asked)
    reply.set_rcode(dns.rcode.BADVERS)
    assert told(reply.to_wire()) == "DNS answer example.com A BADVERS 0 records"


def test_a_cut_answer_says_what_there_was() -> None:
    whole = answer(*(f"A 192.0.2.{n}" for n in range(1, 60)))
    assert len(whole) > TAP_BYTES_MAX
    text = "DNS answer example.com A NOERROR 59 records: 192.0.2.1, 192.0.2.2, 192.0.2.3, …"
    assert told(whole, ELSEWHERE) == text
    long = "z" * 250
    cut = answer("A 192.0.2.1", *(f'TXT "{n}{long}"' for n in range(3)), kind="ANY")
    said = told(cut)
    assert said is not None
    assert "4 records: A 192.0.2.1, TXT " in said
    assert said.endswith(", …")


@pytest.mark.parametrize(("answers", "size"), [(1, 600), (49, 600), (54, 600), (0xFFFF, 65_507)])
def test_a_cut_answer_cannot_have_more_than_there_is_room_for(answers: int, size: int) -> None:
    payload = answer("A 192.0.2.1").ljust(TAP_BYTES_MAX, b"\0")
    payload = payload[:6] + answers.to_bytes(2, "big") + payload[8:]
    least = 12 + 5 + 11 * answers
    assert (decode(payload, size, ELSEWHERE) is None) == (least > size)


def test_a_name_is_cut_and_escaped() -> None:
    said = told(query("\\027[2J\\010.example"))
    assert said == "DNS query \\027[2J\\010.example A +rd id 4711"
    long = ".".join(["x" * 60] * 4)
    said = told(query(long))
    assert said is not None
    assert "…" in said
    assert len(said) < 150
    text = told(answer('TXT "\\027[2J"', kind="TXT"))
    assert text == 'DNS answer example.com TXT NOERROR 1 record: "\\027[2J"'


def test_what_only_a_port_of_dns_makes_likely() -> None:
    chaos = dns.message.make_query("version.bind", "TXT", "CH", id=1).to_wire()
    odd, unknown = query("a\\032b.example"), query(kind="TYPE4711")
    for payload in (chaos, odd, unknown):
        assert told(payload, ELSEWHERE) is None
    assert told(chaos) == "DNS query version.bind CH TXT +rd id 1"
    assert told(odd) == "DNS query a\\032b.example A +rd id 4711"
    assert told(unknown) == "DNS query example.com TYPE4711 +rd id 4711"


def test_multicast_dns() -> None:
    ask = b"\0\0\0\0\0\x02\0\0\0\0\0\0" + (b"\x02_a\x04_udp\x05local\0\0\x0c\x80\x01" * 2)
    assert told(ask, 5353) == "DNS query _a._udp.local PTR and 1 question more id 0"
    reply = (
        b"\0\0\x84\0\0\0\0\x01\0\0\0\0\x01a\x05local\0\0\x01\x80\x01\0\0\0\x78\0\x04\xc0\0\x02\x01"
    )
    assert told(reply, 5353) == "DNS answer NOERROR 1 record: A 192.0.2.1"
    assert told(reply, ELSEWHERE) is None


@pytest.mark.parametrize("number", [QUESTIONS_MAX, QUESTIONS_MAX + 1])
def test_many_questions(number: int) -> None:
    ask = b"\0\1\0\0" + number.to_bytes(2, "big") + bytes(6) + b"\0\0\x01\0\x01" * number
    assert (told(ask) is not None) == (number == QUESTIONS_MAX)


def with_bits(payload: bytes, at: int, bits: int) -> bytes:
    return payload[:at] + bytes([payload[at] | bits]) + payload[at + 1 :]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        bytes(11),
        bytes(12),
        bytes(500),
        query()[:-1],
        query() + b"x",
        answer("A 192.0.2.1")[:-1],
        answer("A 192.0.2.1") + b"x",
        answer("A 192.0.2.1")[:7] + b"\x02" + answer("A 192.0.2.1")[8:],
        with_bits(query(), 2, 0x28),
        with_bits(query(), 3, 0x40),
        b"\x16\xfe\xfd" + bytes(60),
        b"\x00\x01\x00\x08\x21\x12\xa4\x42" + bytes(20),
        b"\xc3\x00\x00\x00\x01\x08" + bytes(range(200)),
        b"\x80\x60" + bytes(170),
        query()[:12] + b"\xc0\x0c" + query()[-4:],
    ],
    ids=[
        "empty", "short", "zeros", "many zeros", "query without its end", "query and more",
        "answer without its end", "answer and more", "too few records", "update", "reserved bit",
        "DTLS", "STUN", "QUIC", "RTP", "name that points at itself",
    ],
)  # fmt: skip
@pytest.mark.parametrize("port", [53, 5353, ELSEWHERE, None])
def test_what_is_not_dns(payload: bytes, port: int | None) -> None:
    assert told(payload, port) is None


@pytest.mark.parametrize(
    "bits", [(2, 0x04), (2, 0x02), (3, 0x80), (3, 0x01), (7, 0x01)],
    ids=["AA", "TC", "RA", "rcode", "answers"],
)  # fmt: skip
def test_elsewhere_a_query_has_nothing_of_a_response(bits: tuple[int, int]) -> None:
    payload = with_bits(query() + b"\0\0\x01\0\x01\0\0\0\0\0\x04abcd", *bits)
    assert told(payload[:-15] if bits[0] != 7 else payload, ELSEWHERE) is None


@pytest.mark.parametrize("port", [53, 5353, ELSEWHERE])
def test_random_payloads_are_not_dns(port: int) -> None:
    chance = random.Random(5)
    payloads = (chance.randbytes(chance.randint(0, 600)) for _ in range(20_000))
    assert sum(told(each, port) is not None for each in payloads) <= 1


PORTS = st.sampled_from([53, 5353, ELSEWHERE, None])


@given(st.binary(max_size=TAP_BYTES_MAX), st.integers(-1, 70_000), PORTS)
@example(payload=b"\0\1\x80\0\0\1\0\0\0\0\0\0", size=2_000, port=53)
def test_any_payload(payload: bytes, size: int, port: int | None) -> None:
    said = decode(payload, size, port)
    assert said is None or said.isprintable()


HEADERS = st.builds(
    lambda flags, counts: b"\0\1" + flags + bytes(b for n in counts for b in (0, n)),
    st.sampled_from([b"\1\0", b"\x84\0", b"\x81\x80", b"\0\0"]),
    st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(0, 2), st.integers(0, 2)),
)
NAMES = st.sampled_from(
    [b"\0", b"\xc0\x0c", b"\x01a\0", b"\x03\x1b[J\0", b"\x01a\xc0\x0c", b"\x40"]
)
TYPES = st.sampled_from([1, 2, 5, 6, 12, 15, 16, 28, 33, 41, 46, 64, 65, 249, 250, 257, 4711])
RECORDS = st.builds(
    lambda name, kind, class_, data, short: (
        name + kind.to_bytes(2, "big") + class_ + b"\0\0\0\1"
        + max(0, len(data) - short).to_bytes(2, "big") + data
    ),
    NAMES, TYPES, st.sampled_from([b"\0\1", b"\x80\1", b"\0\3", b"\0\xff"]),
    st.one_of(
        st.binary(max_size=40),
        st.builds(lambda begin, name: begin + name, st.binary(max_size=6), NAMES),
        st.sampled_from([b"\xc0\0\2\1", bytes(16), b"\x03abc", b"\0\x05issue.x"]),
        st.sampled_from([b"\0\x05\x1b[2J\0x", b"\x05\x1b[2J\0"]),
    ),
    st.integers(0, 1),
)  # fmt: skip


@settings(max_examples=600)
@given(HEADERS, st.lists(NAMES, max_size=2), st.lists(RECORDS, max_size=6), PORTS, st.booleans())
def test_what_is_nearly_dns(
    header: bytes, names: list[bytes], records: list[bytes], port: int | None, cut: bool
) -> None:
    payload = header + b"".join(name + b"\0\1\0\1" for name in names) + b"".join(records)
    said = decode(payload[:TAP_BYTES_MAX], len(payload) + (1_000 if cut else 0), port)
    assert said is None or (said.isprintable() and said.startswith("DNS ") and len(said) < 600)


@given(st.sampled_from([query(), answer("A 192.0.2.1", "MX 10 m.example.")]), st.data())
def test_dns_with_wrong_bytes(payload: bytes, data: st.DataObject) -> None:
    broken = bytearray(payload)
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    said = told(bytes(broken), data.draw(PORTS))
    assert said is None or said.isprintable()


def test_the_dearest_payload() -> None:
    """As many records as fit, each with the longest name, by way of a pointer: 5 ms at most."""
    name = b"\x01a" * 126 + b"\0"
    record = b"\xc0\x0c\0\x0c\0\x01\0\0\0\x01\0\x02\xc0\x0c"
    head = b"\0\1\x81\0\0\1\0\x20\0\x20\0\x20" + name + b"\0\x01\0\x01"
    payload = (head + record * 100)[:TAP_BYTES_MAX]
    said = decode(payload, 1_400, 53)
    assert said is not None
    assert " NOERROR 32 records: PTR a.a." in said
