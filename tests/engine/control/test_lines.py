"""Lines: whole, byte by byte, and never more than they may hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udplb.engine.control.lines import Lines, LineTooLongError


def take_all(lines: Lines) -> list[bytes]:
    taken = []
    while (line := lines.take()) is not None:
        taken.append(line)
    return taken


@given(st.lists(st.binary(max_size=20).map(lambda b: b.replace(b"\n", b""))), st.data())
def test_however_it_is_cut_the_lines_are_the_same(wanted: list[bytes], data: st.DataObject) -> None:
    text = b"".join(line + b"\n" for line in wanted) + b"rest"
    lines, taken = Lines(20), []
    while text:
        size = data.draw(st.integers(1, len(text)))
        lines.feed(text[:size])
        text = text[size:]
        taken += take_all(lines)
    assert taken == wanted
    assert len(lines) == 4
    assert lines.rest() == b"rest"
    assert lines.rest() is None
    assert len(lines) == 0


@pytest.mark.parametrize(("size", "fits"), [(0, True), (9, True), (10, True), (11, False)])
@pytest.mark.parametrize("pieces", [True, False])
def test_a_line_has_its_limit(size: int, fits: bool, pieces: bool) -> None:
    lines, text = Lines(10), b"x" * size + b"\n"

    def take() -> bytes | None:
        for piece in [text[n : n + 1] for n in range(len(text))] if pieces else [text]:
            lines.feed(piece)
            line = lines.take()
        return line

    if fits:
        assert take() == b"x" * size
    else:
        with pytest.raises(LineTooLongError):
            take()


def test_too_much_without_a_newline_is_not_waited_for() -> None:
    lines = Lines(10)
    lines.feed(b"x" * 10)
    assert lines.take() is None
    lines.feed(b"x")
    with pytest.raises(LineTooLongError):
        lines.take()


def test_a_long_line_behind_a_good_one_is_found_in_its_turn() -> None:
    lines = Lines(10)
    lines.feed(b"good\n" + b"x" * 11 + b"\n")
    assert lines.take() == b"good"
    with pytest.raises(LineTooLongError):
        lines.take()
