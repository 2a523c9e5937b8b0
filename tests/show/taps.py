"""Hand-made taps, with DNS and other payloads."""

from __future__ import annotations

from typing import Any

import dns.flags
import dns.message
import dns.rrset
from msgspec.structs import replace

from tests.show.pictures import NOW
from udplb.engine.snapshot import TAP_BYTES_MAX, TappedDatagram, TapSnapshot


def query(name: str = "example.com", kind: str = "A", id: int = 4711) -> bytes:
    return dns.message.make_query(name, kind, id=id).to_wire()


def answer(*records: str, name: str = "example.com", kind: str = "A", rcode: int = 0) -> bytes:
    """Each record as `A 192.0.2.1`, all of the name that was asked for."""
    told = dns.message.make_response(dns.message.make_query(name, kind, id=4711))
    told.set_rcode(dns.rcode.Rcode.make(rcode))
    for each in records:
        type_, text = each.split(" ", 1)
        told.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", type_, text))
    return told.to_wire(max_size=65_535)


def datagram(payload: bytes = b"hello", **fields: Any) -> TappedDatagram:
    """Cut as the engine does."""
    return replace(
        TappedDatagram(at=NOW, to_backend=True, size=len(payload), payload=payload[:TAP_BYTES_MAX]),
        **fields,
    )


def tap(*datagrams: TappedDatagram, **fields: Any) -> TapSnapshot:
    return replace(
        TapSnapshot(
            flow=7,
            live=True,
            client="203.0.113.9:51820",
            local="192.0.2.1:53",
            backend="edge-1",
            seen=len(datagrams),
            datagrams=datagrams,
        ),
        **fields,
    )
