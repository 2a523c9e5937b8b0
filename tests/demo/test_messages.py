"""What the two processes say to each other."""

from __future__ import annotations

import msgspec
import pytest

from udplb.demo.messages import (
    Begin,
    Bound,
    Counted,
    Finish,
    Order,
    Report,
    line_of,
    read_order,
    read_report,
)
from udplb.demo.tally import Tally

ORDERS: list[Order] = [
    Begin(listeners={"dns": ("127.0.0.1", 5300)}, control_socket="/x", acts=True, speed=2.0),
    Finish(),
]
REPORTS: list[Report] = [
    Bound(ports={"dns/a": 1}, many_hosts=True),
    Counted(tally=Tally(sent=1, answered=2, twice=3, wrong=4, intrusions=5), final=True),
]


@pytest.mark.parametrize("order", ORDERS)
def test_orders_arrive_as_they_were_given(order: Order) -> None:
    assert line_of(order).count(b"\n") == 1
    assert read_order(line_of(order)) == order


@pytest.mark.parametrize("report", REPORTS)
def test_reports_arrive_as_they_were_made(report: Report) -> None:
    assert line_of(report).count(b"\n") == 1
    assert read_report(line_of(report)) == report


@pytest.mark.parametrize("line", [b"", b"{}\n", b"no json\n", b'{"type": "Stop"}\n'])
def test_nonsense_is_refused(line: bytes) -> None:
    for read in (read_order, read_report):
        with pytest.raises(msgspec.DecodeError):
            read(line)
