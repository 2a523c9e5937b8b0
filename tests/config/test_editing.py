"""The overlay written into a file's text: only the intended lines differ."""

from __future__ import annotations

import difflib

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from udplb.config.editing import EditError, edit
from udplb.config.load import parse
from udplb.config.overlay import Overlay
from udplb.config.starter import starter
from udplb.core.settings import Configuration

HEAD = """\
# A file full of comments.   \n\
[engine]
drain_timeout="1m"   # long

  [[listeners]]
  name    = 'dns'  # the name
  address = "0.0.0.0:53"
  cluster = "c d"

"""

TABLES = (
    HEAD
    + """\
[clusters."c d"]
balance='maglev' # because

# West
[[clusters."c d".backends]] # first
name = "a"
address = "10.0.0.1:53"
weight = 0x05   # five
# weight = 6

# East, which
# is far
  [[ clusters . 'c d' . backends ]]
  address="10.0.0.2:53"   # b

[clusters."c d".health]
interval = "1s"

# South
[[clusters."c d".backends]]
name = "c"
address = "10.0.0.3:53"
state = "drain"
# At the end.
"""
)

INLINE = (
    HEAD
    + """\
[clusters]
"c d".backends = [
  # West
  { name = "a", address = "10.0.0.1:53", weight = 5 }, # first
  # East
  { address="10.0.0.2:53" }, # b
  {name="c",address="10.0.0.3:53",state="drain"} # South
] # all
"c d".balance = "maglev"
# At the end.
"""
)

ONE_LINE = (
    'clusters = { "c d" = { balance="maglev", backends = [{name = "a", address = "10.0.0.1:53", '
    'weight = 5}, {address = "10.0.0.2:53"}, {name="c",address="10.0.0.3:53",state="drain"}] } }\n'
    + HEAD
)

DENSE = HEAD + "\n".join(
    line for line in TABLES[len(HEAD) :].splitlines() if line.strip() and not line.startswith("#")
)

TEXTS = {
    "tables": TABLES,
    "inline": INLINE,
    "one line": ONE_LINE,
    "dense": DENSE,
    "windows": TABLES.replace("\n", "\r\n"),
    "inline windows": INLINE.replace("\n", "\r\n"),
    "no end": TABLES.removesuffix("# At the end.\n").rstrip("\n"),
    "mark": "\ufeff" + TABLES,
}


def read(text: str) -> Configuration:
    return parse(text.removeprefix("\ufeff"), "f").configuration


FILE = read(TABLES)


def edited(text: str, overlay: Overlay) -> str:
    result = edit(text, overlay, read(text), "f.toml")
    assert result.loaded.configuration == overlay.over(read(text))
    assert read(result.text) == overlay.over(read(text))
    return result.text


def difference(old: str, new: str) -> list[str]:
    """The lines that went and came, without the others."""
    lines = difflib.ndiff(old.splitlines(keepends=True), new.splitlines(keepends=True))
    return [line for line in lines if line[0] in "+-"]


WEIGHT = Overlay().with_weight(FILE, "c d", "a", 7)
NEW_WEIGHT = Overlay().with_weight(FILE, "c d", "10.0.0.2:53", 7)
DRAIN = Overlay().with_state(FILE, "c d", "10.0.0.2:53", "drain")
ADDED = Overlay().with_backend(FILE, "c d", "10.0.0.9:53", 'n "9"', 9)
FIRST_GONE = Overlay().without_backend(FILE, "c d", "a")
SECOND_GONE = Overlay().without_backend(FILE, "c d", "10.0.0.2:53")
LAST_GONE = Overlay().without_backend(FILE, "c d", "c")


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_nothing_to_write_changes_nothing(text: str) -> None:
    assert edited(text, Overlay()) == text


