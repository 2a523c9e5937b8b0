"""Wrapping: lines of pieces that are broken between words, under the begin of what they say."""

from __future__ import annotations

import re

from rich.cells import cell_len

from udplb.tui.ink import Piece, clean

LINES_MAX = 3
"""Of one fact; what is longer is cut where the room ends."""

Line = list[Piece]


def wrapped(line: Line, width: int, indent: int, lines_max: int = LINES_MAX) -> list[Line]:
    """The line in parts of at most `width` cells, those below the first behind an indent.

    A word that has no room on any line is broken, too.
    """
    rows: list[Line] = [[]]
    used = 0
    words = re.compile(rf"\s*\S{{1,{max(1, width - indent)}}}|\s+")
    for piece in line:
        for found in words.findall(clean(piece.text)):
            word, begun = found, used > indent
            if begun and len(rows) < lines_max and used + cell_len(word.rstrip()) > width:
                rows.append([Piece(" " * indent)])
                used, word = indent, word.lstrip()
            rows[-1].append(Piece(word, piece.ink))
            used += cell_len(word)
    return rows
