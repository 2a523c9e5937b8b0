from __future__ import annotations

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.probes.replies import PATH, no_part_of_it_counts, only_its_own_token_counts
from udplb.engine.probes.dns import DnsExchange
from udplb.engine.probes.exchange import ANSWERED

DNS = DnsExchange("host.example", "A", ("NOERROR", "NXDOMAIN"))
TOKEN = b"\xab\xcd"
QUESTION = b"\x04host\x07example\x00\x00\x01\x00\x01"
HEADER = b"\xab\xcd\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"


def response(rcode: str = "NOERROR", question: bytes = QUESTION, flags: int = 0x8180) -> bytes:
    """A response without records, by hand (RFC 1035, section 4.1.1)."""
    bits = flags | dns.rcode.from_text(rcode)
    count = 1 if question else 0
    return TOKEN + bits.to_bytes(2, "big") + bytes([0, count]) + bytes(6) + question


def test_the_query_is_a_query() -> None:
    assert DNS.request(TOKEN, PATH) == HEADER + QUESTION
    root = DnsExchange(".", "NS", ("NOERROR",))
    assert root.request(TOKEN, PATH) == HEADER + b"\x00\x00\x02\x00\x01"


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("a.b.", b"\x01a\x01b\x00"),
        ("a\\b", b"\x03a\\b\x00"),
        ("@", b"\x01@\x00"),
        (".".join(["a" * 63] * 3 + ["b" * 61]), (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"b" * 61),
    ],
)
def test_names_are_taken_as_the_configuration_allows_them(name: str, labels: bytes) -> None:
    request = DnsExchange(name, "A", ("NOERROR",)).request(TOKEN, PATH)
    assert request[12:].startswith(labels)


def test_a_servers_response_is_an_answer() -> None:
    query = dns.message.from_wire(DNS.request(TOKEN, PATH))
    full = dns.message.make_response(query)
    full.answer.append(dns.rrset.from_text("host.example.", 60, "IN", "A", "192.0.2.1"))
    assert DNS.judge(full.to_wire(), TOKEN) is ANSWERED
    full.flags |= dns.flags.TC
    assert DNS.judge(full.to_wire()[:-3], TOKEN) is ANSWERED, "truncated, and yet alive"
    assert DNS.judge(response("NXDOMAIN"), TOKEN) is ANSWERED
    assert DNS.judge(response(question=QUESTION.replace(b"host", b"HOST")), TOKEN) is ANSWERED


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "NOTIMP", "FORMERR", "NOTAUTH"])
def test_another_rcode_is_a_failure_with_its_name(rcode: str) -> None:
    judgement = DNS.judge(response(rcode), TOKEN)
    assert judgement is not None
    assert (judgement.good, judgement.why) == (False, f"answered {rcode}")


def test_some_errors_come_without_the_question() -> None:
    judgement = DNS.judge(response("REFUSED", b""), TOKEN)
    assert judgement is not None
    assert judgement.why == "answered REFUSED"
    assert DNS.judge(response("NOERROR", b""), TOKEN) is None
    assert DNS.judge(response("NXDOMAIN", b""), TOKEN) is None


@pytest.mark.parametrize(
    "reply",
    [
        response(question=b"\x04host\x07example\x00\x00\x1c\x00\x01"),
        response(question=b"\x05other\x07example\x00\x00\x01\x00\x01"),
        response(flags=0x0100),
        response(flags=0x8180 | 2 << 11),
        response(flags=0x8180 | 7 << 11),
        response(question=b"\xc0\x0c\x00\x01\x00\x01"),
        response(question=b"\x40host\x00\x00\x01\x00\x01"),
    ],
)
def test_what_answers_another_question_is_none(reply: bytes) -> None:
    assert DNS.judge(reply, TOKEN) is None


def test_only_the_whole_reply_to_this_query_counts() -> None:
    no_part_of_it_counts(DNS, response(), TOKEN)
    only_its_own_token_counts(DNS, response(), TOKEN)


def test_a_reply_of_many_questions_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them would cost some microseconds."""

    def parse(*_: object, **__: object) -> None:
        raise AssertionError("parsed")

    monkeypatch.setattr(dns.message, "from_wire", parse)
    many = bytearray(response())
    many[4:6] = b"\x03\x00"
    many += b"\xc0\x0c\x00\x01\x00\x01" * 600
    assert DNS.judge(bytes(many), TOKEN) is None


@given(tail=st.binary(max_size=300), flags=st.integers(0, 0xFFFF), count=st.integers(0, 2))
def test_garbage_behind_the_right_id_raises_nothing(tail: bytes, flags: int, count: int) -> None:
    header = TOKEN + flags.to_bytes(2, "big") + bytes([0, count]) + bytes(6)
    judgement = DNS.judge(header + tail, TOKEN)
    assert judgement is None or not judgement.good
