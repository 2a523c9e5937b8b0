from __future__ import annotations

import pytest

from tests.engine.probes.replies import PATH, no_part_of_it_counts, only_its_own_token_counts
from udplb.engine.probes.exchange import ANSWERED
from udplb.engine.probes.ntp import NtpExchange

NTP = NtpExchange()
TOKEN = bytes(range(1, 9))


def reply(
    *,
    leap: int = 0,
    version: int = 4,
    mode: int = 4,
    stratum: int = 2,
    reference: bytes = b"\x0a\x00\x00\x01",
    origin: bytes = TOKEN,
) -> bytes:
    """A server's packet (RFC 5905, figure 8)."""
    first = leap << 6 | version << 3 | mode
    head = bytes([first, stratum, 6, 0xE9]) + bytes(8) + reference
    return head + b"\xe0" * 8 + origin + b"\xe1" * 8 + b"\xe2" * 8


def test_the_request_is_a_client_packet_of_version_4() -> None:
    request = NTP.request(TOKEN, PATH)
    assert len(request) == 48
    assert (request[0] >> 6, request[0] >> 3 & 7, request[0] & 7) == (0, 4, 3)
    assert request[1:40] == bytes(39)
    assert request[40:] == TOKEN, "the transmit timestamp"


@pytest.mark.parametrize("stratum", [1, 2, 15])
@pytest.mark.parametrize("leap", [0, 1, 2])
@pytest.mark.parametrize("version", [3, 4])
def test_a_server_that_knows_the_time_is_good(stratum: int, leap: int, version: int) -> None:
    assert NTP.judge(reply(stratum=stratum, leap=leap, version=version), TOKEN) is ANSWERED
    assert NTP.judge(reply(stratum=stratum) + bytes(20), TOKEN) is ANSWERED, "with a MAC"


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (reply(stratum=0, reference=b"RATE"), "answered kiss code RATE"),
        (reply(stratum=0, leap=3, reference=b"DENY"), "answered kiss code DENY"),
        (reply(stratum=0, reference=bytes(4)), "answered unsynchronised"),
        (reply(stratum=0, reference=b"\x1b[3m"), "answered unsynchronised"),
        (reply(stratum=0, reference=b"\xc0\xc0\xc0\xc0"), "answered unsynchronised"),
        (reply(stratum=16), "answered unsynchronised"),
        (reply(stratum=2, leap=3), "answered unsynchronised"),
    ],
)
def test_a_server_that_does_not_says_why(packet: bytes, why: str) -> None:
    judgement = NTP.judge(packet, TOKEN)
    assert judgement is not None
    assert (judgement.good, judgement.why) == (False, why)


@pytest.mark.parametrize("mode", [0, 1, 2, 3, 5, 6, 7])
def test_only_a_server_replies(mode: int) -> None:
    assert NTP.judge(reply(mode=mode), TOKEN) is None


@pytest.mark.parametrize("stratum", [17, 255])
def test_a_reserved_stratum_is_no_reply(stratum: int) -> None:
    assert NTP.judge(reply(stratum=stratum), TOKEN) is None


def test_only_the_whole_reply_to_this_request_counts() -> None:
    no_part_of_it_counts(NTP, reply(), TOKEN)
    no_part_of_it_counts(NTP, reply(stratum=0, reference=b"RATE"), TOKEN)
    only_its_own_token_counts(NTP, reply(), TOKEN)
