"""The sip probe: OPTIONS, and any response to it (RFC 3261, sections 11 and 20)."""

from __future__ import annotations

import re

from udplb.engine.probes.exchange import ANSWERED, Exchange, Judgement, Path

_STATUS_LINE = re.compile(rb"SIP/2\.0 [1-6][0-9]{2} ")

_REQUEST = """\
OPTIONS sip:{remote} SIP/2.0
Via: SIP/2.0/UDP {local};rport;branch=z9hG4bK{token}
Max-Forwards: 70
From: <sip:udplb@{local}>;tag={token}
To: <sip:{remote}>
Call-ID: {token}
CSeq: 1 OPTIONS
Contact: <sip:udplb@{local}>
Accept: application/sdp
Content-Length: 0

""".replace("\n", "\r\n")
"""`rport` (RFC 3581): the response comes back to the port that asked."""


class SipExchange(Exchange):
    """Asks what the server can do; any response to this call is good."""

    __slots__ = ()

    token_bytes = 16

    def request(self, token: bytes, path: Path) -> bytes:
        text = _REQUEST.format(local=path.local, remote=path.remote, token=token.hex())
        return text.encode()

    def judge(self, reply: bytes, token: bytes) -> Judgement | None:
        if not _STATUS_LINE.match(reply):
            return None
        head, end, _ = reply.partition(b"\r\n\r\n")
        if not end:
            return None
        wanted = token.hex().encode()
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            # "i" is the short form of Call-ID (section 7.3.3).
            if name.strip().lower() in (b"call-id", b"i"):
                return ANSWERED if value.strip() == wanted else None
        return None
