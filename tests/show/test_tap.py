from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.show.pictures import HOSTILE, NOW
from tests.show.taps import answer, datagram, query, tap
from udplb.engine.snapshot import TAP_BYTES_MAX, TappedDatagram
from udplb.show.page import Cell, Page, Table
from udplb.show.plain import text_of
from udplb.show.tap import (
    Seen,
    hexdump,
    line_of_datagram,
    lines_of_bytes,
    page_of_datagram,
    page_of_tap,
    port_of,
)

TOLD = tap(
    datagram(query(), at=NOW + 0.123_456),
    datagram(answer("A 192.0.2.1"), at=NOW + 0.124_256, to_backend=False),
    datagram(b"\x00\xffhi \x1b[2J", at=NOW + 60.5),
)


def rows(page: Page) -> tuple[tuple[Cell, ...], ...]:
    (table,) = (block for block in page if isinstance(block, Table))
    return table.rows


def lines(page: Page) -> list[str]:
    return text_of(page).splitlines()


def test_a_tap_for_people() -> None:
    page = page_of_tap(TOLD, now=NOW + 61)
    assert lines(page)[:3] == [
        "Flow 7: 203.0.113.9:51820 → 192.0.2.1:53 → edge-1",
        "3 datagrams; the last one 0.5s ago",
        "",
    ]
    assert [[cell.text for cell in row] for row in rows(page)] == [
        ["11:06:40.123Z", "→ request", "29 B", "-", "DNS query example.com A +rd id 4711"],
        [
            "11:06:40.124Z", "← reply", f"{TOLD.datagrams[1].size} B", "0.8 ms",
            "DNS answer example.com A NOERROR 1 record: 192.0.2.1",
        ],
        ["11:07:40.500Z", "→ request", "9 B", "1:00", "00 ff 68 69 20 1b 5b 32 4a  |..hi .[2J|"],
    ]  # fmt: skip


def test_a_tap_for_programs() -> None:
    header, *told = lines(page_of_tap(TOLD, now=NOW + 61))[3:]
    assert header.split() == ["AT", "DIRECTION", "SIZE", "GAP_S", "CONTENT"]
    assert [each.split()[:4] for each in told] == [
        ["2026-11-18T11:06:40.123456Z", "request", "29", "-"],
        ["2026-11-18T11:06:40.124256Z", "reply", str(TOLD.datagrams[1].size), "0.000800"],
        ["2026-11-18T11:07:40.500000Z", "request", "9", "60.375744"],
    ]


def test_nothing_yet_and_nothing_any_more() -> None:
    for live, empty in ((True, "no datagrams yet"), (False, "no datagrams")):
        table = page_of_tap(tap(live=live), now=NOW)[-1]
        assert isinstance(table, Table)
        assert table.empty == empty
    assert "0 datagrams" in lines(page_of_tap(tap(), now=NOW))


def test_more_were_seen_than_are_there() -> None:
    said = lines(page_of_tap(tap(datagram(), datagram(), seen=18_402), now=NOW + 2))
    assert said[1] == "18,402 datagrams; the last 2 below; the last one 2.0s ago"


def test_the_flow_has_ended() -> None:
    said = lines(page_of_tap(tap(datagram(), live=False), now=NOW))
    assert said[1:3] == ["○ The flow has ended; this is what was seen before.", "1 datagram"]


@pytest.mark.parametrize("size", [TAP_BYTES_MAX, TAP_BYTES_MAX + 1])
def test_what_was_cut_is_told(size: int) -> None:
    page = page_of_tap(tap(datagram(), datagram(bytes(size))), now=NOW)
    note = "▲ Of 1 of them only the first 512 bytes were kept."
    assert (note in lines(page)) == (size > TAP_BYTES_MAX)
    assert rows(page)[1][2].text == f"{size} B"


@pytest.mark.parametrize(("width", "shown"), [(None, 16), (200, 16), (80, 7), (20, 4), (90, 10)])
def test_bytes_that_fit(width: int | None, shown: int) -> None:
    content = rows(page_of_tap(tap(datagram(b"A" * 40)), now=NOW, width=width))[0][-1].text
    assert content == f"{' '.join(['41'] * shown)}  |{'A' * shown}| …"


@pytest.mark.parametrize("width", [80, 90, 100])
def test_a_line_fits(width: int) -> None:
    told = datagram(bytes(65_507), at=NOW)
    (line,) = lines(page_of_datagram(Seen(told, 0.999, None), width))
    assert width - 4 <= len(line) <= width


def test_an_empty_datagram() -> None:
    cell = rows(page_of_tap(tap(datagram(b"")), now=NOW))[0][-1]
    assert (cell.text, cell.word) == ("empty", "-")


def test_what_a_socket_says_is_not_obeyed() -> None:
    told = tap(datagram(HOSTILE.encode()), client=HOSTILE, local=HOSTILE, backend=HOSTILE)
    page = page_of_tap(told, now=NOW)
    assert "\x1b" not in text_of(page)
    assert text_of(page).count("\n") == 5
    assert port_of(told) is None


def test_lines_of_a_stream() -> None:
    first, second, third = TOLD.datagrams
    assert line_of_datagram(Seen(first, None, 53)) == (
        "2026-11-18T11:06:40.123456Z  request     29            -"
        "  DNS query example.com A +rd id 4711"
    )
    assert line_of_datagram(Seen(second, 0.0008, 53)).split()[1:4] == ["reply", "45", "0.000800"]
    assert lines(page_of_datagram(Seen(third, 60.376, 53), 100)) == [
        "11:07:40.500Z  → request       9 B     1:00  00 ff 68 69 20 1b 5b 32 4a  |..hi .[2J|"
    ]


def test_a_hex_dump() -> None:
    assert hexdump(b"") == ()
    assert hexdump(b"hello, world\n\x7f\x80\xff" + b"~ z") == (
        "0000  68 65 6c 6c 6f 2c 20 77  6f 72 6c 64 0a 7f 80 ff  |hello, world....|",
        "0010  7e 20 7a                                          |~ z|",
    )
    assert len(hexdump(bytes(4_000))) == TAP_BYTES_MAX / 16
    assert hexdump(bytes(4_000))[-1].startswith("01f0  ")


def test_a_hex_dump_of_what_was_cut() -> None:
    assert lines_of_bytes(datagram(b"x")) == hexdump(b"x")
    assert lines_of_bytes(datagram(bytes(1_512)))[-1] == "… 1,000 bytes more, not kept"
    assert len(lines_of_bytes(datagram(bytes(1_512)))) == 33


ANY = st.builds(
    TappedDatagram,
    at=st.floats(),
    to_backend=st.booleans(),
    size=st.integers(-(2**70), 2**70),
    payload=st.binary(max_size=600),
)


@given(st.lists(ANY, max_size=4), st.floats(), st.booleans())
def test_whatever_a_socket_says_can_be_shown(
    datagrams: list[TappedDatagram], now: float, live: bool
) -> None:
    told = tap(*datagrams, live=live)
    for each in text_of(page_of_tap(told, now=now, width=80)).splitlines():
        assert each.isprintable()
    for datagram_ in datagrams:
        assert line_of_datagram(Seen(datagram_, now, 53)).isprintable()
        assert all(each.isprintable() for each in lines_of_bytes(datagram_))


@pytest.mark.parametrize("part", [0.999_4, 0.999_6])
def test_a_time_is_rounded_into_the_next_second(part: float) -> None:
    text = rows(page_of_tap(tap(datagram(at=NOW + part)), now=NOW))[0][0].text
    assert text == ("11:06:40.999Z" if part < 0.999_5 else "11:06:41.000Z")
