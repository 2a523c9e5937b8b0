from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udplb.config.lines import DEPTH_MAX, nearest, scan
from udplb.config.wording import KeyPath

HARD = '''\
# [not.a.table] "'
top = 2 # ] } "

[ engine ] # [[x]]
"quoted \\u0041 key" = 5
a.b . "c.d" = 6
text = """
[fake]
fake = 1
""\\"""" # after
late = 11
literal = \'\'\'
fake = 1 \' \'\' \'\'\'\'\'
late2 = 14
when = 1979-05-27 07:32:00
float = 1.5
inline = { x = 17, "y z" = 17, deep = { w = [17, {v = 17}] }, empty = {} }
array = [ # [
  19, 19, # ,
  "]",
  [21, [ ]
  , 22],
  { k = 23 },
]
'k.l' = 25

[[listeners]]
name = 28
[[listeners]]
[listeners.inner]
name = 31
[[listeners.inner.deep]]
[[listeners.inner.deep]]
name = 34
[[listeners]]
[[listeners.inner]]
name = 37
[clusters.dns.health]
rise = 39
[clusters]
x = 41'''


def leaves(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    """Every value that is no table or array."""
    inner: list[tuple[str | int, Any]]
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    else:
        yield path, value
        return
    for part, child in inner:
        yield from leaves(child, (*path, part))


def test_each_number_in_a_hard_text_is_the_line_that_it_stands_on() -> None:
    lines = scan(HARD)
    numbers = 0
    for path, value in leaves(tomllib.loads(HARD)):
        assert path in lines
        if isinstance(value, int):
            assert lines[path] == value, path
            numbers += 1
    assert numbers == 21


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("engine",), 4),
        (("engine", "a", "b"), 6),
        (("engine", "text"), 7),
        (("engine", "inline", "deep", "w", 1), 17),
        (("engine", "array"), 18),
        (("engine", "array", 2), 20),
        (("engine", "array", 3, 1), 21),
        (("listeners",), 27),
        (("listeners", 0), 27),
        (("listeners", 1), 29),
        (("listeners", 1, "inner", "deep", 1), 33),
        (("listeners", 2, "inner", 0), 36),
        (("clusters",), 40),
        (("clusters", "dns"), 38),
    ],
)
def test_tables_and_arrays_have_lines(path: KeyPath, line: int) -> None:
    assert scan(HARD)[path] == line


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("gone", "for", "ever"), 1),
        (("engine", "gone"), 4),
        (("listeners", 1, "name"), 29),
        (("clusters", "dns", "health", "fall", 3), 38),
    ],
)
def test_what_is_not_there_is_on_the_line_of_what_is_around_it(path: KeyPath, line: int) -> None:
    assert nearest(scan(HARD), path) == line


def test_line_ends_of_windows_count_once() -> None:
    text = HARD.replace("\n", "\r\n")
    tomllib.loads(text)
    assert scan(text) == scan(HARD)


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "{a = " * 100_000,
        "[" + "a." * 100_000 + "a]",
        "a." * 100_000 + "a = 1",
    ],
)
def test_depth_needs_no_deep_stack_and_little_memory(text: str) -> None:
    lines = scan(text)
    assert lines[("a",)] == 1
    assert 1 < len(lines) <= DEPTH_MAX


@pytest.mark.parametrize("depth", [DEPTH_MAX - 1, DEPTH_MAX, DEPTH_MAX + 1])
def test_paths_are_told_apart_to_a_depth(depth: int) -> None:
    parts = ["k"] * depth
    lines = scan("x = 1\n" + ".".join(parts) + " = 2")
    assert nearest(lines, tuple(parts)) == 2
    assert (tuple(parts) in lines) == (depth <= DEPTH_MAX)


NOISE = st.sampled_from(
    ["", "# plain", '# [a] = """ \' { [', "   ", "#", "\t# x = 1"],
)
STRANGE = st.sampled_from(
    [
        '"plain"',
        '""',
        "''",
        '"# [x] = {"',
        '"a\\"b\\\\"',
        "'\\'",
        '"""\n[x]\ny = 1\n"""',
        '"""a "" b\\\n  """""',
        "'''\n'' # [[x]]\n'''''",
        "[\n 'a', # ]\n\n \"]\" ]",
        "{}",
        "[]",
        "1.5e3",
        "1979-05-27T07:32:00.5Z",
        "true",
    ]
)
KEY_NAMES = st.sampled_from(["plain", "a-b_1", '"a.b"', "'# ['", '"\\u00e9\\""', "1", '""'])


def nested(data: st.DataObject, line: int, depth: int) -> str:
    """An array or inline table in which every number is its line."""
    if depth == 0 or data.draw(st.booleans()):
        return str(line)
    if data.draw(st.booleans()):
        inner = nested(data, line, depth - 1)
        return f"{{ a = {inner}, 'b]' = {line + inner.count(chr(10))} }}"
    text = "["
    for _ in range(data.draw(st.integers(0, 3))):
        text += data.draw(st.sampled_from(["", "\n", " # ],[\n", "\n\n"]))
        text += nested(data, line + text.count("\n"), depth - 1) + ","
    return text + "]"


@given(st.data())
def test_generated_documents_have_each_number_on_its_line(data: st.DataObject) -> None:
    text = ""
    for section in range(data.draw(st.integers(0, 4))):
        header = data.draw(st.sampled_from(["[[list]]", f"[t{section}]", f'[ d . "{section}" ]']))
        text += header + data.draw(st.sampled_from(["\n", " # x\n"]))
        for number, key in enumerate(data.draw(st.lists(KEY_NAMES, unique=True, max_size=4))):
            text += data.draw(NOISE) + "\n"
            text += f"s{number} = {data.draw(STRANGE)}\n"
            # Numbers carry their line; strange values are between them to confuse.
            text += f"{key}.k{number} = " + nested(data, text.count("\n") + 1, 3) + "\n"
        if header == "[[list]]" and data.draw(st.booleans()):
            text += f"[list.inner]\nline = {text.count(chr(10)) + 2}\n"
    lines = scan(text)
    for path, value in leaves(tomllib.loads(text)):
        assert path in lines
        if type(value) is int:
            assert lines[path] == value


@given(st.text("[]{}=,.\"'#\\\n\r\t ab1\x00é"))
def test_no_text_makes_it_raise_that_tomllib_accepts(text: str) -> None:
    try:
        document = tomllib.loads(text)
    except ValueError:
        return
    lines = scan(text)
    last = text.count("\n") + 1
    for path, _ in leaves(document):
        assert 1 <= nearest(lines, path) <= last
        assert path in lines or path == ()
