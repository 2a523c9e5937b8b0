"""What the demo's two processes say to each other: one JSON object a line, through pipes."""

from __future__ import annotations

import msgspec

from udplb.demo.cast import Place
from udplb.demo.tally import Tally


class Begin(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To the traffic: the proxy forwards; send."""

    listeners: dict[str, Place]
    """By cluster."""
    control_socket: str
    acts: bool
    """Whether anything happens to the backends; else all is calm."""
    speed: float
    """How many seconds of the play go by in one."""


class Finish(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To the traffic: stop sending, wait for what is owed, tell the end of it."""


class Bound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """From the traffic, first: where the backends are."""

    ports: dict[str, int]
    """By CLUSTER/NAME."""
    many_hosts: bool
    """Clients come from many addresses."""


class Counted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """From the traffic, every now and then: what the clients sent and got so far."""

    tally: Tally
    final: bool = False
    """Nothing more is sent, and the process ends."""


Order = Begin | Finish
Report = Bound | Counted

_ORDER: msgspec.json.Decoder[Order] = msgspec.json.Decoder(Order)
_REPORT: msgspec.json.Decoder[Report] = msgspec.json.Decoder(Report)
_ENCODER = msgspec.json.Encoder()


def line_of(message: Order | Report) -> bytes:
    """The message as a line."""
    return _ENCODER.encode(message) + b"\n"


def read_order(line: bytes) -> Order:
    """Raises msgspec.DecodeError."""
    return _ORDER.decode(line)


def read_report(line: bytes) -> Report:
    """Raises msgspec.DecodeError."""
    return _REPORT.decode(line)