DIFFERENCES: list[tuple[str, Overlay, list[str]]] = [
    (TABLES, WEIGHT, ["- weight = 0x05   # five\n", "+ weight = 7   # five\n"]),
    (TABLES, NEW_WEIGHT, ["+   weight=7\n"]),
    (TABLES, DRAIN, ['+   state="drain"\n']),
    (
        TABLES,
        ADDED,
        [
            "+ \n",
            '+ [[clusters."c d".backends]]\n',
            '+ name = "n \\"9\\""\n',
            '+ address = "10.0.0.9:53"\n',
            "+ weight = 9\n",
        ],
    ),
    (
        TABLES,
        FIRST_GONE,
        [
            "- \n",
            "- # West\n",
            '- [[clusters."c d".backends]] # first\n',
            '- name = "a"\n',
            '- address = "10.0.0.1:53"\n',
            "- weight = 0x05   # five\n",
            "- # weight = 6\n",
        ],
    ),
    (
        TABLES,
        SECOND_GONE,
        [
            "- # East, which\n",
            "- # is far\n",
            "-   [[ clusters . 'c d' . backends ]]\n",
            '-   address="10.0.0.2:53"   # b\n',
            "- \n",
        ],
    ),
    (
        TEXTS["no end"],
        ADDED,
        [
            '- state = "drain"',
            '+ state = "drain"\n',
            "+ \n",
            '+ [[clusters."c d".backends]]\n',
            '+ name = "n \\"9\\""\n',
            '+ address = "10.0.0.9:53"\n',
            "+ weight = 9",
        ],
    ),
    (
        INLINE,
        WEIGHT,
        [
            '-   { name = "a", address = "10.0.0.1:53", weight = 5 }, # first\n',
            '+   { name = "a", address = "10.0.0.1:53", weight = 7 }, # first\n',
        ],
    ),
    (
        INLINE,
        NEW_WEIGHT,
        [
            '-   { address="10.0.0.2:53" }, # b\n',
            '+   { address="10.0.0.2:53", weight = 7 }, # b\n',
        ],
    ),
    (
        INLINE,
        FIRST_GONE,
        ['-   { name = "a", address = "10.0.0.1:53", weight = 5 }, # first\n'],
    ),
    (INLINE, SECOND_GONE, ['-   { address="10.0.0.2:53" }, # b\n']),
    (
        INLINE,
        ADDED,
        [
            '-   {name="c",address="10.0.0.3:53",state="drain"} # South\n',
            '+   {name="c",address="10.0.0.3:53",state="drain"}, # South\n',
            '+   {name = "n \\"9\\"", address = "10.0.0.9:53", weight = 9}\n',
        ],
    ),
]


@pytest.mark.parametrize(("text", "overlay", "lines"), DIFFERENCES)
def test_only_the_intended_lines_differ(text: str, overlay: Overlay, lines: list[str]) -> None:
    assert difference(text, edited(text, overlay)) == lines


def test_lines_are_written_with_the_ends_that_the_file_has() -> None:
    for name in ("windows", "inline windows"):
        for overlay in (WEIGHT, NEW_WEIGHT, DRAIN, ADDED, FIRST_GONE, SECOND_GONE, LAST_GONE):
            text = edited(TEXTS[name], overlay)
            assert text.count("\n") == text.count("\r\n") > 0


def test_a_byte_order_mark_stays() -> None:
    assert edited(TEXTS["mark"], ADDED) == "\ufeff" + edited(TABLES, ADDED)


def test_the_last_table_goes_with_the_blank_line_above_it() -> None:
    text = edited(TEXTS["no end"], LAST_GONE)
    assert text.endswith('[clusters."c d".health]\ninterval = "1s"\n')
    assert edited(TABLES, LAST_GONE) == text


def test_a_comment_of_the_next_table_stays() -> None:
    text = DENSE.replace("  [[ clusters", "# of the second\n  [[ clusters", 1)
    assert "# of the second\n" in edited(text, FIRST_GONE)
    assert "# of the second\n" not in edited(text, SECOND_GONE)


