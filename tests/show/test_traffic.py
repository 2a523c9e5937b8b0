from __future__ import annotations

from tests.show.pictures import listener
from udplb.show import traffic
from udplb.show.paces import Pace


def test_cells_stand_below_their_columns() -> None:
    cells = traffic.counters(listener(requests=1, replies=2, request_bytes=3, reply_bytes=4))
    keys = [column.key for column in traffic.COUNTERS]
    assert dict(zip(keys, [cell.word for cell in cells], strict=True)) == {
        "requests": "1", "replies": "2", "request_bytes": "3", "reply_bytes": "4",
    }  # fmt: skip


def test_paces_stand_below_their_columns() -> None:
    pace = Pace(requests=1, replies=2, request_bytes=3, reply_bytes=4, admitted=5)
    keys = [column.key for column in traffic.PACES]
    words = [cell.word for cell in traffic.paces(pace)]
    assert dict(zip(keys, words, strict=True)) == {
        "requests_per_s": "1.0", "replies_per_s": "2.0",
        "request_bytes_per_s": "3.0", "reply_bytes_per_s": "4.0",
    }  # fmt: skip
    assert [cell.word for cell in traffic.paces(None)] == ["-"] * 4
