from __future__ import annotations

import pytest

from tests.engine.probes.replies import PATH, no_part_of_it_counts, only_its_own_token_counts
from udplb.engine.probes.exchange import ANSWERED, Path
from udplb.engine.probes.sip import SipExchange

SIP = SipExchange()
TOKEN = bytes(range(16, 32))
CALL = TOKEN.hex()


def response(status: str = "200 OK", call: str = f"Call-ID: {CALL}") -> bytes:
    """A response as RFC 3261, section 24.1, shows them."""
    lines = [
        f"SIP/2.0 {status}",
        f"Via: SIP/2.0/UDP 192.0.2.1:40000;rport=40000;branch=z9hG4bK{CALL}",
        f"From: <sip:udplb@192.0.2.1:40000>;tag={CALL}",
        "To: <sip:192.0.2.2:5060>;tag=1410948204",
        call,
        "CSeq: 1 OPTIONS",
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def headers(request: bytes) -> dict[str, str]:
    head, _, body = request.decode("ascii").partition("\r\n\r\n")
    assert body == ""
    return dict(line.split(": ", 1) for line in head.split("\r\n")[1:])


def test_the_request_has_all_that_a_request_must_have() -> None:
    """RFC 3261, section 8.1.1: To, From, CSeq, Call-ID, Max-Forwards and Via."""
    request = SIP.request(TOKEN, PATH)
    assert request.startswith(b"OPTIONS sip:192.0.2.2:5060 SIP/2.0\r\n")
    assert b"\n" not in request.replace(b"\r\n", b"")
    found = headers(request)
    assert found["Via"] == f"SIP/2.0/UDP 192.0.2.1:40000;rport;branch=z9hG4bK{CALL}"
    assert found["Max-Forwards"] == "70"
    assert found["From"] == f"<sip:udplb@192.0.2.1:40000>;tag={CALL}"
    assert found["To"] == "<sip:192.0.2.2:5060>"
    assert found["Call-ID"] == CALL
    assert found["CSeq"] == "1 OPTIONS"
    assert found["Content-Length"] == "0"


def test_addresses_of_version_6_stand_in_brackets() -> None:
    request = SIP.request(TOKEN, Path("[2001:db8::1]:40000", "[2001:db8::2]:5060"))
    assert request.startswith(b"OPTIONS sip:[2001:db8::2]:5060 SIP/2.0\r\n")
    assert b"UDP [2001:db8::1]:40000;rport" in request


@pytest.mark.parametrize(
    "reply",
    [
        response(),
        response("404 Not Found"),
        response("100 Trying"),
        response(call=f"i:{CALL}"),
        response(call=f"CALL-ID :  {CALL} "),
    ],
)
def test_any_response_to_the_call_is_an_answer(reply: bytes) -> None:
    assert SIP.judge(reply, TOKEN) is ANSWERED
    no_part_of_it_counts(SIP, reply, TOKEN)
    only_its_own_token_counts(SIP, reply, TOKEN)


@pytest.mark.parametrize(
    "reply",
    [
        response("20 OK"),
        response("777 OK"),
        response(call=f"Call-ID: {CALL}x"),
        response(call=f"X-Call-ID: {CALL}"),
        response(call="X: y"),
        response().replace(b"SIP/2.0 ", b"SIP/3.0 ", 1),
        response(call="X: y") + f"Call-ID: {CALL}\r\n\r\n".encode(),
        b"OPTIONS sip:x SIP/2.0\r\n" + response().partition(b"\r\n")[2],
        b"\x00" + response(),
    ],
)
def test_everything_else_is_none(reply: bytes) -> None:
    assert SIP.judge(reply, TOKEN) is None