def test_a_value_that_is_the_default_is_written_where_another_one_is() -> None:
    overlay = Overlay().with_weight(FILE, "c d", "a", 1)
    assert difference(TABLES, edited(TABLES, overlay))[1] == "+ weight = 1   # five\n"
    overlay = Overlay().with_state(FILE, "c d", "c", "active")
    assert '+ state = "active"\n' in difference(TABLES, edited(TABLES, overlay))


def test_all_backends_are_replaced() -> None:
    for text in TEXTS.values():
        file = read(text)
        overlay = ADDED
        for name in ("a", "10.0.0.2:53", "c"):
            overlay = overlay.without_backend(file, "c d", name)
        assert "weight = 9" in edited(text, overlay)


def test_a_removed_backend_comes_back_under_another_name() -> None:
    overlay = FIRST_GONE.with_backend(FILE, "c d", "10.0.0.1:53", "west", 5)
    assert difference(TABLES, edited(TABLES, overlay)) == ['- name = "a"\n', '+ name = "west"\n']


def test_the_starter_is_edited() -> None:
    text = starter()
    file = read(text)
    overlay = Overlay().with_weight(file, "example", "127.0.0.1:5302", 3)
    assert difference(text, edited(text, overlay)) == ["+ weight = 3\n"]
    overlay = Overlay().without_backend(file, "example", "127.0.0.1:5302")
    assert all(line.startswith("-") for line in difference(text, edited(text, overlay)))


def test_two_clusters_in_one_line_are_edited() -> None:
    text = (
        'clusters = { x = { backends = [{address = "10.0.0.1:1"}] }, '
        'y = { backends = [{address = "10.0.0.2:1"}] } }\n'
        '[[listeners]]\nname = "l"\naddress = "0.0.0.0:53"\ncluster = "x"\n'
    )
    file = read(text)
    overlay = (
        Overlay().with_weight(file, "x", "10.0.0.1:1", 2).with_backend(file, "y", "10.0.0.3:1")
    )
    _, come = difference(text, edited(text, overlay))
    assert come == (
        '+ clusters = { x = { backends = [{address = "10.0.0.1:1",weight = 2}] }, '
        'y = { backends = [{address = "10.0.0.2:1"}, {address = "10.0.0.3:1"}] } }\n'
    )


OUT_OF_ORDER = """\
[[clusters.x.backends]] # x1
address = "10.0.0.1:1"
[clusters.y.health]
interval = 1
[[clusters.y.backends]] # y1
address = "10.0.0.1:1"
[clusters.x]
balance = "random"
[[listeners]]
name = "l"
address = "0.0.0.0:53"
cluster = "x"
[[clusters.x.backends]] # x2
address = "10.0.0.2:1"
[engine]
max_flows = 3
[[clusters.y.backends]] # y2
address = "10.0.0.2:1"
[clusters.x.health]
interval = 2
[[clusters.x.backends]] # x3
address = "10.0.0.3:1\""""


def test_tables_out_of_order_stay_where_they_are() -> None:
    """tomlkit given all of it moves tables, or breaks off (its issues 381, 571, 577)."""
    file = read(OUT_OF_ORDER)
    overlay = (
        Overlay()
        .with_weight(file, "x", "10.0.0.2:1", 2)
        .with_backend(file, "y", "10.0.0.9:1")
        .with_backend(file, "x", "10.0.0.9:1")
        .without_backend(file, "y", "10.0.0.2:1")
    )
    expected = OUT_OF_ORDER.replace('"10.0.0.2:1"', '"10.0.0.2:1"\nweight = 2', 1)
    expected = expected.replace(
        '[[clusters.y.backends]] # y2\naddress = "10.0.0.2:1"',
        '[[clusters.y.backends]]\naddress = "10.0.0.9:1"',
    )
    expected += '\n[[clusters.x.backends]]\naddress = "10.0.0.9:1"'
    assert edited(OUT_OF_ORDER, overlay) == expected


