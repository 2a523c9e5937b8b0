"""A text cut at its headers, and whose the comments between two tables are."""

from __future__ import annotations

import pytest

from udplb.config.segments import belongings, segments
from udplb.config.starter import starter

TEXT = '''\
# top
x = 1

# about a
[a.b] # h
y = [ # [b]
 [1], # [[z]]
[[2]]
]
# old

# s
  [[ c . "d e".'f' ]]
s = """
[[x]]
"""   # c
# e
[e]'''


def test_a_text_is_cut_at_its_headers_and_nowhere_else() -> None:
    cuts = segments(TEXT)
    assert [(cut.path, cut.is_array) for cut in cuts] == [
        ((), False),
        (("a", "b"), False),
        (("c", "d e", "f"), True),
        (("e",), False),
    ]
    assert [TEXT[cut.start : cut.end] for cut in cuts] == [
        "# top\nx = 1\n",
        "[a.b] # h\ny = [ # [b]\n [1], # [[z]]\n[[2]]\n]\n",
        '  [[ c . "d e".\'f\' ]]\ns = """\n[[x]]\n"""   # c\n',
        "[e]",
    ]


def test_comments_belong_to_the_nearer_table() -> None:
    cuts = segments(TEXT)
    found = [belongings(TEXT, cuts, index) for index in range(len(cuts))]
    assert [TEXT[start:end] for start, end in found] == [
        "# top\nx = 1\n",
        "# about a\n[a.b] # h\ny = [ # [b]\n [1], # [[z]]\n[[2]]\n]\n# old\n",
        "# s\n" + TEXT[cuts[2].start : cuts[2].end],
        "# e\n[e]",
    ]


@pytest.mark.parametrize("text", ["", "\n", "# only a comment", "a = 1", "[a]", "\n\n[[a]]\n\n"])
def test_small_texts_are_cut(text: str) -> None:
    cuts = segments(text)
    assert all(text[cut.start : cut.end].strip() for cut in cuts[1:])
    assert "".join(text[cut.start : cut.end] for cut in cuts) in (text, text.strip() + "\n", "")


def test_line_ends_of_windows_are_line_ends() -> None:
    text = TEXT.replace("\n", "\r\n")
    assert [cut.path for cut in segments(text)] == [cut.path for cut in segments(TEXT)]
    assert all(text[cut.start : cut.end].endswith("\r\n") for cut in segments(text)[:-1])


def test_the_starter_has_the_segments_that_it_shows() -> None:
    paths = [".".join(cut.path) for cut in segments(starter())]
    assert paths.count("clusters.example.backends") == 2
    assert {"engine", "listeners", "clusters.example", "clusters.example.health"} < set(paths)