def test_a_removal_that_would_put_the_clusters_in_another_order_is_refused() -> None:
    file = read(OUT_OF_ORDER)
    with pytest.raises(EditError):
        edited(OUT_OF_ORDER, Overlay().without_backend(file, "x", "10.0.0.1:1"))


def test_a_text_that_says_something_else_is_refused() -> None:
    other = TABLES.replace("maglev", "random")
    with pytest.raises(EditError) as refused:
        edit(other, WEIGHT, FILE, "f.toml")
    assert str(refused.value) == (
        "f.toml is written in a way that cannot be edited safely; save it by hand: cluster c d:"
        " backend a: weight 7 here, 5 in the file"
    )
    for text in (TABLES.replace("10.0.0.2", "10.0.0.22"), HEAD, "[", "clusters = 1"):
        with pytest.raises(EditError):
            edit(text, WEIGHT, FILE, "f.toml")


def test_what_tomlkit_does_not_give_back_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tomlkit, "dumps", lambda document: document.as_string() + "\n")
    with pytest.raises(EditError):
        edit(TABLES, WEIGHT, FILE, "f.toml")


def test_a_bug_of_tomlkit_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(text: str) -> None:
        raise AttributeError(text)

    monkeypatch.setattr(tomlkit, "parse", broken)
    with pytest.raises(EditError):
        edit(TABLES, WEIGHT, FILE, "f.toml")


def test_a_refusal_names_the_first_entries_only() -> None:
    text = TABLES
    overlay = Overlay()
    for number in range(20):
        overlay = overlay.with_backend(FILE, "c d", f"10.0.1.{number}:1")
    with pytest.raises(EditError, match=r"; and 10 more$"):
        edit(text.replace("maglev", "random"), overlay, FILE, "f.toml")


# Whatever is set

NAMES = st.text(st.characters(blacklist_categories=("C", "Z")), min_size=1, max_size=8)
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["weight", "state", "add", "remove"]),
        st.integers(0, 5),
        NAMES,
        st.integers(0, 1000),
    ),
    max_size=8,
)


def overlay_of(file: Configuration, edits: list[tuple[str, int, str, int]]) -> Overlay:
    overlay = Overlay()
    for kind, index, name, weight in edits:
        (cluster,) = overlay.over(file).clusters
        backends = cluster.backends
        word = str(backends[index % len(backends)].address)
        address = f"10.0.2.{index}:{weight + 1}"
        if kind == "weight":
            overlay = overlay.with_weight(file, "c d", word, weight)
        elif kind == "state":
            overlay = overlay.with_state(file, "c d", word, "drain" if weight % 2 else "active")
        elif kind == "remove" and len(backends) > 1:
            overlay = overlay.without_backend(file, "c d", word)
        elif kind == "add" and not any(
            each.is_called(w) for each in backends for w in (name, address)
        ):
            overlay = overlay.with_backend(file, "c d", address, name, weight)
    return overlay


@pytest.mark.parametrize("name", TEXTS)
@given(edits=EDITS)
@settings(max_examples=60, deadline=None)
def test_whatever_is_set_the_rest_of_the_file_stays(
    name: str, edits: list[tuple[str, int, str, int]]
) -> None:
    text = TEXTS[name]
    overlay = overlay_of(read(text), edits)
    new = edited(text, overlay)
    lines = text.splitlines()
    # Lines that are of no backend, with the comments that are nobody's, stay in their order.
    bystanders = [line for line in lines if line and not is_of_backend(line)]
    rest = iter(new.splitlines())
    assert all(line in rest for line in bystanders)
    assert new.startswith("\ufeff") is text.startswith("\ufeff")


def is_of_backend(line: str) -> bool:
    marks = ("backends", "10.0.0.", "name = ", "weight = ", "state = ", "# ", "]")
    return any(mark in line for mark in marks) and line not in HEAD.splitlines()
